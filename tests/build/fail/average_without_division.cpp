// expect: avg folds elements that have a \+ b and a / int
// The average of a struct that cannot be divided.
#include <peerfold/all_reduce.hpp>

struct vector {
  float x, y;
  vector operator+(const vector& other) const { return {x + other.x, y + other.y}; }
#if defined(PEERFOLD_FIXED)
  vector operator/(int n) const { return {x / static_cast<float>(n), y / static_cast<float>(n)}; }
#endif
};

void reduce(peerfold::thread_team<2>& team, peerfold::symmetric_buffer<vector, 2>& data) {
  peerfold::all_reduce(team, data, peerfold::avg{});
}
