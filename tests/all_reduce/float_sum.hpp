/// \file
/// Float sums: all rank counts and policies.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <string>
#include <utility>

namespace peerfold::test {

/// Float sums of First to Last ranks, by every policy, in memory of both kinds.
template <class Place, int First, int Last>
bool add_float_sum() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const auto add = [](const char* kind, int ranks, void (*run)(report&)) {
      registration("float sum", std::to_string(ranks) + " ranks, " + kind, run);
    };
    (add("ordinary memory", First + I,
         &run_combination<Place, float, peerfold::sum, First + I, floating_policies,
                          memory_kind::ordinary, true>),
     ...);
    (add("symmetric memory", First + I,
         &run_combination<Place, float, peerfold::sum, First + I,
                          typename Place::symmetric_policies, memory_kind::symmetric, true>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
