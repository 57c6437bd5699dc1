/// \file
/// Bodies: a collective by one policy as one block of one rank runs it. Trivially copyable: they
/// travel to kernels by value.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/reduce_exchange.hpp>
#include <peerfold/algorithm/ring.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/algorithm/tree_exchange.hpp>
#include <peerfold/algorithm/two_shot.hpp>
#include <peerfold/algorithm/two_shot_relayed.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/transport/movers.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/peers.hpp>
#include <peerfold/transport/sentinel.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <cstddef>
#include <cstdint>

namespace peerfold::detail {

/// The transport that a policy names.
template <policy P, element T, class Context, class Peers = transport::every_peer>
using transport_of = stl::conditional_t<
    P.transport == transport_id::packet, transport::packet<T, Context, Peers>,
    stl::conditional_t<P.transport == transport_id::sentinel, transport::sentinel<T, Context>,
                       transport::store_flag<T, Context, Peers>>>;

/// A copying collective as one block of one rank runs it.
template <element T, policy P, collective Which, class Route, class Peers, class Load, class Store>
struct copy_body {
  static constexpr bool takes_pieces = P.algorithm == algorithm_id::two_shot
                                           ? !algorithm::reaches_peers<Store>
                                           : P.algorithm != algorithm_id::direct;
  /// Bytes of dynamic shared memory of a block.
  static constexpr std::size_t shared_bytes =
      P.transport == transport_id::bulk ? transport::bulk_stages_bytes : 0;

  transport::tiling tiles;
  Route route;
  bool keeps;
  Peers peers;
  Load load;
  Store store;

  template <class Context>
  using transport_type = transport_of<P, T, Context, Peers>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c, peers};
    bool done;
    if constexpr (P.algorithm == algorithm_id::direct) {
      if constexpr (P.transport == transport_id::bulk) {
        done = algorithm::exchange_direct<transport::bulk_mover>(c, t, tiles, route, keeps, load,
                                                                 store);
      } else {
        done = algorithm::exchange_direct<transport::lane_mover>(c, t, tiles, route, keeps, load,
                                                                 store);
      }
    } else if constexpr (P.algorithm == algorithm_id::two_shot) {
      static_assert(Which == collective::broadcast);
      done = algorithm::broadcast_two_shot(c, t, tiles, route.root, keeps, load, store);
    } else {
      done = algorithm::exchange(c, t, tiles, route, keeps, load, store);
    }
    t.close();
    return done;
  }
};

/// A reducing collective of one step as one block of one rank runs it.
template <element T, policy P, collective Which, class Route, class Load, class Op, class Finish,
          class Store, class Range>
struct fold_body {
  static constexpr bool takes_pieces = true;
  static constexpr std::size_t shared_bytes = 0;

  transport::tiling tiles;
  Route route;
  bool folds;
  Load load;
  Op op;
  Finish finish;
  Store store;
  Range range;

  template <class Context>
  using transport_type = transport_of<P, T, Context>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c};
    bool done;
    if constexpr (P.algorithm == algorithm_id::two_shot) {
      static_assert(Which == collective::reduce);
      done = algorithm::reduce_two_shot(c, t, tiles, route.root, load, op, finish, store);
    } else {
      done = algorithm::reduce_exchange(c, t, tiles, route, folds, load, op, finish, store, range);
    }
    t.close();
    return done;
  }
};

/// A broadcast along a spanning tree as one block of one rank runs it.
template <element T, policy P, class Load, class Store>
struct tree_copy_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;

  transport::tiling tiles;
  algorithm::tree_place place;
  transport::some_peers peers;
  bool gets;
  Load load;
  Store store;

  template <class Context>
  using transport_type = transport_of<P, T, Context, transport::some_peers>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c, peers};
    const bool done = algorithm::tree_broadcast(c, t, tiles, place, gets, load, store);
    t.close();
    return done;
  }
};

/// A fold along a spanning tree as one block of one rank runs it. What travels is accumulators.
template <element T, policy P, class Load, class Op, class Finish, class Store>
struct tree_fold_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;
  static_assert(element<accumulator_t<T>>, "policies along trees send accumulators");

  transport::tiling tiles;
  algorithm::tree_place place;
  transport::some_peers peers;
  bool gets;
  Load load;
  Op op;
  Finish finish;
  Store store;

  template <class Context>
  using transport_type = transport_of<P, accumulator_t<T>, Context, transport::some_peers>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c, peers};
    bool done;
    if constexpr (stl::same_as<T, accumulator_t<T>>) {
      done = algorithm::tree_reduce<T>(c, t, tiles, place, gets, load, op, finish, store);
    } else {
      done = algorithm::tree_reduce<T>(c, t, tiles, place, gets, algorithm::widened<Load>{load}, op,
                                       finish, algorithm::narrowed<T, Store>{store});
    }
    t.close();
    return done;
  }
};

/// An all-reduce round a ring as one block of one rank runs it. What travels is accumulators.
template <element T, policy P, class Load, class Op, class Finish, class Store>
struct ring_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;
  static_assert(element<accumulator_t<T>>, "rings send accumulators");

  transport::tiling tiles;
  algorithm::ring_place place;
  Load load;
  Op op;
  Finish finish;
  Store store;

  template <class Context>
  using transport_type = transport_of<P, accumulator_t<T>, Context, transport::some_peers>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c, place.neighbours(c.ranks())};
    bool done;
    if constexpr (stl::same_as<T, accumulator_t<T>>) {
      done = algorithm::ring_all_reduce<T>(c, t, tiles, place, load, op, finish, store);
    } else {
      done = algorithm::ring_all_reduce<T>(c, t, tiles, place, algorithm::widened<Load>{load}, op,
                                           finish, algorithm::narrowed<T, Store>{store});
    }
    t.close();
    return done;
  }
};

/// An all-reduce by way of relays as one block of one rank runs it.
template <element T, class Load, class Op, class Finish, class Store>
struct relayed_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;

  transport::tiling tiles;
  link_routes routes;
  algorithm::relay_peers peers;
  Load load;
  Op op;
  Finish finish;
  Store store;

  template <class Context>
  using transport_type = transport::store_flag<T, Context, algorithm::relay_peers>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    using transport = transport_type<Context>;
    using pack = typename transport::pack_type;
    algorithm::relay_peers with = peers;
    with.piece_bytes = tiles.share() / pack::size * static_cast<uint32_t>(sizeof(pack));
    transport t{c, with};
    const bool done = algorithm::all_reduce_relayed(c, t, tiles, routes, with.piece_bytes, load, op,
                                                    finish, store);
    t.close();
    return done;
  }
};

}  // namespace peerfold::detail
