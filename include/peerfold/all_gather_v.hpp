/// \file
/// All-gather of parts of unequal size: every rank gets the parts of all ranks.
///
/// Rank r gives parts.counts[r] elements, any number, which every rank gets at parts.begins[r] of
/// its out, or, where these are left out, one part behind the other. What lies between parts stays
/// as it is. In place (in == out + begins[r]) is fine. Every rank passes the same table. Who calls,
/// ordering, alignment, streams, graphs and what is refused: as all_reduce.hpp says; and a table of
/// another length than N, or whose parts overflow or overlap.
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
/// the parts of all ranks at out[r], in memory that rank r
/// reaches.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_gather_v(Team& team, const std::array<const T*, Team::size>& in,
                       const std::array<T*, Team::size>& out, const part_table& parts,
                       const call_options& options = {}) {
  detail::unequal_parts<collective::all_gather, Team::size> all;
  if (error reason = detail::read_table<collective::all_gather, T>(team, parts, 0, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::all_gather, Policies, T>(team, 0, in, out, all,
                                                                             0, options);
}

/// One rank's part, in ordinary memory of that rank: counts[rank] elements at `in`,
/// the parts of all ranks at `out`.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_gather_v(const rank_handle<Team>& rank, const T* in, T* out, const part_table& parts,
                       const call_options& options = {}) {
  detail::unequal_parts<collective::all_gather, Team::size> all;
  if (error reason =
          detail::read_table<collective::all_gather, T>(rank.team(), parts, 0, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::all_gather, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, all, 0, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: buffers as large as
/// the parts need. Policy direct_store writes straight into the peers' memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_gather_v(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                       symmetric_buffer<T, N, Tag>& out, const part_table& parts,
                       const call_options& options = {}) {
  detail::unequal_parts<collective::all_gather, N> all;
  if (error reason = detail::read_table<collective::all_gather, T>(team, parts, 0, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::all_gather, Policies>(
      team, 0, team.rank_count(), in, out, all, 0, options);
}

/// One rank's part of the same.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_gather_v(const rank_handle<team<N, Place, Tag>>& rank,
                       const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                       const part_table& parts, const call_options& options = {}) {
  detail::unequal_parts<collective::all_gather, N> all;
  if (error reason =
          detail::read_table<collective::all_gather, T>(rank.team(), parts, 0, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::all_gather, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, all, 0, options);
}

}  // namespace peerfold
