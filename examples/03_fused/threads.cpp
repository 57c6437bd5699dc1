// All-reduce and residual add in one pass, on threads. Each rank has its own thread here, which
// makes that rank's call; the call returns when its result is there.
#include <peerfold/all_reduce.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "add_residual.hpp"

namespace pf = peerfold;

int main() {
  constexpr int ranks = 2;
  constexpr std::size_t count = 1000;
  auto team = pf::thread_team<ranks>::on_threads();
  std::atomic<int> right = 0;

  std::vector<std::jthread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      // Ordinary memory, of this rank alone.
      const std::vector<float> partial(count, static_cast<float>(r + 1));
      const std::vector<float> residual(count, 100.0f);
      std::vector<float> out(count);

      pf::transform_all_reduce(team.rank(r), count,
                               pf::load_from<float>{partial.data()},  // what this rank adds
                               pf::sum{},                             // how two values are folded
                               pf::round_to<float>{},  // the fold's result to an element: as it is
                               add_residual{residual.data(), out.data()});  // what becomes of it

      if (std::ranges::count(out, 100.0f + 1.0f + 2.0f) == count) ++right;
    });
  }
  threads.clear();  // joins
  std::printf("%d of %d ranks hold residual + sum\n", right.load(), ranks);
  return right == ranks ? 0 : 1;
}
