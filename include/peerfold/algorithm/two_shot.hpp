/// \file
/// Two-shot: every rank makes its share of each tile, out of what the others scatter, and sends it
/// to those that want it. All-reduce is this (a reduce-scatter, then an all-gather), reduce (a
/// reduce-scatter, then a gather) and broadcast (a scatter, then an all-gather). Two steps; of a
/// message no more than twice 1 - 1/N leaves a rank or arrives at one, however many ranks there
/// are.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/pieces.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold::algorithm {

namespace detail {

/// Who scatters, and who is sent results.
template <collective Which>
struct two_shot_roles {
  static constexpr bool all_give = Which != collective::broadcast;
  static constexpr bool all_get = Which == collective::all_reduce;
  int root = 0;
  bool keeps = false;  ///< broadcast: the root stores its elements too

  [[nodiscard]] PEERFOLD_HD bool gives(int rank) const noexcept { return all_give || rank == root; }
  [[nodiscard]] PEERFOLD_HD bool gets(int rank) const noexcept {
    return all_get || (Which == collective::broadcast ? rank != root : rank == root);
  }
};

/// How a rank makes its share of a tile of its own values and those that came, as the others will
/// get it.
template <class Op, class Finish>
struct folded {
  const Op& op;
  const Finish& finish;

  template <class Transport>
  PEERFOLD_HD auto operator()(Transport& t, const transport::tile& x,
                              const typename Transport::fragment_type& mine,
                              const typename Transport::arrivals& theirs) const {
    if constexpr (Transport::traits.exact_bits) {
      return t.fold(x, mine, theirs, op, finish);
    } else {
      return t.as_sent(x, t.fold(x, mine, theirs, op, finish));
    }
  }
};
struct taken {
  int root;
  int rank;

