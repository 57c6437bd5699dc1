// expect: rank_count<(N|9)>
// A team of more ranks than a node has.
#include <peerfold/all_reduce.hpp>

#if defined(PEERFOLD_FIXED)
inline constexpr int ranks = 8;
#else
inline constexpr int ranks = 9;
#endif

void make() { auto team = peerfold::thread_team<ranks>::on_threads(); }
