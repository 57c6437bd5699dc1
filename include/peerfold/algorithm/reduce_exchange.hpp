/// \file
/// Direct exchange that folds: every rank sends what a route says straight to where it is folded.
/// One step. All-reduce (one-shot), reduce-scatter, reduce and the scans over ranks are this, each
/// with its route.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/pieces.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold::algorithm {

/// On every rank that folds(rank): element i of what the ranks of `range` send it, load(source + i)
/// of each, folded in rank order, goes finished to store(i, value). Called by all lanes of block b
/// of every rank, with tilings of one part that agree, in shares of whole packs. With a transport
/// that lags, load is called twice for the elements of the rank's own contribution.
///
/// Every rank exchanges with every other, message for message; where the route has nothing to send
/// messages are empty. So no rank runs ahead of another by more than transports allow for, whoever
/// is the root.
///
/// Returns false to lanes that know of a fault, which leaves outputs undefined. The caller closes
/// the transport in either case.
/// In place (store writes where the own part is loaded) is fine: a tile is sent and loaded before
/// it is stored.
template <context Context, class Transport, route Route, class Load, class Op, class Finish,
          class Store, class Range = every_rank>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool reduce_exchange(Context& c, Transport& t, const transport::tiling& tiles,
                                 const Route& route, bool folds, const Load& load, const Op& op,
                                 const Finish& finish, const Store& store,
                                 const Range& range = {}) {
  constexpr int size = Context::size;
  const int n = c.ranks();
  constexpr uint32_t lag = Transport::traits.lag;
  constexpr bool pieces = Transport::traits.most_pieces > 1;
  using fragment = typename Transport::fragment_type;
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int peers_at_once =
      counts_ranks_early<size> && (lag == 0 || size <= 4) ? size : 1;
  const int self = c.rank();
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  // What the own part has of a tile, which is as much as every rank sends for it.
  const auto in_own_part = [&](const transport::tile& x) { return sent_of(route, self, self, x); };
  const auto own = [&](const transport::tile& x) {
    if constexpr (Route::one_source) {
      return t.load(x, load);
    } else {
      return t.load(in_own_part(x), load_at(load, route.source(self)));
    }
  };
  const auto send_tile = [&](const transport::tile& x, const fragment& mine, uint32_t piece) {
    PEERFOLD_UNROLL_BY(peers_at_once)
    for (int p = 1; p < n; ++p) {
      const int to = c.rank_after(p);
      if constexpr (!Route::complete) {
        if (!route.sends(self, to)) {
          if (piece == 0) t.send(p, transport::tile{}, fragment{});
          continue;
        }
      }
      if constexpr (Route::one_source) {
        send_piece<pieces>(t, p, x, mine, piece);
      } else {
        const transport::tile y = sent_of(route, self, to, x);
        send_piece<pieces>(t, p, y, t.load(y, load_at(load, route.source(to))), piece);
      }
    }
  };
  const auto receive = [&](const transport::tile& x) {
    if constexpr (Route::complete) {
      return t.receive(x);
    } else {
      return t.receive_each(tile_sent<Route>{route, self, x});
    }
  };
  using place = decltype(t.destination(transport::tile{}, store));
  const auto fold_and_store = [&](const transport::tile& x, const fragment& mine,
                                  const typename Transport::arrivals& theirs, const place& out) {
    if (!theirs) return;
    if constexpr (!Route::complete) {
      if (!folds) return;
    }
    if constexpr (stl::same_as<Range, every_rank>) {
      t.store(x, t.fold(x, mine, theirs, op, finish), out);
    } else {
      t.store(x, t.fold(x, mine, theirs, op, finish, range), out);
    }
  };
  if constexpr (lag == 0) {
    transport::tile x = tiles.at(ahead);
    auto mine = own(x);  // before anything else: it takes long
    if (ahead >= tiles.tiles()) return true;
    for (;;) {
      send_tile(x, mine, 0);
      t.commit();
      const auto out = t.destination(in_own_part(x), store);  // before the wait
      ahead += blocks;
      const bool last = ahead >= tiles.tiles();
      const transport::tile y = tiles.at(ahead);
      fragment next;
      if (!last) next = own(y);
      const auto theirs = receive(x);
      fold_and_store(in_own_part(x), mine, theirs, out);
      if (last) return static_cast<bool>(theirs);
      if (!t.release()) return false;
      x = y;
      mine = next;
    }
  } else {
    if (ahead >= tiles.tiles()) return true;
    // The next tile to send is loaded before anything is waited for.
    const auto to_send = [&](const transport::tile& x) {
      if constexpr (Route::one_source) {
        return t.load(x, load);
      } else {
        return fragment{};
      }
    };
    const uint32_t stride = blocks * tiles.pieces();
    auto next = to_send(tiles.at(ahead));
    uint32_t idle = lag;
    for (;; ahead += stride) {
      if (ahead < tiles.tiles()) {
        for_each_piece<pieces>(tiles, ahead, blocks, [&](uint32_t piece, uint32_t index) {
          send_tile(tiles.at(index), next, piece);
          if (index + blocks < tiles.tiles()) next = to_send(tiles.at(index + blocks));
        });
        t.commit();
      }
      if (only_sends(idle, ahead, stride, tiles.tiles())) continue;
      const uint32_t behind = ahead - lag * stride;
      // What the first tile needs of this rank is asked for before the wait.
      fragment mine = own(tiles.at(behind));
      const auto theirs = receive(tiles.at(behind));
      for_each_piece<pieces>(tiles, behind, blocks, [&](uint32_t piece, uint32_t index) {
        const transport::tile y = in_own_part(tiles.at(index));
        if (piece != 0) mine = own(y);
        fold_and_store(y, mine, arrivals_of<pieces, Transport>(theirs, piece, c.group()),
                       t.destination(y, store));
      });
      if (behind + stride >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

}  // namespace peerfold::algorithm
