/// \file
/// Exchange along a spanning tree (see spanning_tree.hpp): folds flow to the root, results from the
/// root, both at once, tile behind tile. No rank sends to another than its parent and its children,
/// so nothing crosses a link that is not part of the tree; each of its links carries the message
/// once in either direction, whatever the rank count. The height of the tree in steps, and once
/// more where the results of a fold go back.
///
/// Along a chain the fold goes through the ranks in their order, so it has the bits of every other
/// policy, which a ring that begins every part at another rank has not. (It loads a link with one
/// message in a direction; such rings in both directions with 1 - 1/N.) In a tree a rank folds what
/// comes from its left, its own value, and what comes from its right: the bits are the same every
/// time, but others.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/peers.hpp>

namespace peerfold::algorithm {

/// Whom a rank exchanges messages with along a tree: what its transport is made with.
[[nodiscard]] PEERFOLD_HD constexpr transport::some_peers neighbours_of(
    const tree_place& at) noexcept {
  transport::some_peers peers;
  peers.gives = rank_set<max_ranks>{at.children};
  if (at.parent >= 0) peers.give_to(at.parent);
  peers.gets = peers.gives;
  return peers;
}

namespace detail {

/// Whether a transport leaves ranks out: one that awaits a packet of every rank would wait for
/// ever.
template <class Transport>
concept between_some =
    requires { requires stl::same_as<typename Transport::peers_type, transport::some_peers>; };

/// Tile k of a block flows up at step k + the rank's distance from the deepest ones, and down when
/// it has been at the root: all in steps of the transport's lag, so that what a rank receives at a
/// step its neighbours sent `lag` steps before. Every step is one message to every neighbour, empty
/// where there is nothing to say: slots and credits are those of an exchange between all ranks.
///
/// combine(x, mine, theirs) is what this rank sends its parent, or the result at the root; at
/// leaves it is not called where there is somebody to send to.
template <bool Folds, class Context, class Transport, class Load, class Combine, class Store>
PEERFOLD_HD bool along_tree(Context& c, Transport& t, const transport::tiling& tiles,
                            const tree_place& at, bool gets, const Load& load,
                            const Combine& combine, const Store& store) {
  static_assert(counts_ranks_early<Context::size>,
                "chains and trees are for teams whose rank count is part of their type");
  constexpr int n = Context::size;
  constexpr uint32_t lag = Transport::traits.lag == 0 ? 1 : Transport::traits.lag;
  using fragment = typename Transport::fragment_type;
  const bool is_root = at.parent < 0;
  const auto blocks = static_cast<uint32_t>(c.blocks());
  const auto first = static_cast<uint32_t>(c.block());
  if (first >= tiles.tiles()) return true;
  const uint32_t count = (tiles.tiles() - first - 1) / blocks + 1;
  const auto tile_number = [&](uint32_t k) {
    return k < count ? tiles.at(first + k * blocks) : transport::tile{};
  };
  // When tile 0 is folded here, and when it comes from the root. Behind the last tile, and before
  // the first, which wraps round, tiles are empty.
  const uint32_t to_root = Folds ? lag * static_cast<uint32_t>(at.height) : 0;
  const uint32_t folds_at = Folds ? to_root - lag * static_cast<uint32_t>(at.depth) : 0;
  const uint32_t comes_at = to_root + lag * static_cast<uint32_t>(at.depth);
  const uint32_t end = count - 1 + to_root + lag * static_cast<uint32_t>(at.deepest);
  const uint32_t last = n == 1 || end >= lag ? end : lag;  // a message at least

  const auto up_at = [&](uint32_t step) {
    return Folds || is_root ? tile_number(step - folds_at) : transport::tile{};
  };
  // The message of a step: nobody would hear those of the last ones.
  const auto send = [&](uint32_t step, const transport::tile& up, const fragment& upward,
                        const transport::tile& down, const fragment& downward) {
    if (step + lag > last) return;
    PEERFOLD_NO_UNROLL
    for (int p = 1; p < n; ++p) {
      const int to = c.rank_after(p);
      if (to == at.parent) {
        t.send(p, Folds ? up : transport::tile{}, upward);
      } else if (at.is_child(to)) {
        t.send(p, at.is_wanting(to) ? down : transport::tile{}, downward);
      }
    }
    t.commit();
  };
  uint32_t step = 0;
  PEERFOLD_NO_UNROLL
  for (; n > 1 && step < lag; ++step) {  // nothing has come yet
    const transport::tile up = up_at(step);
    const fragment mine = t.load(up, load);
    if (!Folds && is_root && gets) t.store(up, mine, t.destination(up, store));
    send(step, up, mine, is_root ? up : transport::tile{}, mine);
  }
  PEERFOLD_NO_UNROLL
  for (;; ++step) {
    const transport::tile up = up_at(step);
    const transport::tile down =
        at.wants && !is_root ? tile_number(step - comes_at) : transport::tile{};
    const fragment mine = t.load(up, load);
    if constexpr (n == 1) t.commit();
    const auto theirs = t.receive_each([&](int q) {
      if (q == at.parent) return down;
      return Folds && at.is_child(q) ? up : transport::tile{};
    });
    fragment upward = mine;
    fragment downward{};
    if (theirs) {
      if (up.count != 0 && (is_root || (Folds && at.children != 0))) {
        upward = combine(up, mine, theirs);
        if (is_root && gets) t.store(up, upward, t.destination(up, store));
      }
      if (down.count != 0) {
        downward = t.take(at.parent, down, theirs);
        if (gets) t.store(down, downward, t.destination(down, store));
      }
    }
    if (step == last) return static_cast<bool>(theirs);
    if (!t.release()) return false;
    if constexpr (n > 1) send(step, up, upward, is_root ? up : down, is_root ? upward : downward);
  }
}

/// finish() at the root, whose result travels as an accumulator; elsewhere the partial fold.
template <class T, class Finish>
struct finish_at_root {
  Finish finish;
  bool is_root;

