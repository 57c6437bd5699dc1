// The table of docs/policies.md is made here, from the types; where the file says something else
// the test fails, and leaves the table that it ought to hold.
#include <peerfold/policy/selector.hpp>
#include <peerfold/policy/traits.hpp>

#include <support/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace pf = peerfold;

namespace {

constexpr int ranks = 8;

std::string fraction(const pf::ratio& parts, int expansion) {
  std::string said = std::to_string(parts.numerator);
  if (parts == pf::ratio{ranks - 1}) said = "N − 1";
  if (parts == pf::ratio{2 * (ranks - 1), ranks}) said = "2 (N − 1)/N";
  return said + (expansion > 1 && parts.numerator != 0 ? ", twice" : "");
}

std::string steps(int number) {
  return number == ranks - 1         ? "N − 1"
         : number == 2 * (ranks - 1) ? "2 (N − 1)"
                                     : std::to_string(number);
}

template <pf::collective Which, pf::policy P>
void add_row(std::ostream& out) {
  if constexpr (pf::has_policy(Which, P)) {
    using traits = pf::policy_traits<Which, P, ranks>;
    out << "| `" << pf::to_string(Which) << "` | `" << pf::to_string(P) << "` | "
        << (traits::reproducible ? "yes" : "no") << " | " << (traits::in_place ? "yes" : "no")
        << " | " << (traits::needs_symmetric ? "symmetric" : "any") << " | "
        << (traits::needs_all_links ? "all" : "neighbours") << " | " << steps(traits::steps)
        << " | " << fraction(traits::parts_sent, traits::expansion) << " | "
        << fraction(traits::parts_received, traits::expansion) << " |\n";
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
         "twice where a sequence number travels with every word; so is what arrives. Policies that "
         "have the same bits always all have the same; the others have them every time. Trees are "
         "shown for 8 ranks, with the root that makes most of each figure. Sentinels carry "
         "floating-point elements; what bits a NaN has is not said.\n\n"
         "| collective | policy | same bits always | in place | output memory | links | steps | "
         "leaves the busiest rank | arrives at the busiest rank |\n"
         "|---|---|---|---|---|---|---|---|---|\n";
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
  for (const pf::policy& p : pf::rooted_policies::list) {
    CHECK(pf::has_policy(pf::collective::broadcast, p));
    CHECK(pf::has_policy(pf::collective::reduce, p));
  }
  for (const pf::policy& p : pf::symmetric_broadcast_policies::list) {
    CHECK(pf::has_policy(pf::collective::broadcast, p));
  }
  for (const pf::policy& p : pf::every_policy::list) {
    CHECK(pf::has_policy(pf::collective::all_reduce, p));
  }
  CHECK_FALSE(pf::has_policy(pf::collective::reduce, pf::direct_store));
  CHECK_FALSE(pf::has_policy(pf::collective::reduce, pf::automatic));
}

TEST_CASE("only trees that fold have bits of their own, and automatic never takes one") {
  CHECK(pf::policy_traits<pf::collective::all_reduce, pf::chain_store, 8>::reproducible);
  CHECK(pf::policy_traits<pf::collective::broadcast, pf::tree_store, 8>::reproducible);
  CHECK_FALSE(pf::policy_traits<pf::collective::reduce, pf::tree_packet, 8>::reproducible);
  for (int n = 1; n <= 8; ++n) {
    for (std::size_t bytes = 1; bytes < (std::size_t{1} << 40); bytes *= 2) {
      CHECK(pf::select_all_reduce(n, bytes).algorithm != pf::algorithm_id::tree);
      for (const auto which : {pf::collective::reduce, pf::collective::broadcast}) {
        const pf::policy chosen = pf::select_exchange(which, n, bytes, false);
        CHECK(pf::rooted_policies::contains(chosen));
      }
    }
  }
}

TEST_CASE("bytes that leave a rank") {
  using two_shot = pf::policy_traits<pf::collective::all_reduce, pf::two_shot_store, 4>;
  CHECK(two_shot::bytes_sent(1000) == 1500.0);
  using packets = pf::policy_traits<pf::collective::all_gather, pf::one_shot_packet, 4>;
  CHECK(packets::bytes_sent(1000) == 6000.0);
  using alone = pf::policy_traits<pf::collective::reduce, pf::one_shot_store, 1>;
  CHECK(alone::bytes_sent(1000) == 0.0);
}
