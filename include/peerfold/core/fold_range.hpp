/// \file
/// Fold ranges: which ranks' values a fold takes, in rank order, and what it starts from.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

// Ranges fold in two ways that give the same: fold<N>() at once, where all values are at hand; or
// rank by rank, those that the range includes, where starts(total) says whether there is a value to
// start from and, if so, puts it into total.

/// All ranks, from rank 0's value on.
struct every_rank {
  [[nodiscard]] PEERFOLD_HD static constexpr bool includes(int /*rank*/) noexcept { return true; }
  template <class A>
  [[nodiscard]] PEERFOLD_HD static constexpr bool starts(A& /*total*/) noexcept {
    return false;
  }

  /// op(… op(op(v0, v1), v2) …, vN-1), where value(q) is vq.
  template <int N, class ValueOf, class Op>
  [[nodiscard]] PEERFOLD_HD auto fold(ValueOf value, const Op& op) const {
    auto total = value(0);
    PEERFOLD_UNROLL
    for (int q = 1; q < N; ++q) total = op(total, value(q));
    return total;
  }
};

/// Ranks 0 … last, from rank 0's value on.
struct ranks_through {
  int last = 0;

  [[nodiscard]] PEERFOLD_HD constexpr bool includes(int rank) const noexcept {
    return rank <= last;
  }
  template <class A>
  [[nodiscard]] PEERFOLD_HD static constexpr bool starts(A& /*total*/) noexcept {
    return false;
  }
  template <int N, class ValueOf, class Op>
  [[nodiscard]] PEERFOLD_HD auto fold(ValueOf value, const Op& op) const {
    auto total = value(0);
    PEERFOLD_UNROLL
    for (int q = 1; q < N; ++q) {
      if (q <= last) total = op(total, value(q));
    }
    return total;
  }
};

/// Ranks 0 … end - 1, from a value of the caller's on: op(… op(op(initial, v0), v1) …, vend-1).
template <class Accumulator>
struct ranks_before {
  Accumulator initial;
  int end = 0;

  [[nodiscard]] PEERFOLD_HD constexpr bool includes(int rank) const noexcept { return rank < end; }
  [[nodiscard]] PEERFOLD_HD constexpr bool starts(Accumulator& total) const noexcept {
    total = initial;
    return true;
  }
  template <int N, class ValueOf, class Op>
  [[nodiscard]] PEERFOLD_HD Accumulator fold(ValueOf value, const Op& op) const {
    Accumulator total = initial;
    PEERFOLD_UNROLL
    for (int q = 0; q < N; ++q) {
      if (q < end) total = op(total, value(q));
    }
    return total;
  }
};

/// The ranks of a set that is not empty, from the first one's value on.
struct ranks_in {
  uint32_t set = 0;  ///< bit q: rank q

  [[nodiscard]] PEERFOLD_HD constexpr bool includes(int rank) const noexcept {
    return (set >> rank & 1u) != 0;
  }
  template <class A>
  [[nodiscard]] PEERFOLD_HD static constexpr bool starts(A& /*total*/) noexcept {
    return false;
  }
  template <int N, class ValueOf, class Op>
  [[nodiscard]] PEERFOLD_HD auto fold(ValueOf value, const Op& op) const {
    decltype(value(0)) total{};
    bool begun = false;
    PEERFOLD_UNROLL
    for (int q = 0; q < N; ++q) {
      if (!includes(q)) continue;
      total = begun ? op(total, value(q)) : value(q);
      begun = true;
    }
    return total;
  }
};

}  // namespace peerfold
