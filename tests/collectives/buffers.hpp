/// \file
/// The forms that take symmetric buffers: from one to another, in place, by the team and by ranks.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// Calls of one collective on buffers, against the oracle. Call(who, in, out) is the form with two
/// buffers, for the team or a rank; in_place(team, buffer) the form with one.
template <class Place, int N>
class buffer_bench {
 public:
  using element = std::int32_t;
  using team_type = typename Place::template team<N>;
  using buffer = symmetric_buffer<element, N>;

  explicit buffer_bench(report& result) : result_{result} {}

  template <class Call, class InPlace>
  void run(oracle::request call, std::size_t count, const Call& two, const InPlace& one) {
    call.ranks = N;
    call.count = count;
    const int given = parts_given(call.which, N);
    const int got = parts_got(call.which, N);
    const int most = std::max(given, got);
    const std::string name = std::string{to_string(call.which)} + ", " + std::to_string(count) +
                             " elements, root " + std::to_string(call.root) + ": ";
    recording(result_, name, [&] {
      buffer in(team_, count * static_cast<std::size_t>(given));
      buffer out(team_, count * static_cast<std::size_t>(got));
      for (const bool by_ranks : {false, true}) {
        for (int r = 0; r < N; ++r) fill(in, r, 0, in.size());
        for (int r = 0; r < N; ++r) put(out, r, std::vector<element>(out.size(), -7));
        place_.wait();
        if (by_ranks) {
          std::vector<std::thread> threads;
          for (int r = 0; r < N; ++r) {
            threads.emplace_back([&, r] {
              recording(result_, name, [&] {
                two(team_.rank(r), in, out, place_.rank_options({}, r));
                place_.after_rank_call(r, 0);
              });
            });
          }
          for (std::thread& thread : threads) thread.join();
        } else {
          two(team_, in, out, call_options{});
        }
        check(call, out, 0, name + (by_ranks ? "by ranks" : "by the team"));
      }

      buffer both(team_, count * static_cast<std::size_t>(most));
      const bool gathers = got > given;
      const bool scatters = given > got;
      for (int r = 0; r < N; ++r) {
        fill(both, r, gathers ? static_cast<std::size_t>(r) * count : 0,
             count * static_cast<std::size_t>(given));
      }
      place_.wait();
      one(team_, both);
      check(call, both, scatters ? count : 0, name + "in place");
    });
  }

 private:
  static element value(int rank, std::size_t i) {
    return static_cast<element>(i * 7 + static_cast<std::size_t>(rank) * 1'000'003);
  }
  void put(const buffer& to, int rank, const std::vector<element>& values) {
    place_.upload(rank, reinterpret_cast<std::byte*>(to.data(rank)), bytes_of(values));
  }
  void fill(const buffer& to, int rank, std::size_t begin, std::size_t count) {
    std::vector<element> values(to.size(), -3);
    for (std::size_t i = 0; i < count; ++i) values[begin + i] = value(rank, i);
    put(to, rank, values);
  }
  /// Rank r's result begins at r * part.
  void check(const oracle::request& call, const buffer& out, std::size_t part,
             const std::string& name) {
    if (const std::string failure = place_.wait(); !failure.empty()) result_.fail(name + failure);
    result_.check(team_.status().ok(), name + ": " + team_.status().to_string());
    for (int r = 0; r < N; ++r) {
      const auto bytes = place_.download(r, reinterpret_cast<const std::byte*>(out.data(r)),
                                         out.size() * sizeof(element));
      const std::size_t begin = static_cast<std::size_t>(r) * part;
      for (std::size_t i = 0; i < oracle::got(call, r); ++i) {
        element found;
        std::memcpy(&found, bytes.data() + (begin + i) * sizeof(element), sizeof(element));
        const auto expected = oracle::result<element>(call, r, i, 5, value);
        if (found == expected) continue;
        result_.fail(name + ": rank " + std::to_string(r) + ", element " + std::to_string(i) +
                     " is " + std::to_string(found) + ", not " + std::to_string(expected));
        break;
      }
      result_.count(1, oracle::got(call, r));
    }
  }

  static team_options options() {
    team_options options;
    options.wait_budget = std::chrono::seconds{60};
    options.channels = {{2}};
    options.staging_bytes = 1;
    return options;
  }

  report& result_;
  team_type team_ = Place::template make_team<N>(options());
  Place place_{team_};
};

template <class Place, int N>
void buffer_forms(report& result) {
  if (!Place::has(N)) return result.skip();
  buffer_bench<Place, N> bench{result};
  constexpr peerfold::sum sum;
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{777}}) {
    using enum collective;
    const auto of = [](collective which, int root = 0) {
      oracle::request call;
      call.which = which;
      call.root = root;
      return call;
    };
    // Calls are templates over who calls: the team or one rank.
#define PEERFOLD_TEST_FORMS(call, ...)                                      \
  [&](auto&& who, const auto& in, auto& out, const call_options& options) { \
    call(who, in, out, __VA_ARGS__ __VA_OPT__(, ) options);                 \
  },                                                                        \
      [&](auto& team, auto& buffer) { call(team, buffer __VA_OPT__(, ) __VA_ARGS__); }
    bench.run(of(all_gather), count, PEERFOLD_TEST_FORMS(peerfold::all_gather));
    bench.run(of(all_to_all), count, PEERFOLD_TEST_FORMS(peerfold::all_to_all));
    bench.run(of(all_reduce), count, PEERFOLD_TEST_FORMS(peerfold::all_reduce, sum));
    bench.run(of(reduce_scatter), count, PEERFOLD_TEST_FORMS(peerfold::reduce_scatter, sum));
    bench.run(of(inclusive_scan), count, PEERFOLD_TEST_FORMS(peerfold::inclusive_scan, sum));
    bench.run(of(exclusive_scan), count,
              PEERFOLD_TEST_FORMS(peerfold::exclusive_scan, sum, std::int32_t{5}));
    for (const int root : {0, N - 1}) {
      bench.run(of(broadcast, root), count, PEERFOLD_TEST_FORMS(peerfold::broadcast, root));
      bench.run(of(reduce, root), count, PEERFOLD_TEST_FORMS(peerfold::reduce, sum, root));
      bench.run(of(gather, root), count, PEERFOLD_TEST_FORMS(peerfold::gather, root));
      bench.run(of(scatter, root), count, PEERFOLD_TEST_FORMS(peerfold::scatter, root));
    }
#undef PEERFOLD_TEST_FORMS
  }
}

}  // namespace detail

/// Buffer forms in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_buffers() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("buffers", std::to_string(First + I) + " ranks",
                  &detail::buffer_forms<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
