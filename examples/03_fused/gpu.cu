// All-reduce and residual add in one pass, on GPUs: the same functor as on threads, compiled into
// the library's kernel. Here one thread calls for all ranks, with an array of functors.
#include <peerfold/all_reduce.hpp>

#include <thrust/device_vector.h>
#include <thrust/host_vector.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "add_residual.hpp"

namespace pf = peerfold;

int main() {
  constexpr int ranks = 2;
  constexpr std::size_t count = 1000;
  constexpr int skipped = 77;
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    std::puts("skipped: no GPU");
    return skipped;
  }
  auto team = pf::gpu_team<ranks>::on_devices({0, 0});

  // Ordinary device memory of each rank, and the functors that know it.
  std::vector<thrust::device_vector<float>> partial, residual, out;
  std::array<pf::load_from<float>, ranks> loads;
  std::array<add_residual, ranks> stores;
  for (int r = 0; r < ranks; ++r) {
    partial.emplace_back(count, static_cast<float>(r + 1));
    residual.emplace_back(count, 100.0f);
    out.emplace_back(count);
  }
  for (int r = 0; r < ranks; ++r) {
    loads[r] = {partial[r].data().get()};
    stores[r] = {residual[r].data().get(), out[r].data().get()};
  }
  cudaDeviceSynchronize();  // Thrust fills on another stream than the team's

  pf::transform_all_reduce(team, count, loads, pf::sum{}, pf::round_to<float>{}, stores);
  team.synchronize();

  int right = 0;
  for (const auto& result : out) {
    const thrust::host_vector<float> host = result;
    if (std::ranges::count(host, 100.0f + 1.0f + 2.0f) == count) ++right;
  }
  std::printf("%d of %d ranks hold residual + sum\n", right, ranks);
  return right == ranks && team.status().ok() ? 0 : 1;
}
