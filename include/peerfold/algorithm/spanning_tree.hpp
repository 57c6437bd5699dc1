/// \file
/// Spanning trees of the ranks: which links a collective uses where it does not use them all.
///
/// A chain joins each rank to the next. A tree is the balanced binary one in which every rank comes
/// between those of its left and its right: the middle of the ranks a … b - 1, which is
/// a + (b - a) / 2, joins the middles of the ranks below and above it. Either can be rooted
/// anywhere.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::algorithm {

enum class tree_shape : uint32_t { chain, tree };

/// The rank to which `rank` of `ranks` is joined above it, where the last rank of a chain or the
/// middle one of a tree is the root; -1 there.
PEERFOLD_HD constexpr int joined_to(tree_shape shape, int ranks, int rank) noexcept {
  if (shape == tree_shape::chain) return rank + 1 < ranks ? rank + 1 : -1;
  int begin = 0;
  int end = ranks;
  int above = -1;
  for (;;) {
    const int middle = begin + (end - begin) / 2;
    if (middle == rank) return above;
    above = middle;
    (rank < middle ? end : begin) = rank < middle ? middle : middle + 1;
  }
}

/// The root of joined_to(): where folds go, so that they take the ranks in their order.
PEERFOLD_HD constexpr int natural_root(tree_shape shape, int ranks) noexcept {
  return shape == tree_shape::chain ? ranks - 1 : ranks / 2;
}

/// One rank's place in a rooted spanning tree of at most 32 ranks.
struct tree_place {
  int rank = 0;
  int parent = -1;        ///< -1: this is the root
  uint32_t children = 0;  ///< bit q: rank q is a child
  uint32_t wanting = 0;   ///< bit q: rank q is a child that wants what comes from the root, or has
                          ///< a descendant that does
  bool wants = false;     ///< whether this rank does, or a descendant
  int depth = 0;          ///< links to the root
  int height = 0;         ///< links from the root to the deepest rank
  int deepest = 0;        ///< links from the root to the deepest rank that wants

  [[nodiscard]] PEERFOLD_HD constexpr bool is_child(int q) const noexcept {
    return (children >> q & 1u) != 0;
  }
  [[nodiscard]] PEERFOLD_HD constexpr bool is_wanting(int q) const noexcept {
    return (wanting >> q & 1u) != 0;
  }
};

/// The place of `rank` of `ranks` in the tree of a shape, rooted at `root`; bit q of `getters` says
/// whether rank q wants what comes from the root.
PEERFOLD_HD constexpr tree_place place_in_tree(tree_shape shape, int ranks, int rank, int root,
                                               uint32_t getters) noexcept {
  constexpr int most = 32;
  int parents[most] = {};
  for (int r = 0; r < ranks; ++r) parents[r] = joined_to(shape, ranks, r);
  // Turns the links between the new root and the old one round.
  for (int r = root, below = -1; r >= 0;) {
    const int above = parents[r];
    parents[r] = below;
    below = r;
    r = above;
  }
  tree_place place;
  place.rank = rank;
  place.parent = parents[rank];
  const auto depth_of = [&](int r) {
    int depth = 0;
    for (; r != root; r = parents[r]) ++depth;
    return depth;
  };
  place.depth = depth_of(rank);
  for (int r = 0; r < ranks; ++r) {
    const int depth = depth_of(r);
    if (parents[r] == rank) place.children |= uint32_t{1} << r;
    place.height = depth > place.height ? depth : place.height;
    if ((getters >> r & 1u) == 0) continue;
    place.deepest = depth > place.deepest ? depth : place.deepest;
    for (int q = r; q >= 0; q = parents[q]) {
      if (q == rank) place.wants = true;
      if (parents[q] == rank) place.wanting |= uint32_t{1} << q;
    }
  }
  return place;
}

}  // namespace peerfold::algorithm
