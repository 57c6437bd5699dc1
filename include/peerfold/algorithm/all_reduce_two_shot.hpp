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
/// parts that agree. load(i) is called once an element.
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
  constexpr bool direct = Transport::traits.publishes_writes && reaches_peers<Store>;
  constexpr uint32_t total_lag = direct ? lag : 2 * lag;
  const auto own = static_cast<uint32_t>(c.rank());
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  if (ahead >= tiles.tiles()) return true;
  const auto share_after = [&](uint32_t index, int step) {
    return tiles.at(index, static_cast<uint32_t>(rank_after<n>(c.rank(), step)));
  };
  typename Transport::fragment_type next;
  if constexpr (lag > 0 && n > 1) next = t.load(share_after(ahead, 1), load);
  for ([[maybe_unused]] uint32_t step = 0;; ++step, ahead += blocks) {
    if (ahead < tiles.tiles()) {  // scatter: to every rank its share
      PEERFOLD_UNROLL
      for (int p = 1; p < n; ++p) {
        const auto x = share_after(ahead, p);
        t.send(p, x, lag > 0 && p == 1 ? next : t.load(x, load));
      }
      t.commit();
      if constexpr (lag > 0 && n > 1) {  // before anything is waited for
        if (ahead + blocks < tiles.tiles()) next = t.load(share_after(ahead + blocks, 1), load);
      }
    }

    if constexpr (lag > 0) {
      if (step < lag) continue;
    }
    const uint32_t folding = ahead - lag * blocks;
    if (folding < tiles.tiles()) {  // fold the own share, send the result to all
      const auto x = tiles.at(folding, own);
      const auto mine = t.load(x, load);
      typename Transport::fragment_type result;
      if (const auto theirs = t.receive(x)) result = t.fold(x, mine, theirs, op, finish);
      if (!t.release()) return false;
      t.store(x, result, store);
      PEERFOLD_UNROLL
      for (int p = 1; p < n; ++p) {
        if constexpr (direct) {
          t.store(x, result, store.at_rank(rank_after<n>(c.rank(), p)));
        } else {
          t.send(p, x, result);
        }
      }
      if constexpr (!direct) t.commit();
    }

    if constexpr (total_lag > 0) {
      if (step < total_lag) continue;
    }
    const uint32_t gathering = ahead - total_lag * blocks;
    const bool last = gathering + blocks >= tiles.tiles();
    if constexpr (direct) {
      if (!last) continue;
      if constexpr (n > 1) {
        t.commit();
        return static_cast<bool>(t.receive({}));
      }
      return true;
    } else {  // gather what the others folded
      const auto share_of = [&](int q) { return tiles.at(gathering, static_cast<uint32_t>(q)); };
      const auto theirs = t.receive_each(share_of);
      if (theirs) {
        PEERFOLD_UNROLL
        for (int q = 0; q < n; ++q) {
          if (q == c.rank()) continue;
          t.store_from(q, share_of(q), theirs, store);
        }
      }
      if (last) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

}  // namespace peerfold::algorithm
