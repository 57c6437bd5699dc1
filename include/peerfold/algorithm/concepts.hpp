/// \file
/// What an algorithm asks of a place and of a transport. Algorithms order tiles: they name no
/// thread, no memory scope and no instruction, and touch no element.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/transport/tile.hpp>
#include <peerfold/transport/traits.hpp>

namespace peerfold::algorithm {

/// The workers of one block of one rank. All run the same code; `any` and `sync` are barriers among
/// them, and order their memory accesses.
template <class G>
concept group = stl::copyable<G> && requires(const G& g, bool vote) {
  { g.lane() } -> stl::same_as<int>;  // 0 … width() - 1
  { g.width() } -> stl::same_as<int>;
  { g.elect() } -> stl::same_as<bool>;  // true for exactly one lane
  { g.any(vote) } -> stl::same_as<bool>;
  g.sync();
};

/// One block of one rank during one call.
template <class C>
concept context = requires(C& c) {
  requires C::size >= 1;
  requires group<typename C::group_type>;
  { c.rank() } -> stl::same_as<int>;
  { c.ranks() } -> stl::same_as<int>;
  { c.rank_after(1) } -> stl::same_as<int>;  // the rank a step after this one, in ring order
  { c.block() } -> stl::same_as<int>;
  { c.blocks() } -> stl::same_as<int>;
};

/// The form of receive_each()'s argument.
using tile_of_rank = transport::tile (*)(int rank);

/// How tiles get to peers. The fragment is the transport's own idea of a tile in hand: registers of
/// the lanes, a piece of shared memory under a bulk copy, a place in memory for a copy engine. An
/// algorithm copies it freely and holds few at once: over a transport that lags at most three, the
/// next tile's, this one's and its result; over others at most one for each rank.
///
/// A message is one send() to every peer and one commit(); send() may be asynchronous, and after
/// commit() the peers can see the message and, where traits.publishes_writes, all plain writes
/// before it. receive() gives the next message of every peer, receive_each() does where the tiles
/// of the peers differ, release() gives its slots back and tells, to all lanes alike, whether the
/// group may go on. A lane whose arrivals are false has given up and must neither store nor send
/// what it would make of them. close() is called by all lanes, last, and releases the last receive.
/// Where traits.publishes_writes, receive_last() is for a last message that carries nothing, behind
/// another receive of the call and with close() next: it tells only lanes that wait whether it
/// came, and holds nobody else up. And has_room(), before any send(), says to all lanes alike
/// whether the first message may go by send_at_once(), which is a send() that need not wait.
template <class T>
concept transport =
    requires(T& t, const transport::tile& x, int step, const typename T::fragment_type& values,
             tile_of_rank tile_of) {
      typename T::element_type;
      typename T::arrivals;
      requires stl::default_initializable<typename T::fragment_type>;
      requires stl::copyable<typename T::fragment_type>;
      requires stl::same_as<decltype(T::traits), const transport::transport_traits>;
      requires T::traits.slots >= 2 * T::traits.lag + 2;
      t.send(step, x, values);
      t.commit();
      { t.receive(x) } -> stl::same_as<typename T::arrivals>;
      { t.receive_each(tile_of) } -> stl::same_as<typename T::arrivals>;
      { t.release() } -> stl::same_as<bool>;
      t.close();
    } &&
    stl::constructible_from<bool, const typename T::arrivals&> &&
    (!T::traits.publishes_writes ||
     requires(T& t, const transport::tile& x, const typename T::fragment_type& values) {
       { t.receive_last() } -> stl::same_as<bool>;
       { t.has_room() } -> stl::same_as<bool>;
       t.send_at_once(1, x, values);
     });

/// A transport that does the element work of a reduction over tiles of its own: load(x, load) is
/// this rank's fragment; fold(x, mine, theirs, op, finish) the finished fragment; store(x, values,
/// destination(x, store)) gives each element to the functor, and store_from(q, x, theirs, the same)
/// those that rank q sent. What destination() returns may be asked for ahead of a wait. With
/// traits.folds_in_flight the arrivals are one value already, and fold() only finishes. Without
/// traits.exact_bits, load() gives values as the others get them, and as_sent(x, values) makes what
/// was folded such.
template <class T, class Load, class Op, class Finish, class Store>
concept reducing_transport =
    transport<T> &&
    requires(T& t, const transport::tile& x, const Load& load, const Op& op, const Finish& finish,
             const Store& store, const typename T::fragment_type& values,
             const typename T::arrivals& theirs, int q) {
      { t.load(x, load) } -> stl::same_as<typename T::fragment_type>;
      { t.fold(x, values, theirs, op, finish) } -> stl::same_as<typename T::fragment_type>;
      t.store(x, values, t.destination(x, store));
      t.store_from(q, x, theirs, t.destination(x, store));
    };

/// A transport that copies: as a reducing one, without the fold.
template <class T, class Load, class Store>
concept copying_transport =
    transport<T> &&
    requires(T& t, const transport::tile& x, const Load& load, const Store& store,
             const typename T::fragment_type& values, const typename T::arrivals& theirs, int q) {
      { t.load(x, load) } -> stl::same_as<typename T::fragment_type>;
      t.store(x, values, t.destination(x, store));
      t.store_from(q, x, theirs, t.destination(x, store));
    };

/// One that can also pass on what it received: take(q, x, theirs) is the fragment that rank q sent.
template <class T, class Load, class Store>
concept forwarding_transport =
    copying_transport<T, Load, Store> &&
    requires(T& t, const transport::tile& x, const typename T::arrivals& theirs, int q) {
      { t.take(q, x, theirs) } -> stl::same_as<typename T::fragment_type>;
    };

/// A store functor that also reaches the same place of the peers: store.at_rank(q) is a store
/// functor into rank q's memory. Algorithms may then write results straight there.
template <class Store>
concept reaches_peers = requires(const Store& store, int rank) { store.at_rank(rank); };

}  // namespace peerfold::algorithm
