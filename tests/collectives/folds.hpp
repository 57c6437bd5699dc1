/// \file
/// The reducing collectives of one step: all rank counts and policies, float sums.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <string>
#include <utility>

namespace peerfold::test {
namespace detail {

template <class Place, int N, collective Which>
void add_fold() {
  const std::string ranks = std::to_string(N) + " ranks, ";
  registration(to_string(Which), ranks + "ordinary memory",
               &run_combination<Place, float, peerfold::sum, N,
                                policies<one_shot_packet, one_shot_store, one_shot_sentinel>,
                                memory_kind::ordinary, true, Which>);
  registration(
      to_string(Which), ranks + "symmetric memory",
      &run_combination<Place, float, peerfold::sum, N, typename Place::symmetric_fold_policies,
                       memory_kind::symmetric, false, Which>);
}

}  // namespace detail

/// Folds of First to Last ranks, by every policy, in memory of both kinds.
template <class Place, int First, int Last>
bool add_folds() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (
        [&] {
          detail::add_fold<Place, First + I, collective::reduce_scatter>();
          detail::add_fold<Place, First + I, collective::reduce>();
          detail::add_fold<Place, First + I, collective::inclusive_scan>();
          detail::add_fold<Place, First + I, collective::exclusive_scan>();
        }(),
        ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
