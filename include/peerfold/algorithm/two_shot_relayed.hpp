/// \file
/// Two-shot all-reduce on nodes whose GPUs are not all linked: ranks exchange messages with those
/// that they are straight with (core/link_routes.hpp), and pass on what is for others. Four
/// messages a tile, one after another: every rank scatters its parts, relays pass them on, the
/// owner of a share folds it in the order of the ranks and sends the result, relays pass that on. A
/// share crosses a link twice for each pair that is linked, and once more to a relay and twice from
/// it for each pair that is not: a relay has one copy of a result, whoever is to get it. The bits
/// are those of every other fold in rank order, which rings and trees do not have.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/peers.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::algorithm {

/// Which tiles go in one message, in order: what rank i hands rank p is p's own part, then what p
/// is to pass on, by its receiver; what p passes on to rank j comes by its sender.
struct relay_order {
  const link_routes& routes;
  int ranks;

  /// Whether rank i hands rank p something for rank j.
  [[nodiscard]] PEERFOLD_HD constexpr bool hands_on(int i, int p, int j) const noexcept {
    return i != j && p != i && p != j && !routes.is_straight(i, j) && routes.via[i][j] == p;
  }
  /// The place, in what rank i hands rank p, of what is for rank j.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t handed(int i, int p, int j) const noexcept {
    uint32_t place = 1;
    for (int k = 0; k < j; ++k) place += hands_on(i, p, k) ? 1 : 0;
    return place;
  }
  /// The place, in what rank p passes on to rank j, of what rank i sent.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t passed_on(int i, int p, int j) const noexcept {
    uint32_t place = 0;
    for (int k = 0; k < i; ++k) place += hands_on(k, p, j) ? 1 : 0;
    return place;
  }
  /// The most tiles of any message.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t most() const noexcept {
    uint32_t most = 1;
    for (int i = 0; i < ranks; ++i) {
      for (int p = 0; p < ranks; ++p) {
        const uint32_t from = handed(i, p, ranks);
        const uint32_t on = passed_on(ranks, i, p);
        most = from > most ? from : most;
        most = on > most ? on : most;
      }
    }
    return most;
  }
};

/// Whom a rank exchanges messages with, and how far apart the tiles of one lie in a slot.
struct relay_peers : transport::some_peers {
  uint32_t piece_bytes = 0;

  [[nodiscard]] PEERFOLD_HD static constexpr relay_peers of(const link_routes& routes, int ranks,
                                                            int rank) noexcept {
    relay_peers peers;
    for (int q = 0; q < ranks; ++q) {
      if (q == rank || !routes.is_straight(rank, q)) continue;
      peers.give_to(q);
      peers.get_from(q);
    }
    return peers;
  }
};

namespace detail {

/// What all ranks sent of a share: those that are straight, and the others' by way of relays.
template <class Transport>
struct relayed_arrivals {
  using pack_type = typename Transport::pack_type;

  const typename Transport::arrivals& straight;
  const typename Transport::arrivals& relayed;
  const relay_order& order;
  uint32_t piece_bytes;

  [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return straight.rank(); }
  [[nodiscard]] PEERFOLD_HD pack_type pack_of(int q, uint32_t u, uint32_t i,
                                              const pack_type& mine) const noexcept {
    if (q == rank() || order.routes.is_straight(q, rank())) return straight.pack_of(q, u, i, mine);
    const int relay = order.routes.via[q][rank()];
    const uint32_t place = order.passed_on(q, relay, rank());
    return relayed.at_offset(place * piece_bytes).pack_of(relay, u, i, mine);
  }
  [[nodiscard]] PEERFOLD_HD pack_type pack_of_peer(int j, uint32_t u, uint32_t i) const noexcept {
    return pack_of(j < rank() ? j : j + 1, u, i, pack_type{});
  }
};

}  // namespace detail

/// Folds element i of all ranks, load(i) of each, in rank order, and gives the finished result to
/// store(i, value) on every rank. Called by all lanes of block b of every rank, with tilings of N
/// parts that agree, in shares of whole packs of which relay_order::most() fit into a slot, and
/// with the routes of the team; the transport is made with relay_peers. load(i) is called at most
/// twice an element; in place is fine. Returns false to lanes that know of a fault, which leaves
/// outputs undefined. The caller closes the transport in either case.
///
/// Slots: a message is released where it has been received, though it is read until two messages
/// later. A rank writes a slot again eight messages on, which is two tiles, and sends the first of
/// a tile only when it has received the last of the one before from each peer, who sent that behind
/// its reads. So nobody waits for a credit either.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store> &&
           forwarding_transport<Transport, Load, Store>
