// Sums one number a rank between two ranks that share GPU 0, where there is one.
#include <peerfold/all_reduce.hpp>

#include <cstdio>

namespace pf = peerfold;

int main() {
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    std::puts("compiled and linked; no GPU to run on");
    return 0;
  }
  auto team = pf::gpu_team<2>::on_devices({0, 0});
  pf::symmetric_buffer<int, 2> values(team, 1);
  for (int r = 0; r < team.size; ++r) {
    cudaMemcpyAsync(values.data(r), &r, sizeof(int), cudaMemcpyHostToDevice, team.stream(r));
  }
  pf::all_reduce<pf::policies<pf::one_shot_packet>>(team, values, pf::sum{});
  team.synchronize();
  bool right = team.status().ok();
  for (int r = 0; r < team.size; ++r) {
    int value = 0;
    cudaMemcpy(&value, values.data(r), sizeof(int), cudaMemcpyDeviceToHost);
    right = right && value == 0 + 1;
  }
  std::puts(right ? "every rank has the sum" : "a rank has something else");
  return right ? 0 : 1;
}
