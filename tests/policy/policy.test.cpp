#include <support/catch.hpp>

#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>

#include <algorithm>
#include <set>
#include <string>

namespace pf = peerfold;

namespace {

/// Which policies dispatch() visits for `wanted`.
template <class Policies>
std::string dispatched(const pf::policy& wanted) {
  std::string visited;
  const bool found =
      Policies::dispatch(wanted, [&]<pf::policy P>() { visited += pf::to_string(P); });
  return found ? visited : visited + "none";
}

}  // namespace

TEST_CASE("policies have names that can be read back") {
  std::set<std::string> names;
  for (const pf::policy& p : pf::all_policies) {
    const auto name = pf::to_string(p);
    CHECK(pf::parse_policy(name) == p);
    names.emplace(name);
  }
  CHECK(names.size() == pf::all_policies.size());
  CHECK(pf::to_string(pf::two_shot_store) == "two_shot/store");
  CHECK(pf::parse_policy("automatic") == pf::automatic);
  CHECK(pf::to_string(pf::automatic) == "automatic");
}

TEST_CASE("other names are no policies") {
  for (const char* name : {"", "one_shot", "one_shot/", "one_shot/packet ", "ONE_SHOT/PACKET",
                           "one_shot/ring", "one_shot/automatic", "(no policy)"}) {
    CHECK(!pf::parse_policy(name).has_value());
  }
  CHECK(pf::to_string({pf::algorithm_id::one_shot, pf::transport_id::automatic}) ==
        "one_shot/automatic");
}

TEST_CASE("policies are values") {
  STATIC_REQUIRE(pf::one_shot_packet ==
                 pf::policy{pf::algorithm_id::one_shot, pf::transport_id::packet});
  STATIC_REQUIRE(pf::one_shot_packet != pf::one_shot_store);
  STATIC_REQUIRE(pf::policy{} == pf::automatic);
}

TEST_CASE("a list of policies dispatches to those it has") {
  using two = pf::policies<pf::one_shot_packet, pf::two_shot_store>;
  STATIC_REQUIRE(two::size == 2);
  STATIC_REQUIRE(two::contains(pf::two_shot_store));
  STATIC_REQUIRE(!two::contains(pf::one_shot_store));
  STATIC_REQUIRE(!two::contains(pf::automatic));
  CHECK(dispatched<two>(pf::two_shot_store) == "two_shot/store");
  CHECK(dispatched<two>(pf::one_shot_packet) == "one_shot/packet");
  CHECK(dispatched<two>(pf::two_shot_packet) == "none");
  CHECK(pf::every_policy::size == pf::all_policies.size());
}

TEST_CASE("the selector names a policy for every size and rank count") {
  for (int ranks = 1; ranks <= 8; ++ranks) {
    for (std::size_t bytes = 1; bytes < std::size_t{1} << 40; bytes *= 2) {
      const auto chosen = pf::select_all_reduce(ranks, bytes);
      CHECK(pf::every_policy::contains(chosen));
    }
    CHECK(pf::select_all_reduce(ranks, 1) == pf::one_shot_packet);
    CHECK(pf::select_all_reduce(ranks, std::size_t{1} << 30) == pf::two_shot_store);
  }
}
