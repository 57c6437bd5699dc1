/// \file
/// Scans over ranks: rank r gets the fold of the values of the ranks up to it, or before it.
///
/// Element i of rank r's result, where vq is element i of rank q:
///   inclusive_scan  op(… op(op(v0, v1), v2) …, vr)
///   exclusive_scan  op(… op(op(initial, v0), v1) …, vr-1), and `initial` itself on rank 0
/// folded in the accumulator type and rounded once. In place (out == in) is fine. An average has no
/// scan.
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

namespace detail {

/// Whether results of Op are what it folds, and no average of them.
template <class Op>
inline constexpr bool scans = !stl::same_as<Op, avg>;

template <element T>
[[nodiscard]] auto widened(const T& value) {
  return element_traits<T>::widen(value);
}

}  // namespace detail

/// All ranks of the team at once, in ordinary memory: `count`
/// elements at in[r] and out[r] of every rank r, in memory that rank r reaches.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> inclusive_scan(Team& team, const std::array<const T*, Team::size>& in,
                         const std::array<T*, Team::size>& out, element_count count, const Op& op,
                         const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_memory<collective::inclusive_scan, Policies, T>(
      team, 0, in, out, count, 0, op, detail::finish_for<Op, T>(team),
      detail::ranks_through_own<Team::size>(), options);
}

/// One rank's part, in ordinary memory of that rank: `count` elements at `in`
/// and `out`.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> inclusive_scan(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                         const Op& op, const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_memory<collective::inclusive_scan, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, 0, op, detail::finish_for<Op, T>(rank.team()),
      detail::ranks_through_own<Team::size>(), options);
}

/// All ranks of the team at once, in symmetric memory: in and out have the same
/// size.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> inclusive_scan(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                         symmetric_buffer<T, N, Tag>& out, const Op& op,
                         const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_symmetric<collective::inclusive_scan, Policies>(
      team, 0, team.rank_count(), in, out, 0, op, detail::finish_for<Op, T>(team),
      detail::ranks_through_own<N>(), options);
}

/// The same in place.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> inclusive_scan(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer,
                         const Op& op, const call_options& options = {}) {
  return inclusive_scan<Policies>(team, buffer, buffer, op, options);
}

/// One rank's part, in symmetric memory, or in place (in is out).
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> inclusive_scan(const rank_handle<team<N, Place, Tag>>& rank,
                         const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                         const Op& op, const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_symmetric<collective::inclusive_scan, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, 0, op,
      detail::finish_for<Op, T>(rank.team()), detail::ranks_through_own<N>(), options);
}

/// All ranks of the team at once, with functors of the caller's: loads[r](i) is
/// element i of rank r, stores[r](i, value) gets its results.
/// For functors see transform_all_reduce().
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_inclusive_scan(Team& team, element_count count,
                                   const std::array<Load, Team::size>& loads, const Op& op,
                                   const Finish& finish,
                                   const std::array<Store, Team::size>& stores,
                                   const call_options& options = {}) {
  return detail::fold_with_functors<collective::inclusive_scan, Policies>(
      team, 0, team.rank_count(), count, 0, loads, op, finish, stores,
      detail::ranks_through_own<Team::size>(), options);
}

/// One rank's part of the same.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_inclusive_scan(const rank_handle<Team>& rank, element_count count,
                                   const Load& load, const Op& op, const Finish& finish,
                                   const Store& store, const call_options& options = {}) {
  return detail::fold_with_functors<collective::inclusive_scan, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, 0, detail::everywhere<Team::size>(load), op,
      finish, detail::everywhere<Team::size>(store), detail::ranks_through_own<Team::size>(),
      options);
}

/// All ranks of the team at once, in ordinary memory: `count`
/// elements at in[r] and out[r] of every rank r, in memory that rank r reaches.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> exclusive_scan(Team& team, const std::array<const T*, Team::size>& in,
                         const std::array<T*, Team::size>& out, element_count count, const Op& op,
                         const T& initial, const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_memory<collective::exclusive_scan, Policies, T>(
      team, 0, in, out, count, 0, op, detail::finish_for<Op, T>(team),
      detail::ranks_before_own<Team::size>(detail::widened<T>(initial)), options);
}

/// One rank's part, in ordinary memory of that rank: `count` elements at `in`
/// and `out`.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> exclusive_scan(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                         const Op& op, const T& initial, const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_memory<collective::exclusive_scan, Policies, T, Team, 1>(
      rank.team(), rank.rank(), {in}, {out}, count, 0, op, detail::finish_for<Op, T>(rank.team()),
      detail::ranks_before_own<Team::size>(detail::widened<T>(initial)), options);
}

/// All ranks of the team at once, in symmetric memory: in and out have the same
/// size.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> exclusive_scan(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                         symmetric_buffer<T, N, Tag>& out, const Op& op, const T& initial,
                         const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_symmetric<collective::exclusive_scan, Policies>(
      team, 0, team.rank_count(), in, out, 0, op, detail::finish_for<Op, T>(team),
      detail::ranks_before_own<N>(detail::widened<T>(initial)), options);
}

/// The same in place.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> exclusive_scan(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer,
                         const Op& op, const T& initial, const call_options& options = {}) {
  return exclusive_scan<Policies>(team, buffer, buffer, op, initial, options);
}

/// One rank's part, in symmetric memory, or in place (in is out).
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> exclusive_scan(const rank_handle<team<N, Place, Tag>>& rank,
                         const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                         const Op& op, const T& initial, const call_options& options = {}) {
  static_assert(detail::scans<Op>, "a scan takes an operator without a finish: not avg");
  return detail::fold_in_symmetric<collective::exclusive_scan, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, in, out, 0, op,
      detail::finish_for<Op, T>(rank.team()),
      detail::ranks_before_own<N>(detail::widened<T>(initial)), options);
}

/// All ranks of the team at once, with functors of the caller's: as above;
/// `initial` is made an accumulator.
/// For functors see transform_all_reduce().
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store, class A>
outcome<> transform_exclusive_scan(Team& team, element_count count,
                                   const std::array<Load, Team::size>& loads, const Op& op,
                                   const A& initial, const Finish& finish,
                                   const std::array<Store, Team::size>& stores,
                                   const call_options& options = {}) {
  return detail::fold_with_functors<collective::exclusive_scan, Policies>(
      team, 0, team.rank_count(), count, 0, loads, op, finish, stores,
      detail::ranks_before_own<Team::size>(
          static_cast<accumulator_t<detail::loaded_t<Load>>>(initial)),
      options);
}

/// One rank's part of the same.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store, class A>
outcome<> transform_exclusive_scan(const rank_handle<Team>& rank, element_count count,
                                   const Load& load, const Op& op, const A& initial,
                                   const Finish& finish, const Store& store,
                                   const call_options& options = {}) {
  return detail::fold_with_functors<collective::exclusive_scan, Policies>(
      rank.team(), rank.rank(), rank.rank() + 1, count, 0, detail::everywhere<Team::size>(load), op,
      finish, detail::everywhere<Team::size>(store),
      detail::ranks_before_own<Team::size>(
          static_cast<accumulator_t<detail::loaded_t<Load>>>(initial)),
      options);
}

}  // namespace peerfold
