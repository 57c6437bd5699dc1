/// \file
/// The same templates, instantiated by every translation unit that asks for them.
#pragma once

#include "everything.hpp"

inline int sum_of_ranks() {
  auto team = peerfold::thread_team<3>::on_threads();
  peerfold::symmetric_buffer<int, 3> values(team, 1);
  for (int r = 0; r < team.size; ++r) values.span(r)[0] = r;
  peerfold::all_reduce<peerfold::policies<peerfold::two_shot_store>>(team, values, peerfold::sum{});
  return values.span(2)[0];
}
