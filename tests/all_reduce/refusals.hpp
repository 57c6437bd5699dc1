/// \file
/// Bad arguments: each is refused before anything is launched, in words that name the argument, its
/// value and the remedy; outputs stay untouched, and the team remains usable.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "faults.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace peerfold::test {
namespace detail {

/// What is refused alike in every place.
template <class Place, int N>
void refused_calls(report& result) {
  static_assert(N >= 3);
  if (!Place::has(N)) return result.skip();
  using only_one = policies<one_shot_packet>;
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  constexpr std::size_t count = bench.count;
  std::array<const float*, N> in;
  std::copy(bench.in.begin(), bench.in.end(), in.begin());
  const auto out = bench.out;

  const auto refuse = [&](const std::string& what, std::initializer_list<std::string> needles,
                          auto&& f) {
    expect_refusal(result, what, errc::invalid_argument, needles, f);
  };
  const auto team_call = [&](const auto& from, const auto& to, element_count n,
                             const call_options& options = {}) {
    all_reduce<only_one>(team, from, to, n, peerfold::sum{}, options);
  };
  const auto rank_call = [&](const float* from, float* to, element_count n,
                             const call_options& options = {}) {
    all_reduce<only_one>(team.rank(1), from, to, n, peerfold::sum{}, options);
  };

  refuse("a negative count", {"count", "-1", "not negative"}, [&] { team_call(in, out, -1); });
  refuse("a negative count of a rank", {"count", "-7"},
         [&] { rank_call(in[1], out[1], std::int64_t{-7}); });
  refuse("an overflowing count", {"count", std::to_string(SIZE_MAX / 4), "overflow"},
         [&] { team_call(in, out, SIZE_MAX / 4); });
  refuse("an overflowing count with functors", {"count", "overflow"}, [&] {
    transform_all_reduce<only_one>(team.rank(0), SIZE_MAX / 2, load_from<float>{in[0]},
                                   peerfold::sum{}, round_to<float>{}, store_to<float>{out[0]});
  });

  refuse("no input", {"in[1]", "null", std::to_string(count)}, [&] {
    auto from = in;
    from[1] = nullptr;
    team_call(from, out, count);
  });
  refuse("no output", {"out[2]", "null"}, [&] {
    auto to = out;
    to[2] = nullptr;
    team_call(in, to, count);
  });
  refuse("a rank without input", {"in", "null"}, [&] { rank_call(nullptr, out[1], count); });
  refuse("a rank without output", {"out", "null"}, [&] { rank_call(in[1], nullptr, count); });

  const auto askew = [](auto* pointer) {
    return reinterpret_cast<decltype(pointer)>(reinterpret_cast<std::uintptr_t>(pointer) + 2);
  };
  const auto address = [](const void* pointer) {
    std::string digits;
    for (auto rest = reinterpret_cast<std::uintptr_t>(pointer); rest != 0; rest /= 16) {
      digits.insert(digits.begin(), "0123456789abcdef"[rest % 16]);
    }
    return "0x" + digits;
  };
  refuse("a misaligned input", {"in[0]", address(askew(in[0])), "aligned", "4 bytes"}, [&] {
    auto from = in;
    from[0] = askew(from[0]);
    team_call(from, out, count - 1);
  });
  refuse("a misaligned output of a rank", {"out", address(askew(out[1])), "aligned", "4 bytes"},
         [&] { rank_call(in[1], askew(out[1]), count - 1); });

  const auto overlapping = [&](const std::string& what, std::size_t rank, float* to,
                               const std::string& with) {
    refuse(what, {"out[" + std::to_string(rank) + "]", "overlaps", with, address(to)}, [&] {
      auto all = out;
      all[rank] = to;
      team_call(in, all, count / 2);
    });
  };
  const auto input = [&](std::size_t rank) { return const_cast<float*>(in[rank]); };
  overlapping("an output in the middle of its input", 0, input(0) + 1, "in[0]");
  overlapping("an output before the end of its input", 2, input(2) + count / 2 - 1, "in[2]");
  overlapping("another rank's input as output", 1, input(0), "in[0]");
  overlapping("another rank's output as output", 2, out[0], "out[0]");
  overlapping("another rank's output in part", 1, out[0] + 3, "out[0]");
  refuse("a rank's output in the middle of its input", {"out", "overlaps", "in"},
         [&] { rank_call(in[1], input(1) + 5, count / 2); });

  const auto with_options = [&](const std::string& what, std::initializer_list<std::string> needles,
                                auto set) {
    call_options options;
    set(options);
    refuse(what, needles, [&] { team_call(in, out, count, options); });
    refuse(what + ", of a rank", needles, [&] { rank_call(in[1], out[1], count, options); });
  };
  with_options("a channel below 0", {"options.channel", "-1", "0 to 1"},
               [](call_options& o) { o.channel = -1; });
  with_options("a channel too many", {"options.channel", "2", "0 to 1"},
               [](call_options& o) { o.channel = 2; });
  with_options("a negative number of blocks", {"options.max_blocks", "-3", "0"},
               [](call_options& o) { o.max_blocks = -3; });
  with_options("a policy that was not compiled",
               {"options.policy", "two_shot/store", "compiled", "one_shot/packet"},
               [](call_options& o) { o.policy = two_shot_store; });
  with_options("half a policy", {"options.policy", "one_shot/automatic", "compiled"},
               [](call_options& o) {
                 o.policy = {algorithm_id::one_shot, transport_id::automatic};
               });
  refuse("sentinels of integers", {"options.policy", "one_shot/sentinel", "floating-point"}, [&] {
    std::array<const std::int32_t*, N> from;
    std::array<std::int32_t*, N> to;
    for (std::size_t r = 0; r < N; ++r) {
      from[r] = reinterpret_cast<const std::int32_t*>(in[r]);
      to[r] = reinterpret_cast<std::int32_t*>(out[r]);
    }
    all_reduce<policies<one_shot_packet, one_shot_sentinel>>(team, from, to, count, peerfold::sum{},
                                                             {.policy = one_shot_sentinel});
  });
  refuse("a stream for all ranks", {"options.stream", "leave it unset"}, [&] {
    call_options options;
    options.stream = nullptr;  // the default stream: named, not left unset
    team_call(in, out, count, options);
  });
  refuse("more tiles than 32 bits number", {"count", std::to_string(std::size_t{1} << 44), "split"},
         [&] {
           transform_all_reduce<only_one>(
               team.rank(0), std::size_t{1} << 44, load_from<float>{in[0]}, peerfold::sum{},
               round_to<float>{}, store_to<float>{out[0]}, bench.place.rank_options({}, 0));
         });

  refuse("a rank below 0", {"rank", "-1", "0 to " + std::to_string(N - 1)},
         [&] { static_cast<void>(team.rank(-1)); });
  refuse("a rank too many", {"rank", std::to_string(N), "0 to " + std::to_string(N - 1)},
         [&] { static_cast<void>(team.rank(N)); });

  symmetric_buffer<float, N> ten(team, 10);
  symmetric_buffer<float, N> eleven(team, 11);
  refuse("buffers of two sizes", {"out", "11", "10", "equal"},
         [&] { all_reduce<only_one>(team, ten, eleven, peerfold::sum{}); });
  auto other = Place::template make_team<N>(fault_options(std::chrono::seconds{60}));
  symmetric_buffer<float, N> foreign(other, 10);
  refuse("an input of another team", {"in", "team", std::to_string(other.id()), "allocate"},
         [&] { all_reduce<only_one>(team, foreign, ten, peerfold::sum{}); });
  refuse("an output of another team", {"out", "team", std::to_string(other.id())},
         [&] { all_reduce<only_one>(team.rank(0), ten, foreign, peerfold::sum{}); });
  {
    const auto taken = std::move(eleven);
    refuse("a buffer that was moved from", {"in", "moved"},
           [&] { all_reduce<only_one>(team, eleven, peerfold::sum{}); });
  }
  refuse("a buffer of more elements than there are addresses", {"count", "overflow"},
         [&] { symmetric_buffer<float, N>(team, SIZE_MAX); });
  if (!short_run()) {  // compute-sanitizer counts the failed allocation as an error
    expect_refusal(result, "a buffer of more elements than there is memory", errc::out_of_resources,
                   {"count", "no memory", "4 bytes"},
                   [&] { symmetric_buffer<float, N>(team, std::size_t{1} << 50); });
  }

  result.check(bench.place.wait().empty(), "the device failed");
  result.check(bench.holds(0), "a refused call wrote to its output");
  result.check(team.status().ok(), "a refused call left a fault");

  // Fine: nothing to do, wherever the pointers point; but the ranks meet.
  team_call(std::array<const float*, N>{}, std::array<float*, N>{}, 0);
  std::vector<std::thread> ranks;
  for (int r = 0; r < N; ++r) {
    ranks.emplace_back([&, r] {
      recording(result, "no elements", [&] {
        all_reduce<only_one>(team.rank(r), static_cast<const float*>(nullptr),
                             static_cast<float*>(nullptr), 0, peerfold::sum{},
                             bench.place.rank_options({}, r));
        bench.place.after_rank_call(r, 0);
      });
    });
  }
  for (std::thread& rank : ranks) rank.join();
  team_call(in, out, count);
  result.check(bench.place.wait().empty() && bench.holds(bench.sum), "the team is not usable");
}

/// Options of a team that every place refuses.
template <class Place, int N>
void refused_teams(report& result) {
  if (!Place::has(N)) return result.skip();
  const auto refuse = [&](const std::string& what, errc code,
                          std::initializer_list<std::string> needles, auto set) {
    team_options options = fault_options(std::chrono::seconds{60});
    set(options);
    expect_refusal(result, what, code, needles,
                   [&] { static_cast<void>(Place::template make_team<N>(options)); });
  };
  const auto bad = errc::invalid_argument;
  refuse("no time to wait", bad, {"wait_budget", "0 ns", "positive"},
         [](team_options& o) { o.wait_budget = std::chrono::nanoseconds{0}; });
  refuse("less than no time to wait", bad, {"wait_budget", "-5 ns", "positive"},
         [](team_options& o) { o.wait_budget = std::chrono::nanoseconds{-5}; });
  refuse("no channels", bad, {"channels", "0", "1 to 64"},
         [](team_options& o) { o.channels.clear(); });
  refuse("too many channels", bad, {"channels", "65", "1 to 64"},
         [](team_options& o) { o.channels.assign(65, {1}); });
  refuse("a channel of less than no blocks", bad, {"channels[1].blocks", "-1", "0"},
         [](team_options& o) {
           o.channels = {{1}, {-1}};
         });
  refuse("a channel of too many blocks", Place::too_many_blocks, {"channels"}, [](team_options& o) {
    o.channels = {{1}, {1'000'000}};
  });
}

}  // namespace detail

/// Bad arguments in teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_refusals() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const auto add = [](int ranks, const char* what, void (*run)(report&)) {
      registration("refusals", std::to_string(ranks) + " ranks: " + what, run);
    };
    (add(First + I, "calls", &detail::refused_calls<Place, First + I>), ...);
    (add(First + I, "teams", &detail::refused_teams<Place, First + I>), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
