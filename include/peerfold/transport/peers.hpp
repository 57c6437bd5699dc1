/// \file
/// With whom a transport exchanges messages in a call.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::transport {

/// All other ranks.
struct every_peer {
  static constexpr bool all = true;
  [[nodiscard]] PEERFOLD_HD static constexpr bool has(int /*rank*/) noexcept { return true; }
};

/// Some of them, which count this rank among theirs in the same call. What lies between a pair of
/// ranks (numbers, slots, credits) is its own, so others notice nothing.
struct some_peers {
  static constexpr bool all = false;
  uint32_t mask = 0;  ///< bit q: rank q

  PEERFOLD_HD constexpr void add(int rank) noexcept { mask |= uint32_t{1} << rank; }
  [[nodiscard]] PEERFOLD_HD constexpr bool has(int rank) const noexcept {
    return (mask >> rank & 1u) != 0;
  }
};

/// The first of the peers of rank `self`, as a position among the others of N ranks; 0 if there is
/// none.
template <int N, class Peers>
PEERFOLD_HD constexpr int first_of(const Peers& peers, int self) noexcept {
  int found = 0;
  for (int j = N - 2; j >= 0; --j) {
    if (peers.has(j < self ? j : j + 1)) found = j;
  }
  return found;
}

}  // namespace peerfold::transport
