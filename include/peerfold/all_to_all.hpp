/// \file
/// All-to-all: every rank gets from every rank the part meant for it.
///
/// in holds N parts of `count` elements, the q-th for rank q; out gets N parts, the q-th from rank
/// q. In place (in == out) is fine. Who calls, ordering, alignment, streams, graphs and what is
/// refused: as all_reduce.hpp says.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <array>

namespace peerfold {

/// All ranks of the team at once, in ordinary memory: N * count elements
/// at in[r] and at out[r] of every rank r, in memory that rank r reaches.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all(Team& team, const std::array<const T*, Team::size>& in,
                     const std::array<T*, Team::size>& out, element_count count,
                     const call_options& options = {}) {
  return detail::copy_in_memory<collective::all_to_all, Policies, T>(team, 0, in, out, count, 0,
                                                                     options);
}

/// One rank's part, in ordinary memory of that rank: N * count elements at
/// `in` and at `out`.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                     const call_options& options = {}) {
  return detail::copy_in_memory<collective::all_to_all, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, 0, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: of the same size,
/// a multiple of N. Policy direct_store writes straight into the peers' memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_to_all(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                     symmetric_buffer<T, N, Tag>& out, const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::all_to_all, Policies>(team, 0, team.rank_count(), in,
                                                                     out, 0, options);
}

/// The same in place: what arrives takes the place of what was sent.
template <class Policies = exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_to_all(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer,
                     const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::all_to_all, Policies>(team, 0, team.rank_count(),
                                                                     buffer, buffer, 0, options);
}

/// One rank's part, from symmetric memory to symmetric memory, or in place (in is out).
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_to_all(const rank_handle<team<N, Place, Tag>>& rank,
                     const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                     const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::all_to_all, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, 0, options);
}

/// All ranks of the team at once, with functors of the caller's: loads[r](i) is
/// element i of the N * count that rank r gives, stores[r](i, value) gets element i of as many.
/// For functors see transform_all_reduce().
template <class Policies = exchange_policies, class Team, class Load, class Store>
outcome<> transform_all_to_all(Team& team, element_count count,
                               const std::array<Load, Team::size>& loads,
                               const std::array<Store, Team::size>& stores,
                               const call_options& options = {}) {
  return detail::copy_with_functors<collective::all_to_all, Policies>(
      team, 0, team.rank_count(), count, 0, loads, stores, options);
}

/// One rank's part of the same.
template <class Policies = exchange_policies, class Team, class Load, class Store>
outcome<> transform_all_to_all(const rank_handle<Team>& rank, element_count count, const Load& load,
                               const Store& store, const call_options& options = {}) {
  return detail::copy_with_functors<collective::all_to_all, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, 0, detail::everywhere<Team::size>(load),
      detail::everywhere<Team::size>(store), options);
}

}  // namespace peerfold
