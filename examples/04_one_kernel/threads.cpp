// The kernel of sharded_step.hpp on threads: tested, and run under ThreadSanitizer if you like,
// without a GPU.
#include <peerfold/custom.hpp>

#include <array>
#include <cstdio>
#include <vector>

#include "sharded_step.hpp"

int main() {
  constexpr int ranks = 3;
  constexpr std::size_t part = 1000;
  auto team = pf::thread_team<ranks>::on_threads();
  std::array<std::vector<float>, ranks> gradients, parameters, momentum;
  for (std::size_t r = 0; r < ranks; ++r) {
    gradients[r].assign(part * ranks, static_cast<float>(r + 1));  // 6 in sum
    parameters[r].assign(part * ranks, 10.0f);
    momentum[r].assign(part, 0.0f);
  }

  for (int step = 0; step < 2; ++step) {
    pf::run_custom(team, part, 1, [&](int rank, const pf::transport::tiling& tiles) {
      const auto r = static_cast<std::size_t>(rank);
      return sharded_step<ranks>{
          tiles, part, gradients[r].data(), parameters[r].data(), momentum[r].data(), rank};
    });
  }

  int right = 0;
  for (const auto& mine : parameters) {
    std::size_t moved = 0;
    for (const float p : mine) moved += p == 10.0f - 0.25f * 6.0f - 0.25f * 9.0f ? 1 : 0;
    if (moved == mine.size()) ++right;
  }
  std::printf("%d of %d ranks hold all parameters after two steps\n", right, ranks);
  return right == ranks && team.status().ok() ? 0 : 1;
}
