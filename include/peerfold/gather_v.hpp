/// \file
/// Gather of parts of unequal size: the root gets the parts of all ranks.
///
/// Rank r gives parts.counts[r] elements, any number, which the root gets at parts.begins[r] of its
/// out, or, where these are left out, one part behind the other. What lies between parts stays as
/// it is. In place (in == out + begins[root] on the root) is fine. What other ranks pass as `out`
/// is not used, and may be null. Every rank passes the same table. Who calls, ordering, alignment,
/// streams, graphs and what is refused: as all_reduce.hpp says; and a table of another length than
/// N, or whose parts overflow or overlap.
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
#include <peerfold/team/unequal_call.hpp>

#include <array>
#include <utility>

namespace peerfold {

/// All ranks of the team at once, in ordinary memory: counts[r] elements at in[r],
/// the parts of all ranks at out[root], in memory that rank r
/// reaches.
template <class Policies = exchange_policies, class Team, element T>
outcome<> gather_v(Team& team, const std::array<const T*, Team::size>& in,
                   const std::array<T*, Team::size>& out, const part_table& parts, int root,
                   const call_options& options = {}) {
  detail::unequal_parts<collective::gather, Team::size> all;
  if (error reason = detail::read_table<collective::gather, T>(team, parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::gather, Policies, T>(team, 0, in, out, all,
                                                                         root, options);
}

/// One rank's part, in ordinary memory of that rank: counts[rank] elements at `in`,
/// the parts of all ranks at `out` on the root.
template <class Policies = exchange_policies, class Team, element T>
outcome<> gather_v(const rank_handle<Team>& rank, const T* in, T* out, const part_table& parts,
                   int root, const call_options& options = {}) {
  detail::unequal_parts<collective::gather, Team::size> all;
  if (error reason =
          detail::read_table<collective::gather, T>(rank.team(), parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::gather, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, all, root, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: buffers as large as
/// the parts need. Policy direct_store writes straight into the peers' memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> gather_v(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                   symmetric_buffer<T, N, Tag>& out, const part_table& parts, int root,
                   const call_options& options = {}) {
  detail::unequal_parts<collective::gather, N> all;
  if (error reason = detail::read_table<collective::gather, T>(team, parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::gather, Policies>(
      team, 0, team.rank_count(), in, out, all, root, options);
}

/// One rank's part of the same.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> gather_v(const rank_handle<team<N, Place, Tag>>& rank,
                   const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                   const part_table& parts, int root, const call_options& options = {}) {
  detail::unequal_parts<collective::gather, N> all;
  if (error reason =
          detail::read_table<collective::gather, T>(rank.team(), parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::gather, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, all, root, options);
}

}  // namespace peerfold
