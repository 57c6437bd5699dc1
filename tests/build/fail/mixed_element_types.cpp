// expect: conflicting types for parameter .(T|element).* .*float.* .*double
// An all-reduce from floats to doubles.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
using result = float;
#else
using result = double;
#endif

void reduce(peerfold::thread_team<4>& team, const peerfold::symmetric_buffer<float, 4>& in,
            peerfold::symmetric_buffer<result, 4>& out) {
  peerfold::all_reduce(team, in, out, peerfold::sum{});
}
