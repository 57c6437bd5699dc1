// Four ranks on one GPU, or on two: a device may stand in the list as often as it takes ranks. What
// runs here on the desk's single GPU runs unchanged with a GPU for each rank.
#include <peerfold/all_reduce.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace pf = peerfold;

int main() {
  constexpr int skipped = 77;
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    std::puts("skipped: no GPU");
    return skipped;
  }
  int peers = 0;  // whether GPU 1 is there and within reach
  if (gpus > 1) cudaDeviceCanAccessPeer(&peers, 0, 1);
  const std::vector<int> devices = peers ? std::vector{0, 0, 1, 1} : std::vector{0, 0, 0, 0};

  auto team = pf::gpu_team<4>::on_devices(devices);
  pf::symmetric_buffer<float, 4> values(team, 1000);  // device memory of each rank

  // What concerns a rank goes in the order of its stream: the copy there, the all-reduce, the copy
  // back. So the all-reduce needs no synchronisation before it or after it.
  std::vector<std::vector<float>> host;
  for (int r = 0; r < team.size; ++r) host.emplace_back(1000, static_cast<float>(r + 1));
  constexpr std::size_t bytes = 1000 * sizeof(float);
  for (int r = 0; r < team.size; ++r) {
    cudaMemcpyAsync(values.data(r), host[r].data(), bytes, cudaMemcpyDefault, team.stream(r));
  }
  pf::all_reduce(team, values, pf::sum{});  // one launch for all ranks of a device
  for (int r = 0; r < team.size; ++r) {
    cudaMemcpyAsync(host[r].data(), values.data(r), bytes, cudaMemcpyDefault, team.stream(r));
  }
  team.synchronize();

  bool right = cudaGetLastError() == cudaSuccess && team.status().ok();
  for (int r = 0; r < team.size; ++r) {
    right = right && std::ranges::count(host[r], 1.0f + 2.0f + 3.0f + 4.0f) == 1000;
    std::printf("rank %d on GPU %d holds %g, %g, ...\n", r, team.device(r), host[r][0], host[r][1]);
  }
  return right ? 0 : 1;
}
