/// \file
/// Fold ranges: which ranks' values a fold takes, in rank order, and what it starts from.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

// Ranges fold in two ways that give the same: fold<N>() at once, where all values are at hand; or
// rank by rank, those that the range includes, from the first one's value on or from `initial`,
// where the range has that.

/// Whether there is a value to start from, which then is put into `total`.
template <class Range, class Accumulator>
[[nodiscard]] PEERFOLD_HD constexpr bool starts_from_value(const Range& range,
                                                           Accumulator& total) noexcept {
  if constexpr (requires { range.initial; }) {
    total = range.initial;
    return true;
  } else {
    return false;
  }
}

/// All ranks, from rank 0's value on.
struct every_rank {
  [[nodiscard]] PEERFOLD_HD static constexpr bool includes(int /*rank*/) noexcept { return true; }

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

namespace detail {

/// Any value of a trivially copyable type, which need not have a default constructor: all zeros.
template <class T>
[[nodiscard]] PEERFOLD_HD constexpr T any_value() noexcept {
  struct bytes {
    unsigned char at[sizeof(T)];
  };
  return peerfold::bit_cast<T>(bytes{});
}

}  // namespace detail

/// The ranks of a set that is not empty, from the first one's value on.
struct ranks_in {
  uint32_t set = 0;  ///< bit q: rank q

  [[nodiscard]] PEERFOLD_HD constexpr bool includes(int rank) const noexcept {
    return (set >> rank & 1u) != 0;
  }
  template <int N, class ValueOf, class Op>
  [[nodiscard]] PEERFOLD_HD auto fold(ValueOf value, const Op& op) const {
    auto total = detail::any_value<decltype(value(0))>();
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
