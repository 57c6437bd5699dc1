/// \file
/// Bad arguments of the collectives beside all-reduce: refused in words, before anything is
/// launched.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "../all_reduce/faults.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace peerfold::test {
namespace detail {

/// A custom collective that is never run.
struct does_nothing {
  template <class Context>
  using transport_type = transport::packet<float, Context>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& /*c*/) const {
    return true;
  }
};

template <class Place, int N>
void refused_collectives(report& result) {
  if (!Place::has(N)) return result.skip();
  fault_bench<Place, N> bench{fault_options(std::chrono::seconds{60})};
  auto& team = bench.team;
  std::array<const float*, N> in;
  std::array<float*, N> out;
  for (std::size_t r = 0; r < N; ++r) {
    in[r] = bench.in[r];
    out[r] = bench.out[r];
  }
  using list = policies<one_shot_packet>;
  constexpr std::size_t count = 10;
  const auto refuse = [&](const std::string& what, std::initializer_list<std::string> needles,
                          auto&& call) {
    expect_refusal(result, what, errc::invalid_argument, needles, call);
  };
  const std::string ranks = "ranks 0 to " + std::to_string(N - 1);

  for (const int root : {-1, N, 1'000'000}) {
    const std::string named = "root: " + std::to_string(root);
    refuse("a broadcast's root", {named, ranks},
           [&] { broadcast<list>(team, in, out, count, root); });
    refuse("a reduce's root", {named, ranks},
           [&] { reduce<list>(team, in, out, count, peerfold::sum{}, root); });
    refuse("a gather's root", {named, ranks}, [&] { gather<list>(team, in, out, count, root); });
    refuse("a scatter's root", {named, ranks},
           [&] { scatter<list>(team.rank(0), in[0], out[0], count, root); });
  }
  refuse("automatic among trees that fold", {"options.policy: automatic", "name one"}, [&] {
    all_reduce<policies<tree_packet, tree_store>>(team, in, out, count, peerfold::sum{});
  });
  const auto nothing = [](int, const transport::tiling&) { return does_nothing{}; };
  refuse("parts of a custom collective", {"parts: 0", "1 to " + std::to_string(N)},
         [&] { run_custom(team, count, 0, nothing); });
  refuse("more parts than ranks", {"parts: " + std::to_string(N + 1)},
         [&] { run_custom(team.rank(0), count, N + 1, nothing); });
  refuse("a policy of a custom collective", {"options.policy", "one_shot/packet"},
         [&] { run_custom(team, count, 1, nothing, {.policy = one_shot_packet}); });
  refuse("a send to nobody", {"to: " + std::to_string(N), ranks},
         [&] { send<list>(team.rank(0), N, in[0], count); });
  refuse("a receive from nobody", {"from: -1", ranks},
         [&] { recv<list>(team.rank(0), -1, out[0], count); });
  refuse("a send to oneself", {"to: 1", "calling rank", "send_recv()"},
         [&] { send<list>(team.rank(1), 1, in[1], count); });
  refuse("a receive from oneself", {"from: 1", "calling rank", "send_recv()"},
         [&] { recv<list>(team.rank(1), 1, out[1], count); });
  refuse("a send to oneself and a receive from another", {"to: 0", "calling rank"},
         [&] { send_recv<list>(team.rank(0), 0, in[0], 1, out[0], count); });
  refuse("a receive from oneself and a send to another", {"from: 0", "calling rank"},
         [&] { send_recv<list>(team.rank(0), 1, in[0], 0, out[0], count); });
  {
    std::array<int, N> to;
    to.fill(-1);
    to[0] = N;
    refuse("a transfer to nobody", {"to[0]: " + std::to_string(N), ranks},
           [&] { send_recv<list>(team, to, in, out, count); });
    to[0] = 1;
    to[N - 1] = 1;
    refuse("two that send to one",
           {"to[" + std::to_string(N - 1) + "]", "rank 1 receives from rank 0 already"},
           [&] { send_recv<list>(team, to, in, out, count); });
  }

  // Memory: a part's size is not the whole's.
  refuse("a negative count", {"count: -1"}, [&] { all_gather<list>(team, in, out, -1); });
  refuse("parts that overflow", {"count", "overflow"},
         [&] { all_to_all<list>(team, in, out, SIZE_MAX / 8); });
  refuse("no output", {"out", "null", std::to_string(N * count)},
         [&] { all_gather<list>(team.rank(0), in[0], static_cast<float*>(nullptr), count); });
  refuse("no input on the root", {"in", "null"}, [&] {
    broadcast<list>(team.rank(0), static_cast<const float*>(nullptr), out[0], count, 0);
  });
  refuse("an input in the middle of an output", {"out[0]", "overlaps", "in[0]"}, [&] {
    auto from = in;
    from[0] = out[0] + 1;
    all_gather<list>(team, from, out, count);
  });
  refuse("an all-gather in another rank's place", {"out", "overlaps", "rank * count"},
         [&] { all_gather<list>(team.rank(0), out[0] + count, out[0], count); });
  refuse("a scan over overlapping buffers", {"out", "overlaps", "coincide"}, [&] {
    inclusive_scan<list>(team.rank(0), static_cast<const float*>(out[0]), out[0] + 1, count,
                         peerfold::sum{});
  });
  refuse("a policy that it was not compiled for", {"options.policy", "two_shot/store"},
         [&] { all_gather(team, in, out, count, {.policy = two_shot_store}); });

  // Symmetric memory: sizes that do not fit together.
  symmetric_buffer<float, N> ten(team, 10);
  symmetric_buffer<float, N> other(team, 10);
  symmetric_buffer<float, N> all(team, 10 * N);
  symmetric_buffer<float, N> odd(team, 10 * N + 1);
  using direct = policies<direct_store>;
  refuse("an output of one part", {"out: 10 elements", "needs " + std::to_string(10 * N)},
         [&] { all_gather<direct>(team, ten, other); });
  refuse("an output of all parts and one", {"out", "needs " + std::to_string(10 * N)},
         [&] { all_gather<direct>(team, ten, odd); });
  refuse("an input that parts do not fill", {"in", "multiple of " + std::to_string(N)},
         [&] { scatter<direct>(team, odd, ten, 0); });
  using in_place_or_not = policies<one_shot_store, direct_store, direct_bulk>;
  for (const auto& chosen : {direct_store, direct_bulk}) {
    refuse("a direct exchange in place", {std::string{to_string(chosen)}, "in place"},
           [&] { all_to_all<in_place_or_not>(team, all, {.policy = chosen}); });
  }

  result.check(bench.place.wait().empty(), "the device failed");
  result.check(bench.holds(0), "a refused call wrote to its output");
  result.check(team.status().ok(), "a refused call left a fault");
  bench.call_team();
  result.check(bench.place.wait().empty() && bench.holds(bench.sum), "the team is not usable");
}

}  // namespace detail

/// Refusals in teams of First to Last ranks, three at least.
template <class Place, int First, int Last>
bool add_refused() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("refusals", std::to_string(First + I) + " ranks: collectives",
                  &detail::refused_collectives<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