  template <class A>
  PEERFOLD_HD A operator()(const A& total) const {
    return is_root ? element_traits<T>::widen(finish(total)) : total;
  }
};

template <class Transport, class Op, class Finish>
struct fold_of_subtree {
  Transport& t;
  ranks_in ranks;
  const Op& op;
  Finish finish;

  PEERFOLD_HD typename Transport::fragment_type operator()(
      const transport::tile& x, const typename Transport::fragment_type& mine,
      const typename Transport::arrivals& theirs) const {
    return t.fold(x, mine, theirs, op, finish, ranks);
  }
};

template <class Fragment>
struct own_fragment {
  template <class Arrivals>
  PEERFOLD_HD Fragment operator()(const transport::tile& /*x*/, const Fragment& mine,
                                  const Arrivals& /*theirs*/) const {
    return mine;
  }
};

}  // namespace detail

/// Folds element i of all ranks along the tree and gives the finished result to store(i, value) on
/// every rank that `gets` it, which its place in the tree says too. The tree is rooted at
/// natural_root(): rooted elsewhere it would fold in no order of the ranks. load(i) and
/// store(i, value) are of accumulators, which the transport carries (see widened and narrowed); T
/// is the element. Called by all lanes of block b of every rank, with tilings of one part that
/// agree, in shares of whole packs; the transport is made with neighbours_of(at). load is called
/// once for each element, in place is fine. Returns false to lanes that know of a fault, which
/// leaves outputs undefined. The caller closes the transport in either case.
template <element T, context Context, class Transport, class Load, class Op, class Finish,
          class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store> &&
           forwarding_transport<Transport, Load, Store> && detail::between_some<Transport>
PEERFOLD_HD bool tree_reduce(Context& c, Transport& t, const transport::tiling& tiles,
                             const tree_place& at, bool gets, const Load& load, const Op& op,
                             const Finish& finish, const Store& store) {
  const uint32_t own = uint32_t{1} << c.rank();
  using finish_type = detail::finish_at_root<T, Finish>;
  return detail::along_tree<true>(
      c, t, tiles, at, gets, load,
      detail::fold_of_subtree<Transport, Op, finish_type>{t, ranks_in{at.children | own}, op,
                                                          finish_type{finish, at.parent < 0}},
      store);
}

/// Copies element load(i) of the tree's root to store(i, value) of every rank that `gets` it, bit
/// by bit. Otherwise as tree_reduce(); load is called on the root alone.
template <context Context, class Transport, class Load, class Store>
  requires forwarding_transport<Transport, Load, Store> && detail::between_some<Transport>
PEERFOLD_HD bool tree_broadcast(Context& c, Transport& t, const transport::tiling& tiles,
                                const tree_place& at, bool gets, const Load& load,
                                const Store& store) {
  return detail::along_tree<false>(c, t, tiles, at, gets, load,
                                   detail::own_fragment<typename Transport::fragment_type>{},
                                   store);
}

/// A load functor of accumulators.
template <class Load>
struct widened {
  Load load;

  PEERFOLD_HD auto operator()(size_t i) const {
    const auto value = load(i);
    return element_traits<stl::remove_cvref_t<decltype(value)>>::widen(value);
  }
};

/// A store functor of accumulators that are elements of type T.
template <class T, class Store>
struct narrowed {
  Store store;

  PEERFOLD_HD void operator()(size_t i, const accumulator_t<T>& value) const {
    store(i, element_traits<T>::narrow(value));
  }
};

}  // namespace peerfold::algorithm
