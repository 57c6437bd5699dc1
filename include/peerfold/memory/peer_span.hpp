/// \file
/// Views of symmetric memory.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold {

/// The same array on every rank, as one rank reaches them. Trivially copyable; owns nothing.
template <element T, int N>
class peer_span {
 public:
  using value_type = T;
  static constexpr int ranks = N;

  peer_span() = default;
  PEERFOLD_HD constexpr peer_span(T* const (&data)[N], size_t size) noexcept : size_{size} {
    for (int r = 0; r < N; ++r) data_[r] = data[r];
  }

  /// Elements a rank.
  [[nodiscard]] PEERFOLD_HD constexpr size_t size() const noexcept { return size_; }
  /// The first element on rank `rank`; null where there is no such rank.
  [[nodiscard]] PEERFOLD_HD constexpr T* data(int rank) const noexcept { return data_[rank]; }
  /// `count` elements from `offset` on; both within size().
  [[nodiscard]] PEERFOLD_HD constexpr peer_span subspan(size_t offset,
                                                        size_t count) const noexcept {
    peer_span part;
    for (int r = 0; r < N; ++r) part.data_[r] = data_[r] == nullptr ? nullptr : data_[r] + offset;
    part.size_ = count;
    return part;
  }

 private:
  T* data_[N] = {};
  size_t size_ = 0;
};

}  // namespace peerfold
