/// \file
/// Ring all-reduce: a reduce-scatter round a ring of the ranks, then an all-gather round it. Ranks
/// exchange messages with their two neighbours alone, and each sends 2 (N - 1)/N of the message,
/// the least there is; every second tile goes round the other way, so both directions of the ring's
/// links carry half. 2 (N - 1) messages a tile, one after another. Source: P. Patarasuk, X. Yuan,
/// Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009.
///
/// A share is folded in the order in which it passes the ranks, each share from another one: the
/// bits are the same every time and on every rank, but others than those of a fold in rank order.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/tree_exchange.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/peers.hpp>

namespace peerfold::algorithm {

/// One rank's place on a ring.
struct ring_place {
  int position = 0;
  int after = 0;   ///< the rank at the next position
  int before = 0;  ///< and at the last one

  [[nodiscard]] static constexpr ring_place of(const link_routes& routes, int ranks,
                                               int rank) noexcept {
    const auto at = [&](int position) {
      const int p = (position + ranks) % ranks;
      return routes.ranks == 0 ? p : int{routes.ring[p]};
    };
    ring_place place;
    while (at(place.position) != rank) ++place.position;
    place.after = at(place.position + 1);
    place.before = at(place.position - 1);
    return place;
  }

  /// What a rank's transport is made with.
  [[nodiscard]] PEERFOLD_HD constexpr transport::some_peers neighbours(int ranks) const noexcept {
    transport::some_peers peers;
    if (ranks == 1) return peers;
    peers.give_to(after);
    peers.give_to(before);
    peers.gets = peers.gives;
    return peers;
  }
};

/// Folds element i of all ranks round the ring and gives the finished result to store(i, value) on
/// every rank. load(i) and store(i, value) are of accumulators, which the transport carries (see
/// widened and narrowed); T is the element. Called by all lanes of block b of every rank, with
/// tilings of N parts that agree, in shares of whole packs; the transport is made with
/// place.neighbours(). load is called once for each element, in place is fine. Returns false to
/// lanes that know of a fault, which leaves outputs undefined. The caller closes the transport in
/// either case.
template <element T, context Context, class Transport, class Load, class Op, class Finish,
          class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store> &&
           forwarding_transport<Transport, Load, Store> && detail::between_some<Transport>
PEERFOLD_HD bool ring_all_reduce(Context& c, Transport& t, const transport::tiling& tiles,
                                 const ring_place& place, const Load& load, const Op& op,
                                 const Finish& finish, const Store& store) {
  static_assert(counts_ranks_early<Context::size>,
                "rings are for teams whose rank count is part of their type");
  constexpr int n = Context::size;
  const auto blocks = static_cast<uint32_t>(c.blocks());
  PEERFOLD_NO_UNROLL
  for (auto index = static_cast<uint32_t>(c.block()); index < tiles.tiles(); index += blocks) {
    const bool forth = index % 2 == 0;
    const int next = forth ? place.after : place.before;
    const int last = forth ? place.before : place.after;
    // The share that leaves this position at step `steps`.
    const auto share_at = [&](int steps) {
      const int moved = steps % n;
      const int share = forth ? place.position - moved + n : place.position + moved;
      return tiles.at(index, static_cast<uint32_t>(share % n));
    };
    transport::tile x = share_at(0);
    auto carried = t.load(x, load);
    // Of the ranks here and before, in their order; finished where it has been everywhere.
    const auto fold = [&](const auto& theirs, bool is_whole) {
      const ranks_in two{uint32_t{1} << c.rank() | uint32_t{1} << last};
      const detail::finish_at_root<T, Finish> finish_last{finish, is_whole};
      return t.fold(x, t.load(x, load), theirs, op, finish_last, two);
    };
    if constexpr (n == 1) {
      t.commit();
      const auto nobody = t.receive_each([](int /*q*/) { return transport::tile{}; });
      carried = fold(nobody, true);
      t.store(x, carried, t.destination(x, store));
      if (index + blocks >= tiles.tiles()) return static_cast<bool>(nobody);
      if (!t.release()) return false;
    }
    PEERFOLD_NO_UNROLL
    for (int step = 1; step <= 2 * (n - 1); ++step) {
      PEERFOLD_NO_UNROLL
      for (int p = 1; p < n; ++p) {
        const int to = c.rank_after(p);
        if (to == next) {
          t.send(p, x, carried);
        } else if (to == last) {
          t.send(p, transport::tile{}, carried);
        }
      }
      t.commit();
      x = share_at(step);
      const auto theirs = t.receive_each([&](int q) { return q == last ? x : transport::tile{}; });
      if (theirs) {
        carried = step < n ? fold(theirs, step == n - 1) : t.take(last, x, theirs);
        if (step >= n - 1) t.store(x, carried, t.destination(x, store));
      }
      if (step == 2 * (n - 1) && index + blocks >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
  return true;
}

}  // namespace peerfold::algorithm
