/// \file
/// Link routes: how messages of a team keep to links on a node whose GPUs are not all linked.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold {

/// Who passes messages on, and orders of the ranks that follow links, among at most max_ranks
/// ranks. Made from the graph of a node (topology/routes.hpp), or by hand; all ranks of a team are
/// given the same.
struct link_routes {
  int ranks = 0;  ///< 0: every rank is linked to every other, and orders are those of the ranks
  /// via[i][j]: whom rank i hands what is for rank j. It is j, or a rank that is linked to both.
  uint8_t via[max_ranks][max_ranks] = {};
  /// The ranks in an order in which each is linked to the next, and the last to the first.
  uint8_t ring[max_ranks] = {};
  /// The ranks in an order whose balanced tree (algorithm/spanning_tree.hpp) runs along links:
  /// the rank at position p stands for rank p there.
  uint8_t tree[max_ranks] = {};

  /// Among ranks that are all linked.
  [[nodiscard]] PEERFOLD_HD static constexpr link_routes straight(int ranks) noexcept {
    link_routes all;
    all.ranks = ranks;
    for (int i = 0; i < ranks; ++i) {
      for (int j = 0; j < ranks; ++j) all.via[i][j] = static_cast<uint8_t>(j);
      all.ring[i] = all.tree[i] = static_cast<uint8_t>(i);
    }
    return all;
  }

  /// Whether rank i hands rank j its messages itself.
  [[nodiscard]] PEERFOLD_HD constexpr bool is_straight(int i, int j) const noexcept {
    return ranks == 0 || via[i][j] == j;
  }
  /// Whether all do.
  [[nodiscard]] PEERFOLD_HD constexpr bool all_straight() const noexcept {
    for (int i = 0; i < ranks; ++i) {
      for (int j = 0; j < ranks; ++j) {
        if (i != j && !is_straight(i, j)) return false;
      }
    }
    return true;
  }

  friend constexpr bool operator==(const link_routes&, const link_routes&) = default;
};

}  // namespace peerfold
