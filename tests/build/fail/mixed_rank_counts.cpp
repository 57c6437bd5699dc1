// expect: conflicting (types|values) for .*parameter .N
// A buffer of two ranks in a call of a team of four.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
inline constexpr int ranks = 4;
#else
inline constexpr int ranks = 2;
#endif

void reduce(peerfold::thread_team<4>& team, peerfold::symmetric_buffer<float, ranks>& values) {
  peerfold::all_reduce(team, values, peerfold::sum{});
}
