// Asserts on the cases of the contract suite that this program's other files registered.
#include <support/catch.hpp>
#include <support/contract.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#if defined(__SANITIZE_THREAD__)
// Allocations that are too large fail, as they do without the sanitizer.
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#endif

namespace {

using peerfold::test::contract_case;
using peerfold::test::contract_cases;
using peerfold::test::report;

struct totals {
  std::size_t cases = 0;
  std::size_t calls = 0;
  std::size_t elements = 0;
  std::size_t left_out = 0;

  ~totals() {
    std::printf(
        "contract suite: %zu cases, %zu calls (a rank each), %zu elements compared; %zu cases that "
        "need other ranks or GPUs left out\n",
        cases, calls, elements, left_out);
  }
};

totals& all() {
  static totals sum;
  return sum;
}

}  // namespace

TEST_CASE("collectives keep their contract") {
  auto& cases = contract_cases();
  std::sort(cases.begin(), cases.end(), [](const contract_case& a, const contract_case& b) {
    return a.group != b.group ? a.group > b.group : a.name < b.name;
  });
  REQUIRE(!cases.empty());
  for (const contract_case& next : cases) {
    DYNAMIC_SECTION(next.group << ": " << next.name) {
      report result;
      try {
        next.run(result);
      } catch (const std::exception& reason) {
        result.fail(reason.what());
      }
      INFO(result.to_string());
      CHECK(result.ok());
      all().cases += result.skipped() ? 0 : 1;
      all().left_out += result.skipped() ? 1 : 0;
      all().calls += result.calls();
      all().elements += result.elements();
    }
  }
}
