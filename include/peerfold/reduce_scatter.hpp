/// \file
/// Reduce-scatter: every rank gets the fold of all ranks' values for its part.
///
/// in holds N parts of `count` elements, the q-th for rank q; element i of the result of rank q is
/// the fold, as all_reduce.hpp defines it, of element q * count + i of all ranks. In place (out ==
/// in + rank * count) is fine. Who calls, ordering, alignment, streams, graphs and what is refused:
/// as all_reduce.hpp says.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <array>

namespace peerfold {

/// All ranks of the team at once, in ordinary memory: N * count
/// elements at in[r] and `count` at out[r] of every rank r, in memory that rank r reaches.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> reduce_scatter(Team& team, const std::array<const T*, Team::size>& in,
                         const std::array<T*, Team::size>& out, element_count count, const Op& op,
                         const call_options& options = {}) {
  return detail::fold_in_memory<collective::reduce_scatter, Policies, T>(
      team, 0, in, out, count, 0, op, detail::finish_for<Op, T>(team),
      detail::all_ranks<Team::size>(), options);
}

/// One rank's part, in ordinary memory of that rank: N * count elements at
/// `in`, `count` at `out`.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> reduce_scatter(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                         const Op& op, const call_options& options = {}) {
  return detail::fold_in_memory<collective::reduce_scatter, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, 0, op, detail::finish_for<Op, T>(rank.team()),
      detail::all_ranks<Team::size>(), options);
}

/// All ranks of the team at once, in symmetric memory: in has N times the elements
/// of out.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce_scatter(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                         symmetric_buffer<T, N, Tag>& out, const Op& op,
                         const call_options& options = {}) {
  return detail::fold_in_symmetric<collective::reduce_scatter, Policies>(
      team, 0, team.rank_count(), in, out, 0, op, detail::finish_for<Op, T>(team),
      detail::all_ranks<N>(), options);
}

/// The same in place: rank r's result takes the r-th of N equal parts of its buffer.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce_scatter(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer,
                         const Op& op, const call_options& options = {}) {
  return reduce_scatter<Policies>(team, buffer, buffer, op, options);
}

/// One rank's part, in symmetric memory, or in place (in is out).
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce_scatter(const rank_handle<team<N, Place, Tag>>& rank,
                         const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                         const Op& op, const call_options& options = {}) {
  return detail::fold_in_symmetric<collective::reduce_scatter, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, 0, op,
      detail::finish_for<Op, T>(rank.team()), detail::all_ranks<N>(), options);
}

/// All ranks of the team at once, with functors of the caller's: loads[r](i) is
/// element i of the N * count that rank r gives, stores[r](i, value) gets element i of its part.
/// For functors see transform_all_reduce().
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_reduce_scatter(Team& team, element_count count,
                                   const std::array<Load, Team::size>& loads, const Op& op,
                                   const Finish& finish,
                                   const std::array<Store, Team::size>& stores,
                                   const call_options& options = {}) {
  return detail::fold_with_functors<collective::reduce_scatter, Policies>(
      team, 0, team.rank_count(), count, 0, loads, op, finish, stores,
      detail::all_ranks<Team::size>(), options);
}

/// One rank's part of the same.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_reduce_scatter(const rank_handle<Team>& rank, element_count count,
                                   const Load& load, const Op& op, const Finish& finish,
                                   const Store& store, const call_options& options = {}) {
  return detail::fold_with_functors<collective::reduce_scatter, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, 0, detail::everywhere<Team::size>(load), op,
      finish, detail::everywhere<Team::size>(store), detail::all_ranks<Team::size>(), options);
}

}  // namespace peerfold
