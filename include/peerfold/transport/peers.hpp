/// \file
/// With whom a transport exchanges messages in a call.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

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
template <int N>
struct some_peers_of {
  static constexpr bool all = false;
  rank_set<N> gives;  ///< this rank sends to those
  rank_set<N> gets;   ///< those send to this one

  PEERFOLD_HD constexpr void give_to(int rank) noexcept { gives.add(rank); }
  PEERFOLD_HD constexpr void get_from(int rank) noexcept { gets.add(rank); }
  [[nodiscard]] PEERFOLD_HD constexpr bool has(int rank) const noexcept {
    return gives.has(rank) || gets.has(rank);
  }
  /// Ranks that do not agree on who sends to whom do not agree on the call.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t salt(int self, int peer) const noexcept {
    const uint32_t there = gives.has(peer) ? 1 : 0;
    const uint32_t back = gets.has(peer) ? 1 : 0;
    return self < peer ? there | back << 1 : back | there << 1;
  }
};

using some_peers = some_peers_of<max_ranks>;

/// The first of the peers of rank `self`, as a position among the others of so many ranks; 0 if
/// there is none.
template <class Peers>
PEERFOLD_HD constexpr int first_of(const Peers& peers, int ranks, int self) noexcept {
  int found = 0;
  for (int j = ranks - 2; j >= 0; --j) {
    if (peers.has(j < self ? j : j + 1)) found = j;
  }
  return found;
}

}  // namespace peerfold::transport
