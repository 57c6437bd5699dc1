// expect: no instance of .*peerfold::all_reduce
// An all-reduce from floats to doubles, between GPUs.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
using result = float;
#else
using result = double;
#endif

void reduce(peerfold::gpu_team<4>& team, const peerfold::symmetric_buffer<float, 4>& in,
            peerfold::symmetric_buffer<result, 4>& out) {
  peerfold::all_reduce<peerfold::policies<peerfold::one_shot_packet>>(team, in, out,
                                                                      peerfold::sum{});
}