PEERFOLD_HD bool all_reduce_relayed(Context& c, Transport& t, const transport::tiling& tiles,
                                    const link_routes& routes, uint32_t piece_bytes,
                                    const Load& load, const Op& op, const Finish& finish,
                                    const Store& store) {
  static_assert(counts_ranks_early<Context::size>,
                "relays are for teams whose rank count is part of their type");
  const int n = c.ranks();
  const int own = c.rank();
  const relay_order order{routes, n};
  const auto blocks = static_cast<uint32_t>(c.blocks());
  // Calls visit(step, peer) for each rank that this one exchanges messages with.
  const auto for_each_peer = [&](auto visit) {
    PEERFOLD_NO_UNROLL
    for (int p = 1; p < n; ++p) {
      const int peer = c.rank_after(p);
      if (routes.is_straight(own, peer)) visit(p, peer);
    }
  };
  const auto any = [&](const transport::tile& x) { return [x](int /*q*/) { return x; }; };
  PEERFOLD_NO_UNROLL
  for (auto index = static_cast<uint32_t>(c.block()); index < tiles.tiles(); index += blocks) {
    const auto share_of = [&](int q) { return tiles.at(index, static_cast<uint32_t>(q)); };
    const auto keep = [&](const transport::tile& x, const typename Transport::fragment_type& v) {
      t.store(x, v, t.destination(x, store));
    };

    for_each_peer([&](int p, int to) {
      t.send(p, share_of(to), t.load(share_of(to), load));
      PEERFOLD_NO_UNROLL
      for (int j = 0; j < n; ++j) {
        if (!order.hands_on(own, to, j)) continue;
        t.send(p, share_of(j), t.load(share_of(j), load), order.handed(own, to, j));
      }
    });
    t.commit();
    const auto scattered = t.receive_each(any(share_of(own)));
    if (!t.release()) return false;

    for_each_peer([&](int p, int to) {
      PEERFOLD_NO_UNROLL
      for (int i = 0; i < n; ++i) {
        if (!order.hands_on(i, own, to)) continue;
        const auto theirs = scattered.at_offset(order.handed(i, own, to) * piece_bytes);
        t.send(p, share_of(to), t.take(i, share_of(to), theirs), order.passed_on(i, own, to));
      }
    });
    t.commit();
    const auto passed_on = t.receive_each(any(share_of(own)));
    if (!t.release()) return false;

    const auto mine = t.load(share_of(own), load);
    const detail::relayed_arrivals<Transport> all{scattered, passed_on, order, piece_bytes};
    const auto result = t.fold(share_of(own), mine, all, op, finish);
    for_each_peer([&](int p, int /*to*/) { t.send(p, share_of(own), result); });
    t.commit();
    keep(share_of(own), result);
    const auto results = t.receive_each(any(share_of(own)));
    if (!t.release()) return false;

    for_each_peer([&](int p, int to) {
      const auto x = share_of(to);
      keep(x, t.take(to, x, results));
      PEERFOLD_NO_UNROLL
      for (int i = 0; i < n; ++i) {
        if (!order.hands_on(i, own, to)) continue;
        t.send(p, share_of(i), t.take(i, share_of(i), results), order.passed_on(i, own, to));
      }
    });
    t.commit();
    const auto others = t.receive_each(any(share_of(own)));
    if (!others) return false;
    PEERFOLD_NO_UNROLL
    for (int i = 0; i < n; ++i) {
      if (i == own || routes.is_straight(i, own)) continue;
      const int relay = routes.via[i][own];
      const auto theirs = others.at_offset(order.passed_on(i, relay, own) * piece_bytes);
      keep(share_of(i), t.take(relay, share_of(i), theirs));
    }
    if (index + blocks >= tiles.tiles()) return true;
    if (!t.release()) return false;
  }
  return true;
}

}  // namespace peerfold::algorithm
