/// \file
/// Teams whose rank count is known at run time: every collective by every policy that such teams
/// have, among 1 to 72 ranks.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/records.hpp>

#include "custom.hpp"
#include "disagreement.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

template <class Place, class T, class Op, collective Which, memory_kind Kind, class Policies>
void run_counts(report& result) {
  for (const int ranks : Place::run_time_counts()) {
    // The ranks' memory together, of which collectives hold up to a part for each other rank.
    const std::size_t most_bytes = 200'000 / static_cast<std::size_t>(ranks * ranks) + 2'000;
    run_with_ranks<Place, T, Op, run_time_ranks, Policies, Kind, Which>(ranks, ranks == 9,
                                                                        most_bytes, result);
    if (!result.ok()) return;
  }
}

template <class Place, class T, class Op, collective Which, memory_kind Kind, class Policies>
void add_counts(const char* what) {
  registration(to_string(Which), std::string{"run-time rank counts, "} + what,
               &run_counts<Place, T, Op, Which, Kind, Policies>);
}

/// One of nine ranks does not come; and one calls something else.
template <class Place>
void run_time_absent(report& result) {
  absent_among<Place, run_time_ranks>(9, result);
}
template <class Place>
void run_time_disagreement(report& result) {
  for (const auto& chosen : all_policies) {
    const auto call = [&](std::size_t count) {
      return [&, count](const auto& rank, const float* in, float* out, const auto& options) {
        all_reduce(rank, in, out, count, peerfold::sum{}, options(on_channel(chosen, 1)));
      };
    };
    disagree<Place, run_time_ranks>(result, std::string{to_string(chosen)}, 4,
                                    "all_reduce of 1000 float", "all_reduce of 1001 float",
                                    call(1000), call(1001), 9);
  }
}

/// A kernel of the caller's own.
template <class Place>
void run_time_custom(report& result) {
  for (const int ranks : {3, 9}) custom_among<Place, run_time_ranks>(ranks, result);
}

/// Team calls on symmetric buffers, which know their ranks themselves.
template <class Place>
void run_time_buffers(report& result) {
  constexpr int ranks = 3;
  auto team =
      Place::template make_team<run_time_ranks>(fault_options(std::chrono::seconds{60}), ranks);
  Place place{team};
  symmetric_buffer<float, run_time_ranks> in{team, 6};
  symmetric_buffer<float, run_time_ranks> out{team, 2};
  symmetric_buffer<float, run_time_ranks> sums{team, 6};
  const auto upload = [&](int r, float* to, const std::vector<float>& values) {
    place.upload(r, reinterpret_cast<std::byte*>(to), bytes_of(values));
  };
  for (int r = 0; r < ranks; ++r) {
    const auto one = static_cast<float>(r + 1);
    upload(r, in.data(r), {one, 2 * one, 3 * one, 4 * one, 5 * one, 6 * one});
  }
  place.wait();
  reduce_scatter<policies<one_shot_packet>>(team, in, out, peerfold::sum{});
  reduce<policies<one_shot_packet>>(team, in, sums, peerfold::sum{}, 1);
  result.check(place.wait().empty() && team.status().ok(), "calls on symmetric buffers");
  const auto holds = [&](int r, const float* from, const std::vector<float>& wanted) {
    const auto found =
        place.download(r, reinterpret_cast<const std::byte*>(from), wanted.size() * sizeof(float));
    result.check(found == bytes_of(wanted), "what rank " + std::to_string(r) + " holds");
  };
  for (int r = 0; r < ranks; ++r) {
    const auto part = static_cast<float>(12 * r);
    holds(r, out.data(r), {part + 6, part + 12});
  }
  holds(1, sums.data(1), {6, 12, 18, 24, 30, 36});
  result.count(2 * ranks, 12);
}

