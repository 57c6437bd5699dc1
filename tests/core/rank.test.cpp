#include <peerfold/core/rank.hpp>

#include <support/catch.hpp>

#include <set>
#include <type_traits>

namespace pf = peerfold;

TEST_CASE("a set of ranks holds what was added") {
  const auto check = []<int N>() {
    pf::rank_set<N> set;
    CHECK(set.empty());
    std::set<int> model;
    for (int i = 0; i < 4 * N; ++i) {
      const int rank = i * 37 % N;
      const bool adds = i % 3 != 0;
      adds ? set.add(rank) : set.remove(rank);
      adds ? static_cast<void>(model.insert(rank)) : static_cast<void>(model.erase(rank));
      for (int r = 0; r < N; ++r) CHECK(set.has(r) == (model.count(r) != 0));
      CHECK(set.empty() == model.empty());
    }
  };
  check.template operator()<1>();
  check.template operator()<8>();
  check.template operator()<32>();
  check.template operator()<pf::run_time_ranks>();
  CHECK(pf::rank_set<8>{0x84u}.has(7));
  CHECK(!pf::rank_set<8>{0x84u}.has(3));
}

TEST_CASE("a rank count takes no memory where the type says it") {
  STATIC_REQUIRE(std::is_empty_v<pf::rank_extent<8>>);
  STATIC_REQUIRE(pf::rank_extent<8>::of(8).ranks() == 8);
  STATIC_REQUIRE(pf::rank_extent<pf::run_time_ranks>::of(9).ranks() == 9);
  STATIC_REQUIRE(sizeof(pf::rank_set<32>) == 4);
}

TEST_CASE("the ranks after one are all the others, in ring order") {
  const auto check = [](const auto& extent) {
    for (int rank = 0; rank < extent.ranks(); ++rank) {
      for (int step = 1; step < extent.ranks(); ++step) {
        CHECK(pf::rank_after(extent, rank, step) == (rank + step) % extent.ranks());
      }
    }
  };
  check(pf::rank_extent<2>{});
  check(pf::rank_extent<7>{});
  check(pf::rank_extent<pf::run_time_ranks>::of(5));
  check(pf::rank_extent<pf::run_time_ranks>::of(72));
}
