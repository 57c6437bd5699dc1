/// \file
/// Ranks that make different calls: all of them end at once, each says what it called, and the team
/// refuses more.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "../all_reduce/faults.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// Runs one call a rank, odd(rank) on rank `which` and usual(rank) on the others. `needles`: what
/// the report of the odd one must say of its call.
template <class Place, int N, class Usual, class Odd>
void disagree(report& result, const std::string& what, int which, const std::string& usual_words,
              const std::string& odd_words, Usual usual, Odd odd, int ranks = N) {
  const std::string where = what + ", rank " + std::to_string(which) + ": ";
  const auto begin = fault_clock::now();
  fault_bench<Place, N> bench{fault_options(std::chrono::minutes{10}), ranks};
  std::vector<std::thread> threads;
  std::barrier together{ranks};
  std::atomic<int> too_late{0};
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      recording(result, where, [&] {
        const auto i = static_cast<std::size_t>(r);
        const float* in = bench.in[i];
        const auto options = [&](call_options chosen) {
          return bench.place.rank_options(std::move(chosen), r);
        };
        together.arrive_and_wait();
        try {
          if (r == which) {
            odd(bench.team.rank(r), in, bench.out[i], options);
          } else {
            usual(bench.team.rank(r), in, bench.out[i], options);
          }
        } catch (const error& reason) {
          // The others may have found out before this thread got to call.
          if (reason.code() != errc::team_faulted) throw;
          ++too_late;
        }
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  result.count(static_cast<std::size_t>(ranks), 0);
  result.check(bench.place.wait().empty(), where + "the device failed");
  result.check(fault_clock::now() - begin < slack, where + "took too long to end");

  const team_status status = bench.team.status();
  result.check(static_cast<int>(status.size()) + too_late == ranks && status.size() >= 1,
               where + "not every rank reports: " + status.to_string());
  for (const fault_report& report : status) {
    const std::string words = to_string(report);
    result.check(report.kind == fault_kind::disagreement, where + "wrong kind: " + words);
    const std::string& expected = report.rank == which ? odd_words : usual_words;
    result.check(words.find(expected) != std::string::npos,
                 where + "does not say '" + expected + "': " + words);
  }
  expect_refusal(result, where + "the next call", errc::team_faulted, {"make a new team"},
                 [&] { bench.call_team(); });
}

/// The same with the odd rank first and last.
template <class Place, int N, class Usual, class Odd>
void disagree(report& result, const std::string& what, const std::string& usual_words,
              const std::string& odd_words, Usual usual, Odd odd) {
  for (const int which : {0, N - 1}) {
    disagree<Place, N>(result, what, which, usual_words, odd_words, usual, odd);
  }
}

template <class Place, int N>
void disagreements(report& result) {
  if (!Place::has(N)) return result.skip();
  using list =
      policies<one_shot_packet, one_shot_store, two_shot_store, chain_store, one_shot_sentinel>;
  const auto sums = [](std::size_t count, const peerfold::policy& chosen, int blocks = 0) {
    return [=](const auto& rank, const float* in, float* out, const auto& options) {
      call_options mine = on_channel(chosen, 1);
      mine.max_blocks = blocks;
      all_reduce<list>(rank, in, out, count, peerfold::sum{}, options(mine));
    };
  };
  for (const auto& chosen : list::list) {
    const std::string name{to_string(chosen)};
    disagree<Place, N>(result, name + ", another count", "all_reduce of 1000 float, sum, " + name,
                       "all_reduce of 1001 float, sum, " + name, sums(1000, chosen),
                       sums(1001, chosen));
    disagree<Place, N>(result, name + ", nothing", "all_reduce of 1000 float",
                       "all_reduce of 0 float", sums(1000, chosen), sums(0, chosen));
    disagree<Place, N>(result, name + ", another operator", "of 1000 float, sum",
                       "of 1000 float, max", sums(1000, chosen),
                       [&](const auto& rank, const float* in, float* out, const auto& options) {
                         all_reduce<list>(rank, in, out, 1000, peerfold::max{},
                                          options(on_channel(chosen, 1)));
                       });
    if (chosen.transport == transport_id::sentinel) continue;  // not for integers
    disagree<Place, N>(result, name + ", another type", "of 1000 float", "of 1000 int32",
                       sums(1000, chosen),
                       [&](const auto& rank, const float* in, float* out, const auto& options) {
                         all_reduce<list>(rank, reinterpret_cast<const std::int32_t*>(in),
                                          reinterpret_cast<std::int32_t*>(out), 1000,
                                          peerfold::sum{}, options(on_channel(chosen, 1)));
                       });
  }
  // A policy that waits elsewhere, and fewer blocks.
  disagree<Place, N>(result, "another transport", "one_shot/packet", "one_shot/store",
                     sums(1000, one_shot_packet), sums(1000, one_shot_store));
  disagree<Place, N>(result, "another transport", "two_shot/store", "one_shot/packet",
                     sums(1000, two_shot_store), sums(1000, one_shot_packet));
  disagree<Place, N>(result, "another transport", "one_shot/sentinel", "one_shot/packet",
                     sums(1000, one_shot_sentinel), sums(1000, one_shot_packet));
  disagree<Place, N>(result, "another transport", "one_shot/sentinel", "one_shot/store",
                     sums(1000, one_shot_sentinel), sums(1000, one_shot_store));
  disagree<Place, N>(result, "another algorithm", "one_shot/store", "two_shot/store",
                     sums(1000, one_shot_store), sums(1000, two_shot_store));
  disagree<Place, N>(result, "fewer blocks", "blocks", "1 block", sums(3000, one_shot_store),
                     sums(3000, one_shot_store, 1));

  // As many blocks as tiles either way, but other tiles.
  disagree<Place, N>(result, "another cap", "all_reduce", "all_reduce",
                     sums(600, one_shot_store, 3), sums(600, one_shot_store, 2));

  const auto broadcast_from = [](int root, const peerfold::policy& chosen) {
    return [=](const auto& rank, const float* in, float* out, const auto& options) {
      broadcast(rank, in, out, 1000, root, options(on_channel(chosen, 1)));
    };
  };
  for (const auto& chosen : exchange_policies::list) {
    const std::string name{to_string(chosen)};
    disagree<Place, N>(result, name + ", another root", "root 0", "root 1",
                       broadcast_from(0, chosen), broadcast_from(1, chosen));
    disagree<Place, N>(result, name + ", another collective", "broadcast of 1000 float, root 0",
                       "all_reduce of 1000 float", broadcast_from(0, chosen), sums(1000, chosen));
    disagree<Place, N>(result, name + ", a barrier", "broadcast of 1000 float, root 0", "barrier",
                       broadcast_from(0, chosen),
                       [&](const auto& rank, const float*, float*, const auto& options) {
                         barrier<exchange_policies>(rank, options(on_channel(chosen, 1)));
                       });
  }
}

/// Two ranks that both send, or expect other counts: the rest of the team is not in it, and hears
/// of it at its next call.
template <class Place, int N>
void disagreeing_pair(report& result) {
  if (!Place::has(N)) return result.skip();
  const auto run = [&](const std::string& what, auto first, auto second) {
    const auto begin = fault_clock::now();
    fault_bench<Place, N> bench{fault_options(std::chrono::minutes{10})};
    std::array<std::thread, 2> threads;
    threads[0] = std::thread{
        [&] { recording(result, what, [&] { first(bench, bench.place.rank_options({}, 0)); }); }};
    threads[1] = std::thread{[&] {
      recording(result, what, [&] { second(bench, bench.place.rank_options({}, N - 1)); });
    }};
    for (std::thread& thread : threads) thread.join();
    result.count(2, 0);
    result.check(bench.place.wait().empty(), what + ": the device failed");
    result.check(fault_clock::now() - begin < slack, what + ": took too long to end");
    const team_status status = bench.team.status();
    result.check(status.size() == 2, what + ": " + status.to_string());
    for (const fault_report& report : status) {
      result.check(report.kind == fault_kind::disagreement, what + ": " + to_string(report));
    }
    expect_refusal(result, what + ": the next call", errc::team_faulted, {"send_recv"},
                   [&] { bench.call_team(); });
  };
  using bench_type = fault_bench<Place, N>;
  const auto send_to = [](int to, std::size_t count) {
    return [=](bench_type& bench, const call_options& options) {
      const int self = to == 0 ? N - 1 : 0;
      send(bench.team.rank(self), to,
           static_cast<const float*>(bench.in[static_cast<std::size_t>(self)]), count, options);
    };
  };
  const auto recv_from = [](int from, std::size_t count) {
    return [=](bench_type& bench, const call_options& options) {
      const int self = from == 0 ? N - 1 : 0;
      recv(bench.team.rank(self), from, bench.out[static_cast<std::size_t>(self)], count, options);
    };
  };
  run("both send", send_to(N - 1, 100), send_to(0, 100));
  run("both receive", recv_from(N - 1, 100), recv_from(0, 100));
  run("another count", send_to(N - 1, 1000), recv_from(0, 1001));
  run("another transport", send_to(N - 1, 3000), [](bench_type& bench, call_options options) {
    options.policy = one_shot_store;
    recv(bench.team.rank(N - 1), 0, bench.out[N - 1], 3000, options);
  });
}

}  // namespace detail

/// Disagreements in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_disagreement() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("disagreement", std::to_string(First + I) + " ranks: all",
                  &detail::disagreements<Place, First + I>),
     ...);
    (registration("disagreement", std::to_string(First + I) + " ranks: a pair",
                  &detail::disagreeing_pair<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