/// What makes no team, and no call.
template <class Place>
void run_time_refusals(report& result) {
  const auto make = [](int ranks) {
    return Place::template make_team<run_time_ranks>(fault_options(std::chrono::seconds{10}),
                                                     ranks);
  };
  for (const int ranks : {0, 73}) {
    expect_refusal(result, std::to_string(ranks) + " ranks", errc::invalid_argument,
                   {": " + std::to_string(ranks) + "; ", "1 to 72 ranks"},
                   [&] { static_cast<void>(make(ranks)); });
  }
  fault_bench<Place, run_time_ranks> bench{fault_options(std::chrono::seconds{60}), 3};
  result.check(bench.team.rank_count() == 3, "the team has three ranks");
  expect_refusal(result, "rank 3", errc::invalid_argument, {"rank: 3", "ranks 0 to 2"},
                 [&] { static_cast<void>(bench.team.rank(3)); });
  const std::vector<float*> three{bench.in[0], bench.in[1], bench.in[2]};
  const auto in = each_rank<const float*>(bench.team, three);
  for (const std::size_t count : {std::size_t{2}, std::size_t{4}}) {
    expect_refusal(result, "values", errc::invalid_argument, {"team of 3 ranks"},
                   [&] { static_cast<void>(each_rank(bench.team, std::vector<float*>(count))); });
  }
  expect_refusal(result, "root 3", errc::invalid_argument, {"root: 3", "ranks 0 to 2"},
                 [&] { reduce(bench.team, in, bench.out, 10, peerfold::sum{}, 3); });
  auto few = bench.out;
  few[2] = nullptr;
  expect_refusal(result, "no output", errc::invalid_argument, {"out[2]: null"},
                 [&] { all_reduce(bench.team, in, few, 10, peerfold::sum{}); });
  expect_refusal(result, "sentinels", errc::invalid_argument,
                 {"options.policy", "one_shot/sentinel", "rank count known"}, [&] {
                   all_reduce<policies<one_shot_packet, one_shot_sentinel>>(
                       bench.team, in, bench.out, 10, peerfold::sum{},
                       {.policy = one_shot_sentinel});
                 });
  auto moved = std::move(bench.team);
  expect_refusal(result, "a moved-from team's rank", errc::team_empty, {"moved from"},
                 [&] { static_cast<void>(bench.team.rank(0)); });
  expect_refusal(result, "a moved-from team's call", errc::team_empty, {"moved from"},
                 [&] { bench.call_team(); });
  bench.team = std::move(moved);
  bench.call_team();
  result.check(bench.place.wait().empty() && bench.team.status().ok(), "a call after refusals");
}

}  // namespace detail

/// The portions divide the compiler's work.
template <class Place, int First, int Last>
bool add_run_time_ranks() {
  using detail::add_counts;
  constexpr auto ordinary = memory_kind::ordinary;
  constexpr auto symmetric = memory_kind::symmetric;
  const auto portion = [](int number) { return First <= number && number <= Last; };
  if constexpr (portion(0)) {
    add_counts<Place, float, sum, collective::all_reduce, ordinary, every_policy>(
        "ordinary memory");
    add_counts<Place, float, sum, collective::all_reduce, symmetric,
               typename Place::symmetric_policies>("symmetric memory");
  }
  if constexpr (portion(1)) {
    add_counts<Place, double, avg, collective::reduce_scatter, ordinary, exchange_policies>(
        "averages of double");
    add_counts<Place, float, sum, collective::reduce_scatter, symmetric, policies<one_shot_store>>(
        "symmetric memory");
    add_counts<Place, float, sum, collective::reduce, ordinary, rooted_policies>("ordinary memory");
  }
  if constexpr (portion(2)) {
    add_counts<Place, particle, mix, collective::inclusive_scan, ordinary, exchange_policies>(
        "mixtures of a struct of 12 bytes");
    add_counts<Place, float, sum, collective::exclusive_scan, ordinary, exchange_policies>(
        "ordinary memory");
  }
  if constexpr (portion(3)) {
    add_counts<Place, float, sum, collective::all_gather, symmetric,
               typename Place::symmetric_copy_policies>("symmetric memory");
    add_counts<Place, float, sum, collective::all_to_all, ordinary, exchange_policies>(
        "ordinary memory");
    add_counts<Place, float, sum, collective::all_to_all, symmetric,
               typename Place::symmetric_copy_policies>("symmetric memory");
  }
  if constexpr (portion(4)) {
    add_counts<
        Place, float, sum, collective::broadcast, symmetric,
        policies<one_shot_packet, one_shot_store, two_shot_packet, two_shot_store, direct_store>>(
        "symmetric memory");
    add_counts<Place, float, sum, collective::gather, symmetric,
               typename Place::symmetric_copy_policies>("symmetric memory");
  }
  if constexpr (portion(5)) {
    add_counts<Place, float, sum, collective::scatter, ordinary, exchange_policies>(
        "ordinary memory");
    add_counts<Place, float, sum, collective::send_recv, ordinary, exchange_policies>(
        "ordinary memory");
    add_counts<Place, float, sum, collective::barrier, ordinary, exchange_policies>("no memory");
  }
  if constexpr (portion(6)) {
    registration("faults", "run-time rank counts, a rank that does not come",
                 &detail::run_time_absent<Place>);
    registration("faults", "run-time rank counts, a rank that calls something else",
                 &detail::run_time_disagreement<Place>);
    registration("custom", "run-time rank counts", &detail::run_time_custom<Place>);
    registration("buffers", "run-time rank counts", &detail::run_time_buffers<Place>);
    registration("refusals", "run-time rank counts", &detail::run_time_refusals<Place>);
  }
  return true;
}

}  // namespace peerfold::test
