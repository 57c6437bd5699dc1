/// \file
/// Lines of packet slots that were last written 2^15 messages ago bear the mark of a message to
/// come. The lines are planted.
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/sync/sequence.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "faults.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

template <class Place, int N>
void stale_lines(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr std::uint64_t lap = sync::scrub_period;
  constexpr std::uint64_t large_message = lap + 6;
  team_options options = fault_options(std::chrono::seconds{60});
  options.channels = {{1}};
  options.first_sequence = lap - 2;
  fault_bench<Place, N> bench{options};
  auto& team = bench.team;

  // The call whose lines they pretend to be of: another would be told apart.
  call_signature large_call =
      peerfold::detail::signature_of<one_shot_packet, float>(collective::all_reduce);
  large_call.count = bench.count;
  large_call.operation = type_number<peerfold::sum>();
  large_call.finish = type_number<default_finish_t<peerfold::sum, float, N>>();
  large_call.blocks = 1;
  const launch_plan plan = [&] {
    using context = typename Place::template team<N>::place_type::template context<N>;
    auto& ranks = *team.ranks();
    return peerfold::detail::make_plan<transport::packet<float, context>>(
        bench.count, 1, ranks.shape(0), 1, ranks.narrowest(), ranks.widest(), true);
  }();
  large_call.share = plan.tiles.share();
  large_call.lanes = static_cast<std::uint16_t>(plan.width);
  large_call.parts = 1;

  // Every line of every slot, as if the message of that slot after the large one's first tile, or
  // the one after, had been there one round of the marks ago.
  const auto view = team.ranks()->view(0);
  const std::size_t lines = view.layout.packet_lines;
  for (int rank = 0; rank < N; ++rank) {
    for (int peer = 0; peer < N; ++peer) {
      if (peer == rank) continue;
      for (std::uint64_t m = large_message; m < large_message + sync::packet_slots; ++m) {
        const auto mark = sync::mark_of(static_cast<std::uint32_t>(m), digest_of(large_call));
        std::vector<std::uint64_t> words;
        for (std::size_t i = 0; i < lines; ++i) {
          words.push_back(std::uint64_t{mark.low} << 32 | 0xdead'beefu);
          words.push_back(std::uint64_t{mark.high} << 32 | 0xdead'beefu);
        }
        bench.place.upload(rank,
                           team.ranks()->view_of(rank, 0).region[0] +
                               view.layout.packet_ring(0, rank, peer) + view.layout.packet_slot(m),
                           bytes_of(words));
      }
    }
  }
  bench.place.wait();

  const auto call = [&](std::size_t count, int late) {
    std::vector<std::thread> threads;
    for (int r = 0; r < N; ++r) {
      threads.emplace_back([&, r] {
        recording(result, "rank " + std::to_string(r), [&] {
          if (r == late) std::this_thread::sleep_for(std::chrono::milliseconds{100});
          const auto i = static_cast<std::size_t>(r);
          all_reduce<policies<one_shot_packet>>(
              team.rank(r), static_cast<const float*>(bench.in[i]), bench.out[i], count,
              peerfold::sum{}, bench.place.rank_options({}, r));
          bench.place.after_rank_call(r, 0);
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  // Messages lap - 1 to lap + 5, over the lap that wipes, use one line each. The next uses them
  // all, and one rank looks for it long before the others send it.
  for (int i = 0; i < 7; ++i) call(1, -1);
  call(bench.count, 0);
  result.check(bench.place.wait().empty(), "the device failed");
  result.check(team.status().ok(), team.status().to_string());
  result.check(bench.holds(bench.sum), "a stale line passed for a packet");
}

}  // namespace detail

/// Stale lines in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_stale_lines() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("stale lines", std::to_string(First + I) + " ranks",
                  &detail::stale_lines<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
