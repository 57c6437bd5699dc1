// expect: team_of<|Team::size == N
// A buffer of two ranks allocated for a team of four.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
inline constexpr int ranks = 4;
#else
inline constexpr int ranks = 2;
#endif

void allocate(peerfold::thread_team<4>& team) {
  peerfold::symmetric_buffer<float, ranks> values(team, 10);
}
