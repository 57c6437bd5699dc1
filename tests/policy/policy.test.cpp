#include <support/catch.hpp>

#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

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
  STATIC_REQUIRE(two::contains(pf::transport_id::store));
  STATIC_REQUIRE(!two::contains(pf::transport_id::sentinel));
  CHECK(dispatched<two>(pf::two_shot_store) == "two_shot/store");
  CHECK(dispatched<two>(pf::one_shot_packet) == "one_shot/packet");
  CHECK(dispatched<two>(pf::two_shot_packet) == "none");
  CHECK(pf::every_policy::size == pf::all_policies.size());
}

namespace {

/// Whether what automatic may take is compiled, and nothing else.
template <int N, class T, class Op>
void check_lists() {
  constexpr bool sentinel = pf::takes_sentinel<T, Op, N>;
  using list = pf::all_reduce_policies_t<pf::automatic_policies, N, sentinel>;
  std::set<std::string_view> taken;
  for (int ranks = pf::counts_ranks_early<N> ? N : 1; ranks <= (pf::counts_ranks_early<N> ? N : 72);
       ++ranks) {
    for (std::size_t bytes = 1; bytes < std::size_t{1} << 40; bytes += bytes / 3 + 1) {
      const auto chosen = pf::select_all_reduce(ranks, bytes, sentinel);
      CHECK(list::contains(chosen));
      taken.insert(to_string(chosen));
    }
  }
  CHECK(taken.size() == list::size);
  const auto folds = []<pf::collective Which>() {
    using of_which = pf::fold_policies_t<Which, pf::automatic_policies, sentinel>;
    for (std::size_t bytes = 1; bytes < std::size_t{1} << 40; bytes += bytes / 3 + 1) {
      CHECK(of_which::contains(pf::select_exchange(Which, N, bytes, false, sentinel)));
    }
  };
  folds.template operator()<pf::collective::reduce_scatter>();
  folds.template operator()<pf::collective::reduce>();
  folds.template operator()<pf::collective::inclusive_scan>();
}

template <class T, class Op, int... N>
void check_lists_of(std::integer_sequence<int, N...>) {
  (check_lists<N + 1, T, Op>(), ...);
}

}  // namespace

TEST_CASE("calls compile what automatic may take") {
  const auto own = [](float a, float) { return a; };
  const std::make_integer_sequence<int, 8> counts;
  check_lists_of<float, pf::sum>(counts);
  check_lists_of<float, decltype(own)>(counts);
  check_lists_of<int, pf::sum>(counts);
  check_lists<pf::run_time_ranks, float, pf::sum>();
  STATIC_REQUIRE(pf::takes_sentinel<double, pf::max, 8>);
  STATIC_REQUIRE(!pf::takes_sentinel<int, pf::sum, 2>);
  STATIC_REQUIRE(!pf::takes_sentinel<float, decltype(own), 2>);
  STATIC_REQUIRE(!pf::takes_sentinel<float, pf::sum, pf::run_time_ranks>);
  using named = pf::policies<pf::chain_store>;
  STATIC_REQUIRE(std::is_same_v<pf::all_reduce_policies_t<named, 2, true>, named>);
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
