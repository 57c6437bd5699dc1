// One all-reduce between four ranks that are threads of this process: no GPU needed.
#include <peerfold/all_reduce.hpp>

#include <algorithm>
#include <cstdio>

namespace pf = peerfold;

int main() {
  auto team = pf::thread_team<4>::on_threads();       // the number of ranks is part of the type
  pf::symmetric_buffer<float, 4> values(team, 1000);  // 1000 floats on each rank

  for (int r = 0; r < team.size; ++r) std::ranges::fill(values.span(r), static_cast<float>(r + 1));
  pf::all_reduce(team, values, pf::sum{});  // in place, for all ranks at once

  bool right = true;
  for (int r = 0; r < team.size; ++r) {
    right = right && std::ranges::count(values.span(r), 1.0f + 2.0f + 3.0f + 4.0f) == 1000;
    std::printf("rank %d holds %g, %g, ...\n", r, values.span(r)[0], values.span(r)[1]);
  }
  return right ? 0 : 1;
}
