// The same kernel on GPUs, here with three ranks to one.
#include <peerfold/custom.hpp>

#include <thrust/device_vector.h>
#include <thrust/host_vector.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "sharded_step.hpp"

int main() {
  constexpr int ranks = 3;
  constexpr std::size_t part = 1000;
  constexpr int skipped = 77;
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    std::puts("skipped: no GPU");
    return skipped;
  }
  auto team = pf::gpu_team<ranks>::on_devices({0, 0, 0});
  std::vector<thrust::device_vector<float>> gradients, parameters, momentum;
  for (int r = 0; r < ranks; ++r) {
    gradients.emplace_back(part * ranks, static_cast<float>(r + 1));
    parameters.emplace_back(part * ranks, 10.0f);
    momentum.emplace_back(part, 0.0f);
  }
  cudaDeviceSynchronize();  // Thrust fills on another stream than the team's

  for (int step = 0; step < 2; ++step) {
    pf::run_custom(team, part, 1, [&](int rank, const pf::transport::tiling& tiles) {
      const auto r = static_cast<std::size_t>(rank);
      return sharded_step<ranks>{tiles,
                                 part,
                                 gradients[r].data().get(),
                                 parameters[r].data().get(),
                                 momentum[r].data().get(),
                                 rank};
    });
  }
  team.synchronize();

  int right = 0;
  for (const auto& mine : parameters) {
    const thrust::host_vector<float> host = mine;
    if (std::ranges::count(host, 10.0f - 0.25f * 6.0f - 0.25f * 9.0f) ==
        static_cast<std::ptrdiff_t>(host.size())) {
      ++right;
    }
  }
  std::printf("%d of %d ranks hold all parameters after two steps\n", right, ranks);
  return right == ranks && team.status().ok() ? 0 : 1;
}
