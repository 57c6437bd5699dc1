/// \file
/// Reduce: the root gets the fold of all ranks' values.
///
/// The result is that of all_reduce.hpp. In place (out == in on the root) is fine. What other ranks
/// pass as `out` is not used, and may be null.
/// Who calls, ordering, alignment, streams, graphs and what is refused: as all_reduce.hpp says.
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

/// All ranks of the team at once, in ordinary memory: `count`
/// elements at in[r] of every rank r, in memory that rank r reaches, and at out[root].
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> reduce(Team& team, const std::array<const T*, Team::size>& in,
                 const std::array<T*, Team::size>& out, element_count count, const Op& op, int root,
                 const call_options& options = {}) {
  return detail::fold_in_memory<collective::reduce, Policies, T>(
      team, 0, in, out, count, root, op, detail::finish_for<Op, T>(team),
      detail::all_ranks<Team::size>(), options);
}

/// One rank's part, in ordinary memory of that rank: `count` elements at `in`,
/// and at `out` on the root.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> reduce(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                 const Op& op, int root, const call_options& options = {}) {
  return detail::fold_in_memory<collective::reduce, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, root, op,
      detail::finish_for<Op, T>(rank.team()), detail::all_ranks<Team::size>(), options);
}

/// All ranks of the team at once, in symmetric memory: in and out have the same
/// size.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                 symmetric_buffer<T, N, Tag>& out, const Op& op, int root,
                 const call_options& options = {}) {
  return detail::fold_in_symmetric<collective::reduce, Policies>(
      team, 0, team.rank_count(), in, out, root, op, detail::finish_for<Op, T>(team),
      detail::all_ranks<N>(), options);
}

/// The same in place; other ranks' buffers stay as they are.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer, const Op& op,
                 int root, const call_options& options = {}) {
  return reduce<Policies>(team, buffer, buffer, op, root, options);
}

/// One rank's part, in symmetric memory, or in place (in is out).
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> reduce(const rank_handle<team<N, Place, Tag>>& rank,
                 const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                 const Op& op, int root, const call_options& options = {}) {
  return detail::fold_in_symmetric<collective::reduce, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, root, op,
      detail::finish_for<Op, T>(rank.team()), detail::all_ranks<N>(), options);
}

/// All ranks of the team at once, with functors of the caller's: loads[r](i) is
/// element i of rank r, stores[root](i, value) gets the results.
/// For functors see transform_all_reduce().
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_reduce(Team& team, element_count count, int root,
                           const std::array<Load, Team::size>& loads, const Op& op,
                           const Finish& finish, const std::array<Store, Team::size>& stores,
                           const call_options& options = {}) {
  return detail::fold_with_functors<collective::reduce, Policies>(
      team, 0, team.rank_count(), count, root, loads, op, finish, stores,
      detail::all_ranks<Team::size>(), options);
}

/// One rank's part of the same.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_reduce(const rank_handle<Team>& rank, element_count count, int root,
                           const Load& load, const Op& op, const Finish& finish, const Store& store,
                           const call_options& options = {}) {
  return detail::fold_with_functors<collective::reduce, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, root, detail::everywhere<Team::size>(load),
      op, finish, detail::everywhere<Team::size>(store), detail::all_ranks<Team::size>(), options);
}

}  // namespace peerfold
