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
/// part that agree, in shares of whole packs. With a transport that lags, load(i) is called twice
/// an element.
///
/// Returns false to lanes that know of a fault, which leaves outputs undefined. The caller closes
/// the transport in either case.
/// In place (store writes where load reads) is fine: a tile is sent and loaded before it is stored.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool all_reduce_one_shot(Context& c, Transport& t, const transport::tiling& tiles,
                                     const Load& load, const Op& op, const Finish& finish,
                                     const Store& store) {
  constexpr uint32_t lag = Transport::traits.lag;
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int peers_at_once = lag == 0 || Context::size <= 4 ? Context::size : 1;
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  const auto send_to_all = [&](const transport::tile& x,
                               const typename Transport::fragment_type& values) {
    PEERFOLD_UNROLL_BY(peers_at_once)
    for (int p = 1; p < Context::size; ++p) t.send(p, x, values);
    t.commit();
  };
  if constexpr (lag == 0) {
    transport::tile x = tiles.at(ahead);
    auto mine = t.load(x, load);  // before anything else: it takes long
    if (ahead >= tiles.tiles()) return true;
    for (;;) {
      send_to_all(x, mine);
      const auto out = t.destination(x, store);  // before the wait
      ahead += blocks;
      const bool last = ahead >= tiles.tiles();
      const transport::tile y = tiles.at(ahead);
      typename Transport::fragment_type next;
      if (!last) next = t.load(y, load);  // before the wait too
      const auto theirs = t.receive(x);
      if (theirs) t.store(x, t.fold(x, mine, theirs, op, finish), out);
      if (last) return static_cast<bool>(theirs);
      if (!t.release()) return false;
      x = y;
      mine = next;
    }
  } else {
    if (ahead >= tiles.tiles()) return true;
    // The next tile to send is loaded before anything is waited for.
    transport::tile x = tiles.at(ahead);
    auto next = t.load(x, load);
    for (uint32_t step = 0;; ++step) {
      if (ahead < tiles.tiles()) send_to_all(x, next);
      ahead += blocks;
      x = tiles.at(ahead);
      if (ahead < tiles.tiles()) next = t.load(x, load);
      if (step < lag) continue;
      const transport::tile y = tiles.at(ahead - (lag + 1) * blocks);
      const auto mine = t.load(y, load);
      const auto out = t.destination(y, store);
      const auto theirs = t.receive(y);
      if (theirs) t.store(y, t.fold(y, mine, theirs, op, finish), out);
      if (ahead - lag * blocks >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

}  // namespace peerfold::algorithm
