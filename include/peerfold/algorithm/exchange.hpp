/// \file
/// Direct exchange that copies: every rank sends what a route says straight to where it belongs.
/// One step. All-gather, all-to-all, broadcast, gather, scatter and send/recv are this, each with
/// its route.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/pieces.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/fragment.hpp>

namespace peerfold::algorithm {

/// Copies element load(source(q) + i) of every rank to store(target(rank) + i, value) of every rank
/// q that it sends to, through the transport's slots. What a rank sends itself is copied if
/// `keeps`: in place it is there already. Called by all lanes of block b of every rank, with
/// tilings of one part that agree, in shares of whole packs. load may be called once for each
/// element and receiver, the own rank included.
///
/// Every rank exchanges with every other that the transport reaches, message for message; where the
/// route has nothing to send messages are empty. So no rank runs ahead of another by more than
/// transports allow for, whoever is the root.
///
/// Returns false to lanes that know of a fault, which leaves outputs undefined. The caller closes
/// the transport in either case.
/// In place is fine where every element is stored where the same lane loads it or where nobody
/// does: a tile is sent to all before anything of it is stored.
template <context Context, class Transport, route Route, class Load, class Store>
  requires copying_transport<Transport, Load, Store>
PEERFOLD_HD bool exchange(Context& c, Transport& t, const transport::tiling& tiles,
                          const Route& route, bool keeps, const Load& load, const Store& store) {
  constexpr int size = Context::size;
  constexpr uint32_t lag = Transport::traits.lag;
  constexpr bool pieces = Transport::traits.most_pieces > 1;
  using fragment = typename Transport::fragment_type;
  const int n = c.ranks();
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int all_at_once = counts_ranks_early<size> ? size : 1;
  [[maybe_unused]] constexpr int peers_at_once = lag == 0 || size <= 4 ? all_at_once : 1;
  // Whether all that a tile has for others is held at once.
  constexpr bool holds_parts =
      Route::one_source ||
      transport::holds_pack_of_each<size, typename Transport::fragment_type::pack_type>;
  constexpr int parts = Route::one_source || !holds_parts ? 1 : size;
  const int self = c.rank();
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  const auto part_for = [&](const transport::tile& x, int to) {
    return t.load(sent_of(route, self, to, x), load_at(load, route.source(to)));
  };
  const auto keep = [&](const transport::tile& x, const fragment& mine) {
    const transport::tile y = sent_of(route, self, self, x);
    t.store(y, mine, t.destination(y, store_at(store, route.target(self, self))));
  };
  const auto send = [&](int p, const transport::tile& x, const fragment& values) {
    const int to = c.rank_after(p);
    if (Route::complete || route.sends(self, to)) {
      t.send(p, sent_of(route, self, to, x), values);
    } else {
      t.send(p, transport::tile{}, fragment{});
    }
  };
  const auto receive = [&](const transport::tile& x) {
    if constexpr (Route::complete) {
      return t.receive(x);
    } else {
      return t.receive_each(tile_sent<Route>{route, self, x});
    }
  };
  const auto place_of = [&](int q, const transport::tile& x) {
    return t.destination(sent_of(route, q, self, x), store_at(store, route.target(q, self)));
  };
  const auto store_all = [&](const transport::tile& x, const typename Transport::arrivals& theirs) {
    PEERFOLD_UNROLL_BY(all_at_once)
    for (int q = 0; q < n; ++q) {
      if (q != self && (Route::complete || route.sends(q, self))) {
        t.store_from(q, sent_of(route, q, self, x), theirs, place_of(q, x));
      }
    }
  };
  const auto deliver = [&](const transport::tile& x) {
    if constexpr (size == 2) {
      const int q = c.rank_after(1);
      const auto place = place_of(q, x);  // before the wait
      const auto theirs = receive(x);
      if (theirs && (Route::complete || route.sends(q, self))) {
        t.store_from(q, sent_of(route, q, self, x), theirs, place);
      }
      return static_cast<bool>(theirs);
    } else {
      const auto theirs = receive(x);
      if (theirs) store_all(x, theirs);
      return static_cast<bool>(theirs);
    }
  };
  const bool keeps_own = keeps && route.sends(self, self);
  const bool reads = keeps_own || sends_any(route, n, self);
  struct parts_in_hand {
    fragment of[parts];
  };
  // What tile x holds for the ranks from this one on, or for all.
  const auto load_parts = [&](const transport::tile& x) {
    if constexpr (!holds_parts) {
      return parts_in_hand{};
    } else {
      parts_in_hand values;
      PEERFOLD_UNROLL
      for (int p = 0; p < parts; ++p) {
        const int to = p == 0 ? self : c.rank_after(p);
        const bool wanted = Route::one_source ? reads : Route::complete || route.sends(self, to);
        values.of[p] = wanted ? part_for(x, to) : fragment{};
      }
      return values;
    }
  };
  if constexpr (lag == 0) {
    transport::tile x = tiles.at(ahead);
    parts_in_hand values = load_parts(x);  // before anything else: it takes long
    if (ahead >= tiles.tiles()) return true;
    for (;;) {
      PEERFOLD_UNROLL_BY(all_at_once)
      for (int p = 1; p < n; ++p) {
        if constexpr (holds_parts) {
          send(p, x, values.of[p % parts]);
        } else {
          const int to = c.rank_after(p);
          const bool wanted = Route::complete || route.sends(self, to);
          send(p, x, wanted ? part_for(x, to) : fragment{});
        }
      }
      t.commit();
      if (keeps_own) keep(x, holds_parts ? values.of[0] : part_for(x, self));
      ahead += blocks;
      const bool last = ahead >= tiles.tiles();
      const transport::tile y = tiles.at(ahead);
      if (!last) values = load_parts(y);
      const bool here = deliver(x);
      if (last) return here;
      if (!t.release()) return false;
      x = y;
    }
  } else {
    if (ahead >= tiles.tiles()) return true;
    // The next tile is loaded before anything is waited for, where it goes to all.
    const auto load_next = [&](const transport::tile& x) {
      return Route::one_source && reads ? part_for(x, self) : fragment{};
    };
    const auto send_tile = [&](uint32_t piece, uint32_t index, fragment& next) {
      const transport::tile x = tiles.at(index);
      PEERFOLD_UNROLL_BY(peers_at_once)
      for (int p = 1; p < n; ++p) {
        const int to = c.rank_after(p);
        if (Route::complete || route.sends(self, to)) {
          if constexpr (!Route::one_source) next = part_for(x, to);
          send_piece<pieces>(t, p, sent_of(route, self, to, x), next, piece);
        } else if (piece == 0) {
          t.send(p, transport::tile{}, fragment{});
        }
      }
      if constexpr (Route::one_source) {
        if (keeps_own) keep(x, next);
        if (index + blocks < tiles.tiles()) next = load_next(tiles.at(index + blocks));
      } else {
        if (keeps_own) keep(x, part_for(x, self));
      }
    };
    const uint32_t stride = blocks * tiles.pieces();
    fragment next = load_next(tiles.at(ahead));
    uint32_t idle = lag;
    for (;; ahead += stride) {
      if (ahead < tiles.tiles()) {
        for_each_piece<pieces>(tiles, ahead, blocks, [&](uint32_t piece, uint32_t index) {
          send_tile(piece, index, next);
        });
        t.commit();
      }
      if (only_sends(idle, ahead, stride, tiles.tiles())) continue;
      const uint32_t behind = ahead - lag * stride;
      const auto theirs = receive(tiles.at(behind));
      if (theirs) {
        for_each_piece<pieces>(tiles, behind, blocks, [&](uint32_t piece, uint32_t index) {
          store_all(tiles.at(index), arrivals_of<pieces, Transport>(theirs, piece, c.group()));
        });
      }
      if (behind + stride >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

/// The same straight into the peers' memory, without a copy in between: the ranks first tell each
/// other that their outputs may be written, and last that they are. Three steps, one of data, which
/// the mover moves (see transport/movers.hpp). Behind it, a lane sees what peers wrote from the
/// group's next barrier on.
///
/// In place is fine where a rank's own part stays where it is (all-gather, gather, broadcast), not
/// where what arrives takes the place of what is yet to be sent (all-to-all).
template <template <int, class, class> class Mover, context Context, class Transport, route Route,
          class Load, class Store>
  requires copying_transport<Transport, Load, Store> && reaches_peers<Store> &&
           (Transport::traits.publishes_writes)
PEERFOLD_HD
    bool exchange_direct(Context& c, Transport& t, const transport::tiling& tiles,
                         const Route& route, bool keeps, const Load& load, const Store& store) {
  constexpr int size = Context::size;
  const int n = c.ranks();
  const int self = c.rank();
  const auto blocks = static_cast<uint32_t>(c.blocks());
  const auto first = static_cast<uint32_t>(c.block());
  if (first >= tiles.tiles()) return true;
  const auto tell_all = [&] {
    PEERFOLD_NO_UNROLL
    for (int p = 1; p < n; ++p) {
      t.send(p, transport::tile{}, typename Transport::fragment_type{});
    }
    t.commit();
  };
  tell_all();
  static_cast<void>(t.receive(transport::tile{}));
  if (!t.release()) return false;

  const auto store_of = [&c, &store, &route](int step) {
    const int to = step == 0 ? c.rank() : c.rank_after(step);
    return store_at(store.at_rank(to), route.target(c.rank(), to));
  };
  Mover<size, Transport, decltype(store_of)> mover{c, t, store_of};
  rank_set<size> receivers;  // by their steps from here
  if (keeps && route.sends(self, self)) receivers.add(0);
  for (int p = 1; p < n; ++p) {
    if (route.sends(self, c.rank_after(p))) receivers.add(p);
  }
  for (uint32_t i = first; !receivers.empty() && i < tiles.tiles(); i += blocks) {
    const transport::tile x = tiles.at(i);
    if constexpr (Route::one_source) {
      mover.move(x, load_at(load, route.source(self)), receivers);
    } else {
      // Unrolled, what the mover holds is not copied from turn to turn.
      [[maybe_unused]] constexpr int at_once = size == 2 ? size : 1;
      PEERFOLD_UNROLL_BY(at_once)
      for (int p = 1; p <= n; ++p) {  // the own part while the links are at work
        const int step = p < n ? p : 0;
        if (!receivers.has(step)) continue;
        const int to = step == 0 ? self : c.rank_after(step);
        rank_set<size> only;
        only.add(step);
        mover.move(sent_of(route, self, to, x), load_at(load, route.source(to)), only);
      }
    }
  }
  mover.finish();
  tell_all();
  return t.receive_last();
}

}  // namespace peerfold::algorithm