  template <class Transport>
  PEERFOLD_HD typename Transport::fragment_type operator()(
      Transport& t, const transport::tile& x, const typename Transport::fragment_type& mine,
      const typename Transport::arrivals& theirs) const {
    if (rank == root) return mine;
    return t.take(root, x, theirs);
  }
};

/// Whether results are written straight into the peers' memory, and a message says so.
template <class Transport, class Store>
inline constexpr bool writes_to_peers = Transport::traits.publishes_writes && reaches_peers<Store>;

/// All-reduce by blocks that have a tile each, at most, and write to peers, where the transport
/// has room for it. Nothing is sent ahead; without the loop for that such a call takes 0.3 us less
/// (decision 8). `first` is what the next rank is sent.
template <class Context, class Transport, class Load, class Combine, class Store>
PEERFOLD_HD bool all_reduce_one_tile(Context& c, Transport& t, const transport::tiling& tiles,
                                     const typename Transport::fragment_type& first,
                                     const Load& load, const Combine& combine, const Store& store) {
  [[maybe_unused]] constexpr int peers_at_once = Context::size <= 4 ? Context::size : 1;
  const int n = c.ranks();
  const auto block = static_cast<uint32_t>(c.block());
  const auto share_of = [&](int p) {
    return tiles.at(block, static_cast<uint32_t>(c.rank_after(p)));
  };
  t.send_at_once(1, share_of(1), first);
  PEERFOLD_UNROLL_BY(peers_at_once)
  for (int p = 2; p < n; ++p) t.send_at_once(p, share_of(p), t.load(share_of(p), load));
  t.commit();
  const auto x = tiles.at(block, static_cast<uint32_t>(c.rank()));
  const auto mine = t.load(x, load);
  const auto at_peer = [&](int p) { return t.destination(x, store.at_rank(c.rank_after(p))); };
  // Addresses are worked out before the wait; those at many peers would take registers.
  const auto here = t.destination(x, store);
  const auto there = at_peer(1);
  const auto theirs = t.receive(x);
  typename Transport::fragment_type result;
  if (theirs) result = combine(t, x, mine, theirs);
  if (!t.release()) return false;
  t.store(x, result, there);
  PEERFOLD_UNROLL_BY(peers_at_once)
  for (int p = 2; p < n; ++p) t.store(x, result, at_peer(p));
  t.commit();
  t.store(x, result, here);  // nobody else waits for it
  return t.receive_last();
}

template <collective Which, class Context, class Transport, class Load, class Combine, class Store>
PEERFOLD_HD bool two_shot(Context& c, Transport& t, const transport::tiling& tiles,
                          const two_shot_roles<Which>& roles, const Load& load,
                          const Combine& combine, const Store& store) {
  constexpr int size = Context::size;
  const int n = c.ranks();
  constexpr bool all_give = two_shot_roles<Which>::all_give;
  constexpr bool all_get = two_shot_roles<Which>::all_get;
  using fragment = typename Transport::fragment_type;
  constexpr uint32_t lag = Transport::traits.lag;
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int all_at_once = counts_ranks_early<size> ? size : 1;
  constexpr bool small_messages = size <= max_ranks && [] {
    if constexpr (requires { fragment::packs; }) return fragment::packs == 1;
    return false;
  }();
  [[maybe_unused]] constexpr int peers_at_once = size <= 4 || small_messages ? size
                                                 : lag == 0                  ? 4
                                                                             : 1;
  constexpr bool direct = writes_to_peers<Transport, Store>;
  constexpr bool one_peer = direct && size == 2;
  // Straight into the peers' memory, single tiles fill a link.
  constexpr bool pieces = Transport::traits.most_pieces > 1 && !direct;
  [[maybe_unused]] const auto at_peer = [&](int p, const transport::tile& x) {
    if constexpr (direct) return t.destination(x, store.at_rank(c.rank_after(p)));
  };
  const auto own = static_cast<uint32_t>(c.rank());
  const bool gives = roles.gives(c.rank());
  const bool gets = roles.gets(c.rank());
  const auto blocks = static_cast<uint32_t>(c.blocks());
  auto ahead = static_cast<uint32_t>(c.block());
  if (ahead >= tiles.tiles()) return true;
  const uint32_t stride = pieces ? blocks * tiles.pieces() : blocks;
  // Where x goes at the only peer; those at many would take registers.
  const auto at_only_peer = [&]([[maybe_unused]] const transport::tile& x) {
    if constexpr (one_peer) {
      return at_peer(1, x);
    } else {
      return 0;
    }
  };
  const auto keep = [&](const transport::tile& x, const fragment& values) {
    t.store(x, values, t.destination(x, store));
  };
  // A message of this step, where there is nothing to send.
  const auto send_nothing = [&](int p, uint32_t piece) {
    if (piece == 0) t.send(p, transport::tile{}, fragment{});
  };
  const auto own_part = [&](const transport::tile& x) {
    if constexpr (all_give) {
      return t.load(x, load);
    } else {
      return gives ? t.load(x, load) : fragment{};
    }
  };
  const auto receive_shares = [&](const transport::tile& x) {
    if constexpr (all_give) {
      return t.receive(x);
    } else {
      return t.receive_each([&](int q) { return roles.gives(q) ? x : transport::tile{}; });
    }
  };
  // Results go to the others first, as they have farther to go.
  const auto deliver = [&](const transport::tile& x, const fragment& result, uint32_t piece,
                           const decltype(at_only_peer(transport::tile{}))& there) {
    PEERFOLD_UNROLL_BY(peers_at_once)
    for (int p = 1; p < n; ++p) {
      if constexpr (!all_get) {
        if (!roles.gets(c.rank_after(p))) {
          if constexpr (!direct) send_nothing(p, piece);
          continue;
        }
      }
      if constexpr (one_peer) {
        t.store(x, result, there);
      } else if constexpr (direct) {
        t.store(x, result, at_peer(p, x));
      } else {
        send_piece<pieces>(t, p, x, result, piece);
      }
    }
  };
  const bool stores_own = gets || roles.keeps;
  uint32_t before_folding = lag;  // steps that only send ahead
  uint32_t before_gathering = lag;
  for (;; ahead += stride) {
    const bool all_folded = direct && before_folding == 0 && ahead - lag * stride >= tiles.tiles();
    if (ahead < tiles.tiles()) {  // scatter: to every rank its share
      for_each_piece<pieces>(tiles, ahead, blocks, [&](uint32_t piece, uint32_t index) {
        PEERFOLD_UNROLL_BY(peers_at_once)
        for (int p = 1; p < n; ++p) {
          if constexpr (!all_give) {
            if (!gives) {
              send_nothing(p, piece);
              continue;
            }
          }
          const auto x = tiles.at(index, static_cast<uint32_t>(c.rank_after(p)));
          const fragment values = t.load(x, load);
          send_piece<pieces>(t, p, x, values, piece);
          if constexpr (Which == collective::broadcast) {
            if (roles.keeps) keep(x, values);
          }
        }
      });
    }
    if (ahead < tiles.tiles() || all_folded) t.commit();
    if (only_sends(before_folding, ahead, stride, tiles.tiles())) continue;
    const uint32_t folding = ahead - lag * stride;

    if (direct || folding < tiles.tiles()) {  // make the own share, send it to all
      const auto x = tiles.at(folding, own);  // empty behind the last
      const auto mine = own_part(x);
      // Addresses are worked out before the wait.
      const auto here = t.destination(x, store);
      const auto there = at_only_peer(x);
      const auto theirs = receive_shares(x);
      if (all_folded) return static_cast<bool>(theirs);
      fragment result;
      if (theirs) result = combine(t, x, mine, theirs);
      // Where messages are single tiles, lanes may differ in what came: released is voted.
      if (!pieces ? !t.release() : !theirs) return false;
      deliver(x, result, 0, there);
      if constexpr (!pieces) {
        if constexpr (!direct) t.commit();
        if (all_get || stores_own) t.store(x, result, here);
      } else {
        if (all_get || stores_own) t.store(x, result, here);
        for_each_piece<pieces>(tiles, folding, blocks, [&](uint32_t piece, uint32_t index) {
          if (piece == 0) return;
          const auto y = tiles.at(index, own);
          result =
              combine(t, y, own_part(y), arrivals_of<pieces, Transport>(theirs, piece, c.group()));
          deliver(y, result, piece, at_only_peer(y));
          if (all_get || stores_own) keep(y, result);
        });
        if (!t.release()) return false;
        if constexpr (!direct) t.commit();
      }
    }

    if constexpr (!direct) {  // gather what the others made
      if (only_sends(before_gathering, ahead, stride, tiles.tiles() + lag * stride)) continue;
      const uint32_t gathering = ahead - 2 * lag * stride;
      const auto share_of = [&](int q) {
        return all_get || gets ? tiles.at(gathering, static_cast<uint32_t>(q)) : transport::tile{};
      };
      const auto theirs = t.receive_each(share_of);
      if (theirs && (all_get || gets)) {
        for_each_piece<pieces>(tiles, gathering, blocks, [&](uint32_t piece, uint32_t index) {
          PEERFOLD_UNROLL_BY(all_at_once)
          for (int q = 0; q < n; ++q) {
            if (q == c.rank()) continue;
            const auto x = tiles.at(index, static_cast<uint32_t>(q));
            t.store_from(q, x, arrivals_of<pieces, Transport>(theirs, piece, c.group()),
                         t.destination(x, store));
          }
        });
      }
      if (gathering + stride >= tiles.tiles()) return static_cast<bool>(theirs);
      if (!t.release()) return false;
    }
  }
}

}  // namespace detail

