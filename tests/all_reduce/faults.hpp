/// \file
/// Ranks that do not arrive, arrive late, or are told to stop; and teams that are used in spite of
/// it.
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/sync/fault.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {

/// f() must throw a peerfold::error of this code, in words that contain all of `needles`.
template <class F>
void expect_refusal(report& result, const std::string& what, errc code,
                    std::initializer_list<std::string> needles, F&& f) {
  try {
    std::forward<F>(f)();
    result.fail(what + ": not refused");
  } catch (const error& reason) {
    const std::string text = reason.what();
    result.check(reason.code() == code, what + ": refused with code " +
                                            std::to_string(static_cast<int>(reason.code())) + ", " +
                                            text);
    for (const std::string& needle : needles) {
      result.check(text.find(needle) != std::string::npos,
                   what + ": the message does not say '" + needle + "': " + text);
    }
  }
  result.count(1, 0);
}

namespace detail {

using fault_clock = std::chrono::steady_clock;

/// Beside the wait budget: for threads that wait for a processor, sanitizers, loads of kernels.
inline constexpr std::chrono::seconds slack{8};

/// What these tests call by: all policies that a team of N ranks has for floats.
template <int N>
using tried_policies =
    std::conditional_t<carries_sentinels<N, float>, floating_policies, every_policy>;

/// `count` floats in and out of every rank; rank r's are all 2^r (of many ranks, they recur).
template <class Place, int N>
class fault_bench {
 public:
  static constexpr std::size_t count = 3000;

  explicit fault_bench(const team_options& options, int ranks = N)
      : team{Place::template make_team<N>(options, ranks)}, place{team} {
    std::vector<std::byte> image(count * sizeof(float));
    for (int r = 0; r < ranks; ++r) {
      const auto i = static_cast<std::size_t>(r);
      in[i] = reinterpret_cast<float*>(place.allocate(team, r, image.size()));
      out[i] = reinterpret_cast<float*>(place.allocate(team, r, image.size()));
      place.upload(r, reinterpret_cast<std::byte*>(out[i]), image);
      const std::vector<float> values(count, static_cast<float>(1 << r % 16));
      std::memcpy(image.data(), values.data(), image.size());
      place.upload(r, reinterpret_cast<std::byte*>(in[i]), image);
      std::fill(image.begin(), image.end(), std::byte{});
    }
    place.wait();
  }

  /// The calls of some ranks, each from a thread of its own.
  template <class Before>
  void call_ranks(const std::vector<int>& ranks, const call_options& options, report& result,
                  Before before) {
    std::vector<std::thread> threads;
    for (const int r : ranks) {
      threads.emplace_back([&, r] {
        recording(result, "rank " + std::to_string(r), [&] {
          before(r);
          call_rank(r, options);
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
    result.count(ranks.size(), 0);
  }
  void call_ranks(const std::vector<int>& ranks, const call_options& options, report& result) {
    call_ranks(ranks, options, result, [](int) {});
  }
  void call_rank(int r, const call_options& options) {
    const auto i = static_cast<std::size_t>(r);
    all_reduce<tried_policies<N>>(team.rank(r), static_cast<const float*>(in[i]), out[i], count,
                                  peerfold::sum{}, place.rank_options(options, r));
  }
  void call_team(const call_options& options = {}) {
    std::array<const float*, N> from{};
    std::copy(in.begin(), in.end(), from.begin());
    all_reduce<tried_policies<N>>(team, from, out, count, peerfold::sum{}, options);
  }

  /// Whether every rank holds `value` throughout.
  [[nodiscard]] bool holds(float value) {
    for (int r = 0; r < N; ++r) {
      std::vector<float> found(count);
      const auto bytes =
          place.download(r, reinterpret_cast<const std::byte*>(out[static_cast<std::size_t>(r)]),
                         count * sizeof(float));
      std::memcpy(found.data(), bytes.data(), bytes.size());
      if (std::any_of(found.begin(), found.end(), [&](float f) { return f != value; })) {
        return false;
      }
    }
    return true;
  }
  static constexpr float sum = static_cast<float>((1 << N) - 1);

  typename Place::template team<N> team;
  Place place;
  std::array<float*, N> in{};
  std::array<float*, N> out{};
};

inline std::vector<int> all_but(int ranks, int absent) {
  std::vector<int> others;
  for (int r = 0; r < ranks; ++r) {
    if (r != absent) others.push_back(r);
  }
  return others;
}

inline team_options fault_options(std::chrono::milliseconds budget) {
  team_options options;
  options.wait_budget = budget;
  options.channels = {{1}, {3}};
  options.workers = 2;
  options.staging_bytes = 1;
  return options;
}

inline call_options on_channel(const peerfold::policy& chosen, int channel) {
  call_options options;
  options.policy = chosen;
  options.channel = channel;
  return options;
}

/// One of so many ranks never arrives: the others end, know whom they missed, and the team refuses
/// more.
template <class Place, int N>
void absent_among(int ranks, report& result) {
  constexpr auto budget = Place::short_budget;
  int turn = 0;
  for (const auto& chosen : tried_policies<N>::list) {
    const int absent = turn++ % 2 == 0 ? ranks - 1 : 0;
    const std::string where =
        std::string{to_string(chosen)} + " without rank " + std::to_string(absent) + ": ";
    auto begin = fault_clock::now();
    {
      fault_bench<Place, N> bench{fault_options(budget), ranks};
      begin = fault_clock::now();
      bench.call_ranks(all_but(ranks, absent), on_channel(chosen, 1), result);
      result.check(bench.place.wait().empty(), where + "the device failed");
      const auto took = fault_clock::now() - begin;
      // The clock of a GPU is not the host's.
      result.check(took >= budget - std::chrono::milliseconds{20}, where + "ended too early");
      result.check(took < budget + slack, where + "outlasted the budget");

      const team_status status = bench.team.status();
      result.check(!status.ok() && !status.aborted() && status.size() >= 1,
                   where + "the status says " + status.to_string());
      for (const fault_report& report : status) {
        const std::string said = where + to_string(report) + ": wrong ";
        result.check(report.kind == fault_kind::timeout, said + "kind");
        result.check(report.rank >= 0 && report.rank < ranks && report.rank != absent,
                     said + "rank");
        result.check(report.peer == absent, said + "peer");
        result.check(report.call.which == collective::all_reduce, said + "collective");
        result.check(report.channel == 1, said + "channel");
        result.check(report.block >= 0 && report.block < 3, said + "block");
        result.check(report.expected == sync::wire(1), said + "expected number");
        result.check(report.seen != report.expected, said + "seen number");
      }
      const std::string named = "rank " + std::to_string(absent);
      expect_refusal(result, where + "the next call", errc::team_faulted,
                     {named, "all_reduce", "channel 1", "make a new team"},
                     [&] { bench.call_team(); });
      expect_refusal(result, where + "the next rank call", errc::team_faulted, {named},
                     [&] { bench.call_rank(0, {}); });
      begin = fault_clock::now();
    }
    result.check(fault_clock::now() - begin < budget + slack, where + "destruction took too long");
  }
}

template <class Place, int N>
void absent_rank(report& result) {
  if (!Place::has(N)) return result.skip();
  absent_among<Place, N>(N, result);
}

/// A rank that arrives within the budget is none the worse for it.
template <class Place, int N>
void late_rank(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  std::vector<int> ranks = all_but(N, N);
  for (const auto& chosen : tried_policies<N>::list) {
    bench.call_ranks(ranks, on_channel(chosen, 0), result, [](int rank) {
      if (rank == N / 2) std::this_thread::sleep_for(std::chrono::milliseconds{150});
    });
    result.check(bench.place.wait().empty(), "the device failed");
    result.check(bench.team.status().ok(), bench.team.status().to_string());
    result.check(bench.holds(bench.sum), std::string{to_string(chosen)} + ": a wrong sum");
  }
}

/// The host ends a call that would wait for ten minutes.
template <class Place, int N>
void aborted_call(report& result) {
  if (!Place::has(N)) return result.skip();
  for (const auto& chosen : tried_policies<N>::list) {
    const std::string where = std::string{to_string(chosen)} + ": ";
    fault_bench<Place, N> bench{fault_options(std::chrono::minutes{10})};
    std::thread stopper{[&] {
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
      bench.team.abort();
    }};
    const auto begin = fault_clock::now();
    bench.call_ranks(all_but(N, 0), on_channel(chosen, 1), result);
    result.check(bench.place.wait().empty(), where + "the device failed");
    stopper.join();
    result.check(fault_clock::now() - begin < slack, where + "abort() took too long");
    const team_status status = bench.team.status();
    result.check(!status.ok() && status.aborted(), where + status.to_string());
    for (const fault_report& report : status) {
      result.check(report.kind == fault_kind::aborted, where + to_string(report));
    }
    expect_refusal(result, where + "the next call", errc::team_faulted, {"aborted"},
                   [&] { bench.call_team(); });
  }
}

/// abort() before any call: nothing runs, calls are refused.
template <class Place, int N>
void aborted_team(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::minutes{10})};
  bench.team.abort();
  expect_refusal(result, "a call after abort()", errc::team_faulted, {"aborted", "new team"},
                 [&] { bench.call_team(); });
  result.check(bench.holds(0), "a refused call wrote");
}

/// A team whose ranks still wait is destroyed: bounded by the budget.
template <class Place, int N>
void destroyed_early(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr auto budget = Place::short_budget;
  auto begin = fault_clock::now();
  {
    // Memory is freed after the team: calls may use it until the team is gone.
    std::optional<fault_bench<Place, N>> bench{fault_options(budget)};
    bench->call_ranks(all_but(N, 0), {}, result);
    begin = fault_clock::now();
    const auto gone = std::move(bench->team);
  }
  result.check(fault_clock::now() - begin < budget + slack, "destruction took too long");
}

/// A team that was moved from is empty; the one it was moved to works, and so do its buffers.
template <class Place, int N>
void moved_team(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  symmetric_buffer<float, N> buffer(bench.team, 10);
  auto& left = bench.team;
  auto team = std::move(left);
  const auto refused = [&](const std::string& what, auto&& f) {
    expect_refusal(result, what, errc::team_empty, {"team: it was moved from", "moved to"}, f);
  };
  refused("a team call", [&] { bench.call_team(); });
  refused("a rank call", [&] { bench.call_rank(0, {}); });
  refused("a call on a buffer",
          [&] { all_reduce<policies<two_shot_store>>(left, buffer, peerfold::sum{}); });
  refused("a buffer", [&] { symmetric_buffer<float, N>{left, 1}; });
  result.check(
      left.status().ok() && left.channels() == 0 && left.id() == 0 && left.staging_bytes() == 0,
      "an empty team has something");
  left.abort();
  result.check(team.status().ok(), "aborting an empty team reached the other");
  left = std::move(team);
  bench.call_team();
  all_reduce<policies<two_shot_store>>(left, buffer, peerfold::sum{});
  result.check(bench.place.wait().empty() && bench.holds(bench.sum), "a wrong sum after the moves");
}

}  // namespace detail

/// Faults in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_faults() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const auto add = [](int ranks, const char* what, void (*run)(report&)) {
      registration("faults", std::to_string(ranks) + " ranks: " + what, run);
    };
    (add(First + I, "one never arrives", &detail::absent_rank<Place, First + I>), ...);
    (add(First + I, "one arrives late", &detail::late_rank<Place, First + I>), ...);
    (add(First + I, "the host aborts a call", &detail::aborted_call<Place, First + I>), ...);
    (add(First + I, "the host aborts the team", &detail::aborted_team<Place, First + I>), ...);
    (add(First + I, "destroyed while waiting", &detail::destroyed_early<Place, First + I>), ...);
    (add(First + I, "moved from", &detail::moved_team<Place, First + I>), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
