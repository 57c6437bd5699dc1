/// \file
/// One-shot all-reduce: every rank sends its whole message to every other and folds all of them
/// itself. One step; N - 1 times the message leaves each rank.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/reduce_exchange.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/config.hpp>

namespace peerfold::algorithm {

/// Folds element i of all ranks, load(i) of each, in rank order, and gives the finished result to
/// store(i, value) on every rank: reduce_exchange() in which every rank sends to every rank, and
/// all that is said there holds here.
template <context Context, class Transport, class Load, class Op, class Finish, class Store>
  requires reducing_transport<Transport, Load, Op, Finish, Store>
PEERFOLD_HD bool all_reduce_one_shot(Context& c, Transport& t, const transport::tiling& tiles,
                                     const Load& load, const Op& op, const Finish& finish,
                                     const Store& store) {
  return reduce_exchange(c, t, tiles, route_of<collective::all_reduce>{}, true, load, op, finish,
                         store);
}

}  // namespace peerfold::algorithm
