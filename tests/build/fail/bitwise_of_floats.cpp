// expect: bit_and, bit_or and bit_xor fold integers and bool
// A bitwise operator over floating-point elements.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
using element = unsigned;
#else
using element = float;
#endif

void reduce(peerfold::thread_team<2>& team, peerfold::symmetric_buffer<element, 2>& data) {
  peerfold::all_reduce(team, data, peerfold::bit_or{});
}
