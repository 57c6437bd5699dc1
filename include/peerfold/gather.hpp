/// \file
/// Gather: the root gets what every rank gave, in rank order.
///
/// Each rank gives `count` elements; out on the root holds N * count, those of rank q from q *
/// count on. In place (in == out + root * count on the root) is fine. What other ranks pass as
/// `out` is not used, and may be null. Who calls, ordering, alignment, streams, graphs and what is
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

/// All ranks of the team at once, in ordinary memory: `count` elements at
/// in[r] of every rank r, in memory that rank r reaches, and N * count at out[root].
template <class Policies = exchange_policies, class Team, element T>
outcome<> gather(Team& team, const std::array<const T*, Team::size>& in,
                 const std::array<T*, Team::size>& out, element_count count, int root,
                 const call_options& options = {}) {
  return detail::copy_in_memory<collective::gather, Policies, T>(team, 0, in, out, count, root,
                                                                 options);
}

/// One rank's part, in ordinary memory of that rank: `count` elements at `in`,
/// and on the root N * count at `out`.
template <class Policies = exchange_policies, class Team, element T>
outcome<> gather(const rank_handle<Team>& rank, const T* in, T* out, element_count count, int root,
                 const call_options& options = {}) {
  return detail::copy_in_memory<collective::gather, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, root, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: out has N times
/// the elements of in. Policy direct_store writes straight into the root's memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> gather(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                 symmetric_buffer<T, N, Tag>& out, int root, const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::gather, Policies>(team, 0, team.rank_count(), in,
                                                                 out, root, options);
}

/// The same in place: rank r gives the r-th of N equal parts of its buffer.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> gather(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer, int root,
                 const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::gather, Policies>(team, 0, team.rank_count(), buffer,
                                                                 buffer, root, options);
}

/// One rank's part, from symmetric memory to symmetric memory, or in place (in is out).
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> gather(const rank_handle<team<N, Place, Tag>>& rank,
                 const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out, int root,
                 const call_options& options = {}) {
  return detail::copy_in_symmetric<collective::gather, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, root, options);
}

/// All ranks of the team at once, with functors of the caller's: loads[r](i) is
/// element i that rank r gives, stores[root](i, value) gets element i of N * count.
/// For functors see transform_all_reduce().
template <class Policies = exchange_policies, class Team, class Load, class Store>
outcome<> transform_gather(Team& team, element_count count, int root,
                           const std::array<Load, Team::size>& loads,
                           const std::array<Store, Team::size>& stores,
                           const call_options& options = {}) {
  return detail::copy_with_functors<collective::gather, Policies>(team, 0, team.rank_count(), count,
                                                                  root, loads, stores, options);
}

/// One rank's part of the same.
template <class Policies = exchange_policies, class Team, class Load, class Store>
outcome<> transform_gather(const rank_handle<Team>& rank, element_count count, int root,
                           const Load& load, const Store& store, const call_options& options = {}) {
  return detail::copy_with_functors<collective::gather, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, root, detail::everywhere<Team::size>(load),
      detail::everywhere<Team::size>(store), options);
}

}  // namespace peerfold
