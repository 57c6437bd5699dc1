/// \file
/// Two-shot all-reduce: every rank folds its share of each tile and sends the result to the others
/// (a reduce-scatter, then an all-gather). Two steps; twice the message, less a share each, leaves
/// each rank, however many ranks there are.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/pieces.hpp>
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
  using fragment = typename Transport::fragment_type;
  constexpr uint32_t lag = Transport::traits.lag;
  // Code for many peers is short where there is much to send to each.
  [[maybe_unused]] constexpr int peers_at_once = Context::size <= 4 ? Context::size
                                                 : lag == 0         ? 4
                                                                    : 1;
  constexpr bool direct = Transport::traits.publishes_writes && reaches_peers<Store>;
  constexpr bool one_peer = direct && n == 2;
  // Straight into the peers' memory, single tiles fill a link.
  constexpr bool pieces = Transport::traits.most_pieces > 1 && !direct;
  [[maybe_unused]] const auto at_peer = [&](int p, const transport::tile& x) {
    if constexpr (direct) return t.destination(x, store.at_rank(rank_after<n>(c.rank(), p)));
  };
  const auto own = static_cast<uint32_t>(c.rank());
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
  // Results go to the others first, as they have farther to go.
  const auto deliver = [&](const transport::tile& x, const fragment& result, uint32_t piece,
                           const decltype(at_only_peer(transport::tile{}))& there) {
    PEERFOLD_UNROLL_BY(peers_at_once)
    for (int p = 1; p < n; ++p) {
      if constexpr (one_peer) {
        t.store(x, result, there);
      } else if constexpr (direct) {
        t.store(x, result, at_peer(p, x));
      } else {
        send_piece<pieces>(t, p, x, result, piece);
      }
    }
  };
  uint32_t before_folding = lag;  // steps that only send ahead
  uint32_t before_gathering = lag;
  for (;; ahead += stride) {
    const uint32_t folding = ahead - lag * stride;
    const bool all_folded = direct && before_folding == 0 && folding >= tiles.tiles();
    if (ahead < tiles.tiles()) {  // scatter: to every rank its share
      for_each_piece<pieces>(tiles, ahead, blocks, [&](uint32_t piece, uint32_t index) {
        PEERFOLD_UNROLL_BY(peers_at_once)
        for (int p = 1; p < n; ++p) {
          const auto x = tiles.at(index, static_cast<uint32_t>(rank_after<n>(c.rank(), p)));
          send_piece<pieces>(t, p, x, t.load(x, load), piece);
        }
      });
    }
    if (ahead < tiles.tiles() || all_folded) t.commit();
    if (before_folding > 0) {
      --before_folding;
      continue;
    }

    if (direct || folding < tiles.tiles()) {  // fold the own share, send the result to all
      const auto x = tiles.at(folding, own);  // empty behind the last
      const auto mine = t.load(x, load);
      // Addresses are worked out before the wait.
      const auto here = t.destination(x, store);
      const auto there = at_only_peer(x);
      const auto theirs = t.receive(x);
      if (all_folded) return static_cast<bool>(theirs);
      fragment result;
      if (theirs) result = t.fold(x, mine, theirs, op, finish);
      // Where messages are single tiles, lanes may differ in what came: released is voted.
      if (!pieces ? !t.release() : !theirs) return false;
      deliver(x, result, 0, there);
      if constexpr (!pieces) {
        if constexpr (!direct) t.commit();
        t.store(x, result, here);
      } else {
        t.store(x, result, here);
        for_each_piece<pieces>(tiles, folding, blocks, [&](uint32_t piece, uint32_t index) {
          if (piece == 0) return;
          const auto y = tiles.at(index, own);
          result = t.fold(y, t.load(y, load),
                          arrivals_of<pieces, Transport>(theirs, piece, c.group()), op, finish);
          deliver(y, result, piece, at_only_peer(y));
          t.store(y, result, t.destination(y, store));
        });
        if (!t.release()) return false;
        if constexpr (!direct) t.commit();
      }
    }

    if constexpr (!direct) {  // gather what the others folded
      if (before_gathering > 0) {
        --before_gathering;
        continue;
      }
      const uint32_t gathering = ahead - 2 * lag * stride;
      const auto share_of = [&](int q) { return tiles.at(gathering, static_cast<uint32_t>(q)); };
      const auto theirs = t.receive_each(share_of);
      if (theirs) {
        for_each_piece<pieces>(tiles, gathering, blocks, [&](uint32_t piece, uint32_t index) {
          PEERFOLD_UNROLL
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

}  // namespace peerfold::algorithm
