// expect: sum folds elements that have a \+ b; bool takes bit_or or bit_xor
// The sum of truth values.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
using chosen = peerfold::bit_or;
#else
using chosen = peerfold::sum;
#endif

void reduce(peerfold::thread_team<2>& team, peerfold::symmetric_buffer<bool, 2>& data) {
  peerfold::all_reduce(team, data, chosen{});
}
