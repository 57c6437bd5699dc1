/// \file
/// Two-shot all-reduce: every rank folds its share of each tile and sends the result to the others
/// (a reduce-scatter, then an all-gather). Two steps; twice the message, less a share each, leaves
/// each rank, however many ranks there are.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold::algorithm {

/// Folds element i of all ranks, load(i) of each, in rank order, and gives the finished result to
/// store(i, value) on every rank. Called by all lanes of block b of every rank, with tilings of N
/// parts that agree, in shares of whole packs. load(i) is called once an element.
///
/// Where the transport publishes plain writes and the store functor reaches the peers' memory, the
/// results are written straight there, and one empty message at the end says so. That is safe: a
/// rank writes another's output only where it has received that rank's contribution in this call.
///
/// Returns false to lanes that know of a fault, which leaves outputs undefined. The caller closes
/// the transport in either case.
/// In place (store writes where load reads) is fine: a share is overwritten, by whomever, only
/// after its rank has sent it.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool all_reduce_two_shot(Context& c, Transport& t, const transport::tiling& tiles,
                                     const Load& load, const Op& op, const Finish& finish,
                                     const Store& store) {
  constexpr int n = Context::size;
  constexpr uint32_t lag = Transport::traits.lag;
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int peers_at_once = Context::size <= 4 ? Context::size
                                                 : lag == 0         ? 4
                                                                    : 1;
  constexpr bool direct = Transport::traits.publishes_writes && reaches_peers<Store>;
  constexpr bool one_peer = direct && n == 2;
  [[maybe_unused]] const auto at_peer = [&](int p, const transport::tile& x) {
    if constexpr (direct) return t.destination(x, store.at_rank(rank_after<n>(c.rank(), p)));
  };
  const auto own = static_cast<uint32_t>(c.rank());
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  if (ahead >= tiles.tiles()) return true;
  uint32_t before_folding = lag;  // steps that only send ahead
  uint32_t before_gathering = lag;
  for (;; ahead += blocks) {
    const uint32_t folding = ahead - lag * blocks;
    const bool all_folded = direct && before_folding == 0 && folding >= tiles.tiles();
    if (ahead < tiles.tiles()) {  // scatter: to every rank its share
      PEERFOLD_UNROLL_BY(peers_at_once)
      for (int p = 1; p < n; ++p) {
        const auto x = tiles.at(ahead, static_cast<uint32_t>(rank_after<n>(c.rank(), p)));
        t.send(p, x, t.load(x, load));
      }
    }
    if (ahead < tiles.tiles() || all_folded) t.commit();
    if (before_folding > 0) {
      --before_folding;
      continue;
    }

    if (direct || folding < tiles.tiles()) {  // fold the own share, send the result to all
      const auto x = tiles.at(folding, own);  // empty behind the last
      const auto mine = t.load(x, load);
      // Addresses are worked out before the wait; those at many peers would take registers.
      const auto here = t.destination(x, store);
      [[maybe_unused]] const auto there = [&] {
        if constexpr (one_peer) {
          return at_peer(1, x);
        } else {
          return 0;
        }
      }();
      const auto theirs = t.receive(x);
      if (all_folded) return static_cast<bool>(theirs);
      typename Transport::fragment_type result;
      if (theirs) result = t.fold(x, mine, theirs, op, finish);
      if (!t.release()) return false;
      PEERFOLD_UNROLL_BY(peers_at_once)
      for (int p = 1; p < n; ++p) {  // first, as they have farther to go
        if constexpr (one_peer) {
          t.store(x, result, there);
        } else if constexpr (direct) {
          t.store(x, result, at_peer(p, x));
        } else {
          t.send(p, x, result);
        }
      }
      if constexpr (!direct) t.commit();
      t.store(x, result, here);
    }

    if constexpr (!direct) {  // gather what the others folded
      if (before_gathering > 0) {
        --before_gathering;
        continue;
      }
      const uint32_t gathering = ahead - 2 * lag * blocks;
      const auto share_of = [&](int q) { return tiles.at(gathering, static_cast<uint32_t>(q)); };
      const auto theirs = t.receive_each(share_of);
      if (theirs) {
        PEERFOLD_UNROLL
        for (int q = 0; q < n; ++q) {
          if (q == c.rank()) continue;
          t.store_from(q, share_of(q), theirs, t.destination(share_of(q), store));
        }
      }
      if (gathering + blocks >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

}  // namespace peerfold::algorithm
