/// \file
/// What a policy says of itself, for a collective and a rank count: known at compile time.
#pragma once

#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/policy/policy.hpp>

namespace peerfold {

/// A fraction of two small numbers, for amounts that a rank count divides.
struct ratio {
  int numerator = 0;
  int denominator = 1;

  [[nodiscard]] constexpr double value() const noexcept {
    return static_cast<double>(numerator) / denominator;
  }
  friend constexpr bool operator==(const ratio& a, const ratio& b) noexcept {
    return a.numerator * b.denominator == b.numerator * a.denominator;
  }
};

/// Whether a collective can be carried out by a policy.
constexpr bool has_policy(collective which, const policy& p) noexcept {
  if (p.transport == transport_id::automatic || which == collective::none ||
      which == collective::custom) {
    return false;
  }
  switch (p.algorithm) {
    case algorithm_id::one_shot:
      if (p.transport == transport_id::sentinel) return is_reduction(which);
      return p.transport != transport_id::bulk;
    case algorithm_id::two_shot:
      if (p.transport == transport_id::sentinel) {
        return which == collective::all_reduce || which == collective::reduce;
      }
      return p.transport != transport_id::bulk &&
             (which == collective::all_reduce || which == collective::reduce ||
              which == collective::broadcast);
    case algorithm_id::chain:
    case algorithm_id::tree:
      return p.transport != transport_id::bulk && p.transport != transport_id::sentinel &&
             (which == collective::all_reduce || which == collective::reduce ||
              which == collective::broadcast);
    case algorithm_id::two_shot_relayed:
      return p.transport == transport_id::store && which == collective::all_reduce;
    case algorithm_id::ring:
      return which == collective::all_reduce &&
             (p.transport == transport_id::packet || p.transport == transport_id::store);
    case algorithm_id::direct:
      return p.transport != transport_id::packet && p.transport != transport_id::sentinel &&
             !is_reduction(which) && which != collective::send_recv && which != collective::barrier;
    case algorithm_id::automatic: break;
  }
  return false;
}

/// Whether the bits of the result depend on nothing but the values and their order of ranks, so
/// that all such policies give the same. Others give the same every time.
constexpr bool is_reproducible(collective which, const policy& p) noexcept {
  return (p.algorithm != algorithm_id::tree && p.algorithm != algorithm_id::ring) ||
         !is_reduction(which);
}

/// Whether elements go only between ranks that the team's routes say are linked.
constexpr bool keeps_to_routes(collective which, const policy& p) noexcept {
  return p.algorithm == algorithm_id::two_shot_relayed || p.algorithm == algorithm_id::ring ||
         p.algorithm == algorithm_id::tree ||
         (p.algorithm == algorithm_id::chain && !is_reduction(which));
}

/// Whether kernels of a policy need a rank count known when they are compiled.
constexpr bool counts_early(const policy& p) noexcept {
  return p.transport == transport_id::sentinel || p.algorithm == algorithm_id::chain ||
         p.algorithm == algorithm_id::tree || p.algorithm == algorithm_id::ring ||
         p.algorithm == algorithm_id::two_shot_relayed;
}

/// Whether a policy sends along a spanning tree of the ranks, and what shape it has.
constexpr bool runs_along_tree(const policy& p) noexcept {
  return p.algorithm == algorithm_id::chain || p.algorithm == algorithm_id::tree;
}
constexpr algorithm::tree_shape shape_of(const policy& p) noexcept {
  return p.algorithm == algorithm_id::tree ? algorithm::tree_shape::tree
                                           : algorithm::tree_shape::chain;
}

/// The place of a rank in the tree of a policy that has one. Folds go to where they take the ranks
/// in their order, and results to `root` alone in a reduce. Where the team has link routes trees
/// follow them, and chains that copy; a chain that folds takes the ranks as they are, for its bits.
constexpr algorithm::tree_place place_of(collective which, const policy& p, int ranks, int rank,
                                         int root, const link_routes& links = {}) noexcept {
  const algorithm::tree_shape shape = shape_of(p);
  const bool is_tree = p.algorithm == algorithm_id::tree;
  const bool follows = links.ranks != 0 && (is_tree || !is_reduction(which));
  // Positions stand for ranks.
  const auto at = [&](int position) {
    return !follows ? position : int{is_tree ? links.tree[position] : links.ring[position]};
  };
  const auto position_of = [&](int r) {
    int position = 0;
    while (at(position) != r) ++position;
    return position;
  };
  const int root_position = position_of(root);
  const int top =
      which == collective::broadcast ? root_position : algorithm::natural_root(shape, ranks);
  const uint32_t getters =
      which == collective::reduce ? uint32_t{1} << root_position : (uint32_t{1} << ranks) - 1;
  const algorithm::tree_place found =
      algorithm::place_in_tree(shape, ranks, position_of(rank), top, getters);
  algorithm::tree_place place = found;
  place.rank = rank;
  place.parent = found.parent < 0 ? -1 : at(found.parent);
  place.children = place.wanting = 0;
  for (int q = 0; q < ranks; ++q) {
    if (found.is_child(q)) place.children |= uint32_t{1} << at(q);
    if (found.is_wanting(q)) place.wanting |= uint32_t{1} << at(q);
  }
  return place;
}

/// What the ranks of a tree send and receive, and how long its longest way is.
struct tree_load {
  int parts_sent = 0;      ///< by the rank that sends most
  int parts_received = 0;  ///< by the rank that receives most
  int steps = 0;

