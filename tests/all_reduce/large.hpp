/// \file
/// Messages of several laps of the rings that teams have by default.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

template <class Place, int N, class Policies, memory_kind Kind>
void large_messages(report& result) {
  if (!Place::has(N)) return result.skip();
  std::vector<step> steps;
  for (const auto& chosen : Policies::list) {
    step next;
    next.count = short_run() ? 10'001 : Place::large_count;
    next.policy = chosen;
    next.in_place = steps.size() % 2 == 1;
    next.in_shift = next.in_place ? 1 : 0;
    steps.push_back(next);
  }
  team_options options;
  options.wait_budget = std::chrono::seconds{60};
  auto team = Place::template make_team<N>(options);
  const program<float> work{oracle::operation::sum, N, steps, 9};
  for (const caller who : {caller::team, caller::ranks}) {
    if (who == caller::ranks && !Place::launches_apart(N)) {
      result.skip();
      continue;
    }
    run_program<Place, float, peerfold::sum, N, Kind, called<collective::all_reduce, Policies>>(
        team, work, who, "as made", result);
  }
}

}  // namespace detail

/// Large float sums of First to Last ranks.
template <class Place, int First, int Last>
bool add_large() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("large messages", std::to_string(First + I) + " ranks, ordinary memory",
                  &detail::large_messages<Place, First + I, every_policy, memory_kind::ordinary>),
     ...);
    (registration("large messages", std::to_string(First + I) + " ranks, symmetric memory",
                  &detail::large_messages<Place, First + I, typename Place::symmetric_policies,
                                          memory_kind::symmetric>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
