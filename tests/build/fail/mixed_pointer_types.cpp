// expect: conflicting types for parameter .(T|element).* .*float.* .*int
// One rank's all-reduce from floats to integers, in ordinary memory.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
using result = float;
#else
using result = int;
#endif

void reduce(peerfold::thread_team<4>& team, const float* in, result* out) {
  peerfold::all_reduce(team.rank(0), in, out, 10, peerfold::sum{});
}
