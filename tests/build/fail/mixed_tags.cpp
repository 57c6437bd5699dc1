// expect: conflicting types for parameter .Tag.* .*mine.* .*yours
// A buffer of one tagged team in a call of another.
#include <peerfold/all_reduce.hpp>

struct mine {};
struct yours {};

#if defined(PEERFOLD_FIXED)
using owner = mine;
#else
using owner = yours;
#endif

void reduce(peerfold::thread_team<4, mine>& team,
            peerfold::symmetric_buffer<float, 4, owner>& values) {
  peerfold::all_reduce(team, values, peerfold::sum{});
}