  /// Of a collective among `ranks` ranks, for the root that makes most of each.
  static constexpr tree_load of(collective which, const policy& p, int ranks) noexcept {
    tree_load most;
    for (int root = 0; root < ranks; ++root) {
      const bool folds = which != collective::broadcast;
      for (int r = 0; r < ranks; ++r) {
        const auto at = place_of(which, p, ranks, r, root);
        int children = 0;
        int wanting = 0;
        for (int q = 0; q < ranks; ++q) {
          children += at.is_child(q) ? 1 : 0;
          wanting += at.is_wanting(q) ? 1 : 0;
        }
        const bool has_parent = at.parent >= 0;
        most.take({(folds && has_parent ? 1 : 0) + wanting,
                   (folds ? children : 0) + (has_parent && at.wants ? 1 : 0),
                   (folds ? at.height : 0) + at.deepest});
      }
    }
    return most;
  }

 private:
  constexpr void take(const tree_load& other) noexcept {
    parts_sent = other.parts_sent > parts_sent ? other.parts_sent : parts_sent;
    parts_received = other.parts_received > parts_received ? other.parts_received : parts_received;
    steps = other.steps > steps ? other.steps : steps;
  }
};

/// The properties of policy P in collective Which among N ranks. A part is the `count` elements of
/// the call.
template <collective Which, policy P, int N>
  requires(has_policy(Which, P))
struct policy_traits {
  static constexpr bool along_tree = runs_along_tree(P);
  static constexpr tree_load in_tree = tree_load::of(Which, P, along_tree ? N : 1);

  static constexpr bool reproducible = is_reproducible(Which, P);
  /// Whether outputs may take the place of inputs.
  static constexpr bool in_place =
      Which != collective::barrier &&
      !(P.algorithm == algorithm_id::direct && Which == collective::all_to_all);
  /// Whether outputs must be in symmetric memory. (Two-shot uses it where it is there.)
  static constexpr bool needs_symmetric = P.algorithm == algorithm_id::direct;
  /// Whether elements go from any rank to any other, and not only between neighbours in a tree or
  /// ring, or ranks that the team's routes have linked.
  static constexpr bool needs_all_links = !along_tree && !keeps_to_routes(Which, P);
  /// How many times a message crosses a link before the last element is there, one after another.
  static constexpr int steps = [] {
    if (along_tree) return in_tree.steps;
    if (P.algorithm == algorithm_id::one_shot) return 1;
    if (P.algorithm == algorithm_id::two_shot_relayed) return 4;
    if (P.algorithm == algorithm_id::ring) return 2 * (N - 1);
    return P.algorithm == algorithm_id::two_shot ? 2 : 3;
  }();
  /// How many parts leave the rank that sends most, and arrive at the one that receives most.
  /// (Empty messages, of 16 bytes or a flag, come on top. Folds along trees and rings send
  /// accumulators: twice the bytes for elements of 16 bits. What relays pass on comes on top, too.)
  static constexpr ratio parts_sent = [] {
    if (along_tree) return ratio{in_tree.parts_sent};
    if (keeps_to_routes(Which, P)) return ratio{2 * (N - 1), N};
    if (P.algorithm == algorithm_id::two_shot) {
      if (Which == collective::reduce) return ratio{N > 1 ? 1 : 0};
      return ratio{2 * (N - 1), N};
    }
    switch (Which) {
      case collective::barrier: return ratio{0};
      case collective::reduce:
      case collective::gather:
      case collective::send_recv: return ratio{N > 1 ? 1 : 0};
      default: return ratio{N - 1};
    }
  }();
  static constexpr ratio parts_received = [] {
    if (along_tree) return ratio{in_tree.parts_received};
    if (keeps_to_routes(Which, P)) return ratio{2 * (N - 1), N};
    if (P.algorithm == algorithm_id::two_shot) {
      if (Which == collective::broadcast) return ratio{N > 1 ? 1 : 0};
      return ratio{2 * (N - 1), N};
    }
    switch (Which) {
      case collective::barrier: return ratio{0};
      case collective::broadcast:
      case collective::scatter:
      case collective::send_recv: return ratio{N > 1 ? 1 : 0};
      default: return ratio{N - 1};
    }
  }();
  /// Bytes on the wire for each byte of a part.
  static constexpr int expansion = P.transport == transport_id::packet ? 2 : 1;

  /// Bytes that leave the rank that sends most, for parts of so many bytes (of accumulators, where
  /// those are what a fold along a tree sends).
  static constexpr double bytes_sent(size_t part_bytes) noexcept {
    return parts_sent.value() * expansion * static_cast<double>(part_bytes);
  }
};

}  // namespace peerfold
