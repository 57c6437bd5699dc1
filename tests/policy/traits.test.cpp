// The table of docs/policies.md is made here, from the types; where the file says something else
// the test fails, and leaves the table that it ought to hold.
#include <peerfold/policy/traits.hpp>

#include <support/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace pf = peerfold;

namespace {

constexpr int ranks = 8;

std::string fraction(const pf::ratio& parts, bool of_ranks) {
  if (!of_ranks) return std::to_string(parts.numerator);
  return parts == pf::ratio{ranks - 1} ? "N − 1" : "2 (N − 1)/N";
}

template <pf::collective Which, pf::policy P>
void add_row(std::ostream& out) {
  if constexpr (pf::has_policy(Which, P)) {
    using traits = pf::policy_traits<Which, P, ranks>;
    const bool of_ranks = traits::parts_sent.value() > 1;
    out << "| `" << pf::to_string(Which) << "` | `" << pf::to_string(P) << "` | "
        << (traits::reproducible ? "yes" : "no") << " | " << (traits::in_place ? "yes" : "no")
        << " | " << (traits::needs_symmetric ? "symmetric" : "any") << " | " << traits::steps
        << " | " << fraction(traits::parts_sent, of_ranks)
        << (traits::expansion > 1 && traits::parts_sent.numerator != 0 ? ", twice" : "") << " |\n";
  }
}

template <pf::collective Which>
void add_rows(std::ostream& out) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (add_row<Which, pf::known_policies[I]>(out), ...);
  }(std::make_index_sequence<pf::known_policies.size()>{});
}

std::string table() {
  std::ostringstream out;
  out << "# Collectives and their policies\n\n"
         "Made from `policy_traits` (policy/traits.hpp) by tests/policy/traits.test.cpp. A part is "
         "the `count` elements of the call; what leaves the busiest rank is counted in parts, and "
         "twice where a sequence number travels with every word.\n\n"
         "| collective | policy | same bits always | in place | output memory | steps | leaves the "
         "busiest rank |\n|---|---|---|---|---|---|---|\n";
  using enum pf::collective;
  add_rows<all_reduce>(out);
  add_rows<reduce_scatter>(out);
  add_rows<all_gather>(out);
  add_rows<broadcast>(out);
  add_rows<reduce>(out);
  add_rows<all_to_all>(out);
  add_rows<gather>(out);
  add_rows<scatter>(out);
  add_rows<send_recv>(out);
  add_rows<inclusive_scan>(out);
  add_rows<exclusive_scan>(out);
  add_rows<barrier>(out);
  return out.str();
}

}  // namespace

TEST_CASE("docs/policies.md says what the types say") {
  std::ifstream file(PEERFOLD_SOURCE_DIR "/docs/policies.md");
  std::ostringstream found;
  found << file.rdbuf();
  if (found.str() != table()) {
    std::ofstream(std::string{"policies.md"}) << table();
    FAIL("docs/policies.md is out of date: copy policies.md, written into the current folder");
  }
  SUCCEED();
}

TEST_CASE("policies of the lists are policies of their collectives") {
  for (const pf::policy& p : pf::exchange_policies::list) {
    CHECK(pf::has_policy(pf::collective::broadcast, p));
    CHECK(pf::has_policy(pf::collective::inclusive_scan, p));
  }
  for (const pf::policy& p : pf::symmetric_exchange_policies::list) {
    CHECK(pf::has_policy(pf::collective::all_gather, p));
  }
  for (const pf::policy& p : pf::every_policy::list) {
    CHECK(pf::has_policy(pf::collective::all_reduce, p));
  }
  CHECK_FALSE(pf::has_policy(pf::collective::reduce, pf::direct_store));
  CHECK_FALSE(pf::has_policy(pf::collective::reduce, pf::automatic));
}

TEST_CASE("bytes that leave a rank") {
  using two_shot = pf::policy_traits<pf::collective::all_reduce, pf::two_shot_store, 4>;
  CHECK(two_shot::bytes_sent(1000) == 1500.0);
  using packets = pf::policy_traits<pf::collective::all_gather, pf::one_shot_packet, 4>;
  CHECK(packets::bytes_sent(1000) == 6000.0);
  using alone = pf::policy_traits<pf::collective::reduce, pf::one_shot_store, 1>;
  CHECK(alone::bytes_sent(1000) == 0.0);
}
