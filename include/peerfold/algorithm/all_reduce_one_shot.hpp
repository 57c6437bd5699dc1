/// \file
/// One-shot all-reduce: every rank sends its whole message to every other and folds all of them
/// itself. One step; N - 1 times the message leaves each rank.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold::algorithm {

/// Folds element i of all ranks, load(i) of each, in rank order, and gives the finished result to
/// store(i, value) on every rank. Called by all lanes of block b of every rank, with tilings of one
/// part that agree. With a transport that lags, load(i) is called twice an element.
///
/// Returns, to all lanes alike, false where a fault ended the call; outputs are then undefined.
/// In place (store writes where load reads) is fine: a tile is sent and loaded before it is stored.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool all_reduce_one_shot(Context& c, Transport& t, const transport::tiling& tiles,
                                     const Load& load, const Op& op, const Finish& finish,
                                     const Store& store) {
  constexpr uint32_t lag = Transport::traits.lag;
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  if (ahead >= tiles.tiles()) return true;
  typename Transport::fragment_type next;
  if constexpr (lag > 0) next = t.load(tiles.at(ahead), load);
  for ([[maybe_unused]] uint32_t step = 0;; ++step, ahead += blocks) {
    transport::tile x = tiles.at(ahead);
    typename Transport::fragment_type mine;
    if (lag == 0 || ahead < tiles.tiles()) {
      if constexpr (lag == 0) mine = t.load(x, load);
      PEERFOLD_UNROLL
      for (int p = 1; p < Context::size; ++p) t.send(p, x, lag == 0 ? mine : next);
      t.commit();
    }
    if constexpr (lag > 0) {
      // Loaded before anything is waited for.
      if (ahead + blocks < tiles.tiles()) next = t.load(tiles.at(ahead + blocks), load);
      if (step < lag) continue;
      x = tiles.at(ahead - lag * blocks);
      mine = t.load(x, load);
    }
    if (const auto theirs = t.receive(x)) t.store(x, t.fold(x, mine, theirs, op, finish), store);
    if (!t.release()) return false;
    if (ahead + blocks - lag * blocks >= tiles.tiles()) return true;
  }
}

}  // namespace peerfold::algorithm
