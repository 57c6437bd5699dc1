/// \file
/// Scatter of parts of unequal size: every rank gets from the root the part meant for it.
///
/// Rank r gets parts.counts[r] elements, any number, which the root has at parts.begins[r] of its
/// in, or, where these are left out, one part behind the other. In place (out == in + begins[root]
/// on the root) is fine. What other ranks pass as `in` is not used, and may be null. Every rank
/// passes the same table. Who calls, ordering, alignment, streams, graphs and what is refused: as
/// all_reduce.hpp says; and a table of another length than N, or whose parts overflow.
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

/// All ranks of the team at once, in ordinary memory: the parts of all ranks at
/// in[root], counts[r] elements at out[r], in memory that rank r
/// reaches.
template <class Policies = exchange_policies, class Team, element T>
outcome<> scatter_v(Team& team, const std::array<const T*, Team::size>& in,
                    const std::array<T*, Team::size>& out, const part_table& parts, int root,
                    const call_options& options = {}) {
  detail::unequal_parts<collective::scatter, Team::size> all;
  if (error reason = detail::read_table<collective::scatter, T>(team, parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::scatter, Policies, T>(team, 0, in, out, all,
                                                                          root, options);
}

/// One rank's part, in ordinary memory of that rank: the parts of all ranks at
/// `in` on the root, counts[rank] elements at `out`.
template <class Policies = exchange_policies, class Team, element T>
outcome<> scatter_v(const rank_handle<Team>& rank, const T* in, T* out, const part_table& parts,
                    int root, const call_options& options = {}) {
  detail::unequal_parts<collective::scatter, Team::size> all;
  if (error reason =
          detail::read_table<collective::scatter, T>(rank.team(), parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::scatter, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, all, root, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: buffers as large as
/// the parts need. Policy direct_store writes straight into the peers' memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> scatter_v(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                    symmetric_buffer<T, N, Tag>& out, const part_table& parts, int root,
                    const call_options& options = {}) {
  detail::unequal_parts<collective::scatter, N> all;
  if (error reason = detail::read_table<collective::scatter, T>(team, parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::scatter, Policies>(
      team, 0, team.rank_count(), in, out, all, root, options);
}

/// One rank's part of the same.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> scatter_v(const rank_handle<team<N, Place, Tag>>& rank,
                    const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                    const part_table& parts, int root, const call_options& options = {}) {
  detail::unequal_parts<collective::scatter, N> all;
  if (error reason =
          detail::read_table<collective::scatter, T>(rank.team(), parts, root, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::scatter, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, all, root, options);
}

}  // namespace peerfold
