// The table of docs/elements.md is made here, from what the library says of itself and from the
// rows of covering.hpp; where the file says something else the test fails, and leaves the table
// that it ought to hold.
#include "covering.hpp"

#include <support/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>

namespace pf = peerfold;
using namespace peerfold::test::detail;  // NOLINT: the table

namespace {

std::string cell(int type, int op) {
  std::string text;
  for (int i = 0; i < covering.size; ++i) {
    const covering_row& row = covering.rows[i];
    if (row.which >= folding_collectives || row.type != type || row.op != op) continue;
    const std::string name =
        pf::to_string(covered_collectives[static_cast<std::size_t>(row.which)]);
    if ((", " + text + ",").find(", " + name + ",") != std::string::npos) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "–" : text;
}

template <int Type>
void add_row(std::ostream& out) {
  using T = covered_type<Type>;
  using accumulator = pf::accumulator_t<T>;
  out << "| " << std::get<Type>(covered_types).name << " | " << sizeof(T) << " | "
      << (std::is_same_v<T, accumulator> ? "itself" : "float") << " |";
  for (int op = 0; op < covered_operator_count; ++op) out << ' ' << cell(Type, op) << " |";
  out << '\n';
}

std::string table() {
  std::ostringstream out;
  out << "# Element types and operators\n\n"
         "Made from `folds_elements` (core/reduction_op.hpp) and the rows of the contract suite "
         "(tests/collectives/covering.hpp) by tests/collectives/covering.test.cpp. A cell names "
         "the "
         "collectives by which the suite tests that operator on that type, against the serial "
         "oracle; – where the library has no such fold: it does not compile, and says why. Any "
         "trivially copyable type of up to "
      << pf::largest_element
      << " bytes is an element; structs of so many bytes stand for them. Every type is copied by "
         "every collective that copies. `mix` stands for the caller's own functors.\n\n"
         "| elements | bytes | folded in |";
  for (const auto& name : covered_operator_names) out << ' ' << name << " |";
  out << "\n|---|---|---|";
  for (int op = 0; op < covered_operator_count; ++op) out << "---|";
  out << '\n';
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (add_row<I>(out), ...);
  }(std::make_integer_sequence<int, covered_type_count>{});
  return out.str();
}

}  // namespace

TEST_CASE("docs/elements.md says what is folded and what is tested") {
  std::ifstream file(PEERFOLD_SOURCE_DIR "/docs/elements.md");
  std::ostringstream found;
  found << file.rdbuf();
  if (found.str() != table()) {
    std::ofstream(std::string{"elements.md"}) << table();
    FAIL("docs/elements.md is out of date: copy elements.md, written into the current folder");
  }
  SUCCEED();
}
