// Sums one number a rank between threads; exits with 0 if every rank got the sum.
#include <peerfold/all_reduce.hpp>

#include <cstdio>

namespace pf = peerfold;

int main() {
  auto team = pf::thread_team<4>::on_threads();
  pf::symmetric_buffer<float, 4> values(team, 1);
  for (int r = 0; r < team.size; ++r) values.span(r)[0] = static_cast<float>(r);
  pf::all_reduce<pf::policies<pf::one_shot_packet>>(team, values, pf::sum{});
  bool right = true;
  for (int r = 0; r < team.size; ++r) right = right && values.span(r)[0] == 0.0f + 1 + 2 + 3;
  std::puts(right ? "every rank has the sum" : "a rank has something else");
  return right ? 0 : 1;
}