/// Folds element i of all ranks, load(i) of each, in rank order, and gives the finished result to
/// store(i, value) on every rank. Called by all lanes of block b of every rank, with tilings of N
/// parts that agree, in shares of whole packs. load(i) is called at most twice an element.
///
/// Where the transport publishes plain writes and the store functor reaches the peers' memory, the
/// results are written straight there, and one empty message at the end says so. That is safe: a
/// rank writes another's output only where it has received that rank's message of this call. Behind
/// it, a lane sees what peers and its group's other lanes wrote from the group's next barrier on.
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
  const detail::folded<Op, Finish> combine{op, finish};
  // Rank counts of run time have one way: they are for short code.
  if constexpr (detail::writes_to_peers<Transport, Store> && Context::size > 1 &&
                counts_ranks_early<Context::size>) {
    if (tiles.tiles() <= static_cast<uint32_t>(c.blocks())) {
      const auto block = static_cast<uint32_t>(c.block());
      if (block >= tiles.tiles()) return true;
      // Under way before the transport's numbers are looked at.
      const auto first = t.load(tiles.at(block, static_cast<uint32_t>(c.rank_after(1))), load);
      if (t.has_room()) {
        return detail::all_reduce_one_tile(c, t, tiles, first, load, combine, store);
      }
    }
  }
  return detail::two_shot(c, t, tiles, detail::two_shot_roles<collective::all_reduce>{}, load,
                          combine, store);
}

/// The same with store(i, value) on rank `root` alone.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool reduce_two_shot(Context& c, Transport& t, const transport::tiling& tiles, int root,
                                 const Load& load, const Op& op, const Finish& finish,
                                 const Store& store) {
  return detail::two_shot(c, t, tiles, detail::two_shot_roles<collective::reduce>{root}, load,
                          detail::folded<Op, Finish>{op, finish}, store);
}

/// Copies element load(i) of rank `root` to store(i, value) of every other rank, and of the root if
/// it `keeps` them, bit by bit. Otherwise the same.
template <context Context, class Transport, class Load, class Store>
  requires forwarding_transport<Transport, Load, Store>
PEERFOLD_HD bool broadcast_two_shot(Context& c, Transport& t, const transport::tiling& tiles,
                                    int root, bool keeps, const Load& load, const Store& store) {
  return detail::two_shot(
      c, t, tiles, detail::two_shot_roles<collective::broadcast>{root, keeps && c.rank() == root},
      load, detail::taken{root, c.rank()}, store);
}

}  // namespace peerfold::algorithm
