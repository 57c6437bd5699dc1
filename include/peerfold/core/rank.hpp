/// \file
/// Ranks and rank counts.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

/// The most ranks of a team whose count is part of its type.
inline constexpr int max_ranks = 8;
/// In place of a rank count: it is known at run time, and this at most.
inline constexpr int run_time_ranks = 72;

/// What may stand for the rank count of a team, checked at compile time.
template <int N>
concept rank_count = (N >= 1 && N <= max_ranks) || N == run_time_ranks;

/// Whether the count is known at compile time, so that loops over ranks unroll and what belongs to
/// each is held in registers.
template <int N>
inline constexpr bool counts_ranks_early = N != run_time_ranks;

/// How many ranks there are: N, which takes no memory, or a number.
template <int N>
struct rank_extent {
  PEERFOLD_HD static constexpr rank_extent of(int /*ranks*/) noexcept { return {}; }
  [[nodiscard]] PEERFOLD_HD static constexpr int ranks() noexcept { return N; }
};
template <>
struct rank_extent<run_time_ranks> {
  int32_t number = 0;

  PEERFOLD_HD static constexpr rank_extent of(int ranks) noexcept { return {ranks}; }
  [[nodiscard]] PEERFOLD_HD constexpr int ranks() const noexcept { return number; }
};

/// The `step`-th rank after `rank` among `ranks`, in ring order; 1 <= step < ranks. Visiting peers
/// in this order spreads the traffic: at no moment do all ranks write to the same one.
PEERFOLD_HD constexpr int rank_after(int ranks, int rank, int step) noexcept {
  const int next = rank + step;
  return next < ranks ? next : next - ranks;
}
template <int N>
PEERFOLD_HD constexpr int rank_after(const rank_extent<N>& extent, int rank, int step) noexcept {
  if constexpr (N == 2) return rank ^ step;
  return rank_after(extent.ranks(), rank, step);
}

/// A set of ranks below N.
template <int N>
class rank_set {
  using word = stl::conditional_t<(N <= 32), uint32_t, uint64_t>;
  static constexpr int bits = 8 * sizeof(word);
  static constexpr int words = (N + bits - 1) / bits;

 public:
  rank_set() = default;
  /// Bit q stands for rank q.
  PEERFOLD_HD constexpr explicit rank_set(uint32_t low) noexcept : word_{low} {}

  PEERFOLD_HD constexpr void add(int rank) noexcept { word_[place(rank)] |= bit(rank); }
  PEERFOLD_HD constexpr void remove(int rank) noexcept { word_[place(rank)] &= ~bit(rank); }
  [[nodiscard]] PEERFOLD_HD constexpr bool has(int rank) const noexcept {
    return (word_[place(rank)] & bit(rank)) != 0;
  }
  [[nodiscard]] PEERFOLD_HD constexpr bool empty() const noexcept {
    word all = 0;
    for (int i = 0; i < words; ++i) all |= word_[i];
    return all == 0;
  }

 private:
  PEERFOLD_HD static constexpr int place(int rank) noexcept {
    if constexpr (words == 1) return 0;
    return rank / bits;
  }
  PEERFOLD_HD static constexpr word bit(int rank) noexcept { return word{1} << rank % bits; }

  word word_[words] = {};
};

}  // namespace peerfold
