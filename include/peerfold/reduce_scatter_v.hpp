/// \file
/// Reduce-scatter of parts of unequal size: every rank gets its own part of the reduction.
///
/// Part r, parts.counts[r] elements, any number, begins at parts.begins[r] of every rank's in, or,
/// where these are left out, behind part r - 1. Rank r gets it folded over all ranks, as
/// all_reduce.hpp says of operators and bits. In place (out == in + begins[r]) is fine where no
/// other part overlaps part r.
///
/// Every rank passes the same table. Who calls, ordering, alignment, streams, graphs and what is
/// refused: as all_reduce.hpp says; and a table of another length than N, or whose parts overflow.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
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

/// All ranks of the team at once, in ordinary memory: all parts at in[r], counts[r] elements at
/// out[r] of every rank r, in memory that rank r reaches.
template <class Policies = exchange_policies, class Team, element T, class Op>
outcome<> reduce_scatter_v(Team& team, const std::array<const T*, Team::size>& in,
                           const std::array<T*, Team::size>& out, const part_table& parts,
                           const Op& op, const call_options& options = {}) {
  return detail::fold_unequal_in_memory<Policies, T>(team, 0, in, out, parts, op, options);
}

/// One rank's part, in ordinary memory of that rank: all parts at `in`, counts[rank] elements at
/// `out`.
template <class Policies = exchange_policies, class Team, element T, class Op>
outcome<> reduce_scatter_v(const rank_handle<Team>& rank, const T* in, T* out,
                           const part_table& parts, const Op& op,
                           const call_options& options = {}) {
  return detail::fold_unequal_in_memory<Policies, T, Team, 1>(rank.team(), rank.rank(), {in}, {out},
                                                              parts, op, options);
}

}  // namespace peerfold
