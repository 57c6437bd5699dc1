/// \file
/// With whom a transport exchanges messages in a call.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::transport {

/// All other ranks.
struct every_peer {
  static constexpr bool all = true;
  [[nodiscard]] PEERFOLD_HD static constexpr bool has(int /*rank*/) noexcept { return true; }
  /// What changes in the digest of the call between two ranks, less than 2^16.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t salt(int /*self*/, int /*peer*/) noexcept {
    return 0;
  }
};

/// Some of them, which count this rank among theirs in the same call. What lies between a pair of
/// ranks (numbers, slots, credits) is its own, so others notice nothing.
struct some_peers {
  static constexpr bool all = false;
  uint32_t gives = 0;  ///< bit q: this rank sends to rank q
  uint32_t gets = 0;   ///< bit q: rank q sends to this one

  PEERFOLD_HD constexpr void give_to(int rank) noexcept { gives |= uint32_t{1} << rank; }
  PEERFOLD_HD constexpr void get_from(int rank) noexcept { gets |= uint32_t{1} << rank; }
  [[nodiscard]] PEERFOLD_HD constexpr bool has(int rank) const noexcept {
    return ((gives | gets) >> rank & 1u) != 0;
  }
  /// Ranks that do not agree on who sends to whom do not agree on the call.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t salt(int self, int peer) const noexcept {
    const uint32_t there = gives >> peer & 1u;
    const uint32_t back = gets >> peer & 1u;
    return self < peer ? there | back << 1 : back | there << 1;
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
