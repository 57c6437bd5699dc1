/// \file
/// Traffic: how many bytes of a collective go from which rank to which by a policy, and over which
/// edges of the node. Host code; what the cost model counts, and what tests hold against hand
/// calculations.
#pragma once

#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/traits.hpp>
#include <peerfold/topology/edges.hpp>
#include <peerfold/topology/graph.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace peerfold {

/// A call whose cost is asked for.
struct call_shape {
  collective which = collective::all_reduce;
  /// Bytes of a part: of the `count` elements of the call.
  double part_bytes = 0;
  /// The GPU of each rank, by its number in the graph; several may be on one.
  std::vector<int> gpus;
  int root = 0;  ///< where there is one
  /// Bytes of an accumulator for each byte of an element: what folds along trees and rings send.
  double widening = 1;
  link_routes routes{};  ///< of the team

  [[nodiscard]] int ranks() const noexcept { return static_cast<int>(gpus.size()); }
};

/// Bytes between ranks.
class traffic {
 public:
  explicit traffic(int ranks)
      : ranks_{ranks}, bytes_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {}

  [[nodiscard]] int ranks() const noexcept { return ranks_; }
  /// Bytes on the wire that rank `from` sends rank `to`, beside flags and empty messages.
  [[nodiscard]] double at(int from, int to) const noexcept { return bytes_[index(from, to)]; }
  void add(int from, int to, double bytes) noexcept {
    if (from != to) bytes_[index(from, to)] += bytes;
  }

  /// What leaves a rank.
  [[nodiscard]] double sent_by(int rank) const noexcept {
    double sum = 0;
    for (int to = 0; to < ranks_; ++to) sum += at(rank, to);
    return sum;
  }
  /// How many ranks one sends anything.
  [[nodiscard]] int peers_of(int rank) const noexcept {
    int peers = 0;
    for (int to = 0; to < ranks_; ++to) peers += at(rank, to) > 0 ? 1 : 0;
    return peers;
  }

 private:
  [[nodiscard]] std::size_t index(int from, int to) const noexcept {
    return static_cast<std::size_t>(from * ranks_ + to);
  }

  int ranks_;
  std::vector<double> bytes_;  ///< row by row
};

namespace detail {

/// Whether rank `from` has a part for rank `to` in one direct exchange.
[[nodiscard]] constexpr bool has_part(collective which, int ranks, int root, int from,
                                      int to) noexcept {
  switch (which) {
    case collective::broadcast:
    case collective::scatter: return from == root;
    case collective::reduce:
    case collective::gather: return to == root;
    case collective::inclusive_scan:
    case collective::exclusive_scan: return from < to;
    case collective::send_recv: return to == rank_after(ranks, from, 1);
    case collective::barrier:
    case collective::custom:
    case collective::none: return false;
    default: return true;
  }
}

inline void add_two_shot(traffic& sum, const call_shape& call) {
  const int n = call.ranks();
  const double share = call.part_bytes / n;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      // The shares, then what was made of them.
      if (call.which != collective::broadcast || i == call.root) sum.add(i, j, share);
      const bool gets = call.which == collective::all_reduce ||
                        (call.which == collective::reduce ? j == call.root : j != call.root);
      if (gets) sum.add(i, j, share);
    }
  }
}

/// Shares go by way of relays; of a result a relay has one copy, and passes on as many as it must.
inline void add_relayed(traffic& sum, const call_shape& call) {
  const int n = call.ranks();
  const double share = call.part_bytes / n;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      if (i == j) continue;
      if (call.routes.is_straight(i, j)) {
        sum.add(i, j, 2 * share);
        continue;
      }
      const int relay = call.routes.via[i][j];
      sum.add(i, relay, share);
      sum.add(relay, j, 2 * share);
    }
  }
}

inline void add_ring(traffic& sum, const call_shape& call) {
  const int n = call.ranks();
  for (int p = 0; p < n; ++p) {
    const auto rank = [&](int position) {
      return call.routes.ranks == 0 ? position : int{call.routes.ring[position]};
    };
    // Each way round half of the message: as many parts as there are other ranks, twice.
    const double bytes = call.part_bytes * call.widening * (n - 1) / n;
    sum.add(rank(p), rank(rank_after(n, p, 1)), bytes);
    sum.add(rank(rank_after(n, p, 1)), rank(p), bytes);
  }
}

inline void add_tree(traffic& sum, const call_shape& call, const policy& p) {
  const bool folds = is_reduction(call.which);
  const double bytes = call.part_bytes * (folds ? call.widening : 1);
  for (int r = 0; r < call.ranks(); ++r) {
    const algorithm::tree_place at =
        place_of(call.which, p, call.ranks(), r, call.root, call.routes);
    if (folds && at.parent >= 0) sum.add(r, at.parent, bytes);
    for (int q = 0; q < call.ranks(); ++q) {
      if (at.is_wanting(q)) sum.add(r, q, bytes);
    }
  }
}

}  // namespace detail

/// What a call sends by a policy that its collective has.
[[nodiscard]] inline traffic traffic_of(const call_shape& call, const policy& p) {
  traffic sum{call.ranks()};
  switch (p.algorithm) {
    case algorithm_id::two_shot: detail::add_two_shot(sum, call); break;
    case algorithm_id::two_shot_relayed: detail::add_relayed(sum, call); break;
    case algorithm_id::ring: detail::add_ring(sum, call); break;
    case algorithm_id::chain:
    case algorithm_id::tree: detail::add_tree(sum, call, p); break;
    default:
      for (int i = 0; i < call.ranks(); ++i) {
        for (int j = 0; j < call.ranks(); ++j) {
          if (detail::has_part(call.which, call.ranks(), call.root, i, j)) {
            sum.add(i, j, call.part_bytes);
          }
        }
      }
  }
  if (p.transport != transport_id::packet) return sum;
  traffic packets{call.ranks()};  // half of a packet is its mark
  for (int i = 0; i < call.ranks(); ++i) {
    for (int j = 0; j < call.ranks(); ++j) packets.add(i, j, 2 * sum.at(i, j));
  }
  return packets;
}

/// How many messages follow one another before the last element is there: each takes a latency.
[[nodiscard]] constexpr int steps_of(collective which, const policy& p, int ranks) noexcept {
  switch (p.algorithm) {
    case algorithm_id::two_shot: return 2;
    case algorithm_id::two_shot_relayed: return 4;
    case algorithm_id::ring: return 2 * (ranks - 1);
    case algorithm_id::direct: return 3;
    case algorithm_id::chain:
    case algorithm_id::tree: return tree_load::of(which, p, ranks).steps;
    default: return 1;
  }
}

/// Bytes over each edge of a map, by its number: what ranks on one GPU send each other takes none.
[[nodiscard]] inline std::vector<double> bytes_over(const topology::edge_map& map,
                                                    const std::vector<int>& gpus,
                                                    const traffic& sent) {
  std::vector<double> bytes(map.edges().size());
  for (int i = 0; i < sent.ranks(); ++i) {
    for (int j = 0; j < sent.ranks(); ++j) {
      const int from = gpus[static_cast<std::size_t>(i)];
      const int to = gpus[static_cast<std::size_t>(j)];
      if (from == to || sent.at(i, j) == 0) continue;
      for (const int e : map.route(from, to)) bytes[static_cast<std::size_t>(e)] += sent.at(i, j);
    }
  }
  return bytes;
}

}  // namespace peerfold
