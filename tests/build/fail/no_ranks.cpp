// expect: rank_count<(N|0)>
// A team of no ranks.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
inline constexpr int ranks = 1;
#else
inline constexpr int ranks = 0;
#endif

void make() { auto team = peerfold::thread_team<ranks>::on_threads(); }
