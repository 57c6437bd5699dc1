#include "support/catch.hpp"

#include <peerfold/all_reduce.hpp>
#include <peerfold/with_rank_count.hpp>

#include <array>
#include <string>

namespace pf = peerfold;

TEST_CASE("a rank count of run time becomes one of compile time") {
  for (const std::size_t ranks : {std::size_t{1}, std::size_t{3}, std::size_t{7}}) {
    float sum = 0;
    pf::with_rank_count<1, 3, 7>(ranks, [&]<int N>() {
      auto team = pf::thread_team<N>::on_threads();
      pf::symmetric_buffer<float, N> ones(team, 1);
      for (int r = 0; r < N; ++r) *ones.data(r) = 1;
      pf::all_reduce<pf::policies<pf::one_shot_packet>>(team, ones, pf::sum{});
      sum = *ones.data(N - 1);
    });
    CHECK(sum == static_cast<float>(ranks));
  }
}

TEST_CASE("a rank count that was not compiled is refused in words") {
  for (const std::size_t ranks : {std::size_t{0}, std::size_t{2}, std::size_t{8}}) {
    try {
      pf::with_rank_count<1, 4>(ranks, [&]<int N>() { FAIL("called for " << N); });
      FAIL("not refused");
    } catch (const pf::error& reason) {
      CHECK(reason.code() == pf::errc::invalid_argument);
      CHECK(std::string{reason.what()} ==
            "ranks: " + std::to_string(ranks) + "; this call was compiled for 1, 4");
    }
  }
}

TEST_CASE("a rank count of run time stands for all that were not compiled") {
  for (const std::size_t ranks : {1u, 2u, 3u, 4u, 9u, 71u, 72u}) {
    int called = 0;
    pf::with_rank_count<pf::run_time_ranks, 2, 4>(ranks, [&]<int N>() {
      ++called;
      CHECK(N == (ranks == 2 || ranks == 4 ? static_cast<int>(ranks) : pf::run_time_ranks));
    });
    CHECK(called == 1);
  }
  for (const std::size_t ranks : {0u, 73u}) {
    try {
      pf::with_rank_count<2, pf::run_time_ranks>(ranks, [&]<int N>() { FAIL("called for " << N); });
      FAIL("not refused");
    } catch (const pf::error& reason) {
      const std::string text = reason.what();
      CHECK(reason.code() == pf::errc::invalid_argument);
      CHECK(text.find("ranks: " + std::to_string(ranks)) != std::string::npos);
      CHECK(text.find("2, 1 to 72") != std::string::npos);
    }
  }
}
