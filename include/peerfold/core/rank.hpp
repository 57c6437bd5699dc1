/// \file
/// Ranks and rank counts.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

/// The most ranks a team may have.
inline constexpr int max_ranks = 8;

/// A rank count that a team may have, checked at compile time.
template <int N>
concept rank_count = (N >= 1 && N <= max_ranks);

/// The `step`-th rank after `rank` in a team of N, in ring order; 1 <= step < N. Visiting peers in
/// this order spreads the traffic: at no moment do all ranks write to the same one.
template <int N>
PEERFOLD_HD constexpr int rank_after(int rank, int step) noexcept {
  if constexpr (N == 2) return rank ^ step;
  const int next = rank + step;
  return next < N ? next : next - N;
}

}  // namespace peerfold
