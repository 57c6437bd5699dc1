/// \file
/// Groups of tensors and of transfers in a CUDA graph: one graph, replayed with new values.
#pragma once

#include <peerfold/group.hpp>
#include <peerfold/transfer_group.hpp>

#include <support/contract.hpp>
#include <support/contract_gpu.cuh>
#include <support/contract_run.hpp>
#include <support/graphs.cuh>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace peerfold::test {
namespace detail {

/// The graph sums two tensors a rank and passes one of the sums on to the next rank.
template <class Place, int N>
void groups_in_graph(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr std::size_t first = 1001;
  constexpr std::size_t second = 30'000;
  auto team = Place::template make_team<N>({}, N);
  Place place{team};
  std::array<float*, N> in;
  std::array<float*, N> out;
  std::array<float*, N> passed;
  tensor<float, N> small;
  tensor<float, N> large;
  small.count = first;
  large.count = second;
  std::array<rank_transfers, N> transfers;
  for (int r = 0; r < N; ++r) {
    const auto at = static_cast<std::size_t>(r);
    const auto allocate = [&] {
      return reinterpret_cast<float*>(place.allocate(team, r, (first + second) * sizeof(float)));
    };
    in[at] = allocate();
    out[at] = allocate();
    passed[at] = allocate();
    small.in[at] = in[at];
    small.out[at] = out[at];
    large.in[at] = in[at] + first;
    large.out[at] = out[at] + first;
    transfers[at].sends.push_back(transfer_to((r + 1) % N, out[at] + first, second));
    transfers[at].receives.push_back(transfer_from((r + N - 1) % N, passed[at], second));
  }
  const auto sums = make_tensor_group(team, std::vector<tensor<float, N>>{small, large});
  const auto ring = make_transfer_group(team, transfers);
  owned_graph graph;
  capture_team(team, graph, [&] {
    all_reduce(team, sums, sum{});
    send_recv(team, ring);
  });
  for (int round = 1; round <= 4; ++round) {
    for (int r = 0; r < N; ++r) {
      const std::vector<float> values(first + second, static_cast<float>(round * (1 << r)));
      place.upload(r, reinterpret_cast<std::byte*>(in[static_cast<std::size_t>(r)]),
                   bytes_of(values));
    }
    place.wait();
    must(cudaSetDevice(team.device(0)), "selecting a device");
    must(cudaGraphLaunch(graph.executable, team.stream(0)), "launching a graph");
    place.wait();
    const auto wanted = static_cast<float>(round * ((1 << N) - 1));
    for (int r = 0; r < N; ++r) {
      const auto at = static_cast<std::size_t>(r);
      const auto holds = [&](const float* memory, std::size_t count) {
        return place.download(r, reinterpret_cast<const std::byte*>(memory),
                              count * sizeof(float)) == bytes_of(std::vector<float>(count, wanted));
      };
      result.check(
          holds(out[at], first + second) && holds(passed[at], second),
          "rank " + std::to_string(r) + " has wrong values in replay " + std::to_string(round));
    }
    result.count(2 * N, N * (first + 2 * second));
  }
  result.check(team.status().ok(), team.status().to_string());
}

}  // namespace detail

/// Teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_groups_in_graphs() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("groups", std::to_string(First + I) + " ranks, in a graph",
                  &detail::groups_in_graph<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
