/// \file
/// All-to-all of parts of unequal size: every rank gets from every rank the part meant for it.
///
/// sends.counts[r * N + q] is how many elements rank r sends rank q, any number; they begin at
/// sends.begins[r * N + q] of rank r's in, and go to places[r * N + q] of rank r's out what rank q
/// sends it; where begins or places are left out, one part lies behind the other. What lies between
/// parts stays as it is. There is no in-place form.
///
/// Every rank passes the same tables, of N * N entries. Who calls, ordering, alignment, streams,
/// graphs and what is refused: as all_reduce.hpp says; and tables of another length, parts that
/// overflow, and places that overlap.
///
/// Where a rank knows only what it sends, as when experts are sent their tokens, it passes
/// counted_parts: the ranks tell each other the sizes first, in the same launch.
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
#include <peerfold/team/counted_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/team/unequal_call.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <utility>

namespace peerfold {

/// All ranks of the team at once, in ordinary memory: their parts at in[r] and out[r] of every rank
/// r, in memory that rank r reaches.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all_v(Team& team, const std::array<const T*, Team::size>& in,
                       const std::array<T*, Team::size>& out, const part_table& sends,
                       std::span<const std::size_t> places = {}, const call_options& options = {}) {
  detail::unequal_parts<collective::all_to_all, Team::size> all;
  if (error reason = detail::read_tables<T>(team, sends, places, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::all_to_all, Policies, T>(team, 0, in, out, all,
                                                                             0, options);
}

/// One rank's part, in ordinary memory of that rank.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all_v(const rank_handle<Team>& rank, const T* in, T* out, const part_table& sends,
                       std::span<const std::size_t> places = {}, const call_options& options = {}) {
  detail::unequal_parts<collective::all_to_all, Team::size> all;
  if (error reason = detail::read_tables<T>(rank.team(), sends, places, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_memory<collective::all_to_all, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, all, 0, options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory: buffers as large as
/// the parts need. Policy direct_store writes straight into the peers' memory.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_to_all_v(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                       symmetric_buffer<T, N, Tag>& out, const part_table& sends,
                       std::span<const std::size_t> places = {}, const call_options& options = {}) {
  detail::unequal_parts<collective::all_to_all, N> all;
  if (error reason = detail::read_tables<T>(team, sends, places, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::all_to_all, Policies>(
      team, 0, team.rank_count(), in, out, all, 0, options);
}

/// One rank's part of the same.
template <class Policies = symmetric_exchange_policies, int N, class Place, class Tag, element T>
outcome<> all_to_all_v(const rank_handle<team<N, Place, Tag>>& rank,
                       const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                       const part_table& sends, std::span<const std::size_t> places = {},
                       const call_options& options = {}) {
  detail::unequal_parts<collective::all_to_all, N> all;
  if (error reason = detail::read_tables<T>(rank.team(), sends, places, options, all)) {
    return detail::refuse(std::move(reason));
  }
  return detail::copy_unequal_in_symmetric<collective::all_to_all, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, all, 0, options);
}

/// All ranks of the team at once, in ordinary memory, where rank r alone knows how much it sends:
/// parts[r]. `expected` is about the elements of the largest part, by which the call is laid out;
/// it is no limit. A rank that is sent more than its capacity ends the call in a fault on every
/// rank, before anything is written to its output. in and out may not overlap.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all_v(Team& team, const std::array<counted_parts<T>, Team::size>& parts,
                       element_count expected, const call_options& options = {}) {
  return detail::run_counted<Policies, T>(team, 0, parts, expected, options);
}

/// One rank's part of the same. Ranks must agree on `expected`.
template <class Policies = exchange_policies, class Team, element T>
outcome<> all_to_all_v(const rank_handle<Team>& rank, const counted_parts<T>& parts,
                       element_count expected, const call_options& options = {}) {
  return detail::run_counted<Policies, T, Team, 1>(rank.team(), rank.rank(), {parts}, expected,
                                                   options);
}

}  // namespace peerfold
