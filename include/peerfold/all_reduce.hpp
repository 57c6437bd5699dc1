/// \file
/// All-reduce: every rank gets the fold of all ranks' values.
///
/// Element i of the result is finish(op(… op(op(v0, v1), v2) …, vN-1)), where vr is element i of
/// rank r: folded in rank order in the accumulator type, and rounded once. The bits do not depend
/// on the policy (but for trees and rings, which fold in orders of their own: see policy_traits),
/// the size, the alignment, the place or the rank.
///
/// The forms below differ in who calls and in where elements come from. Counts are elements;
/// pointers are aligned to the element, no more. In place (out == in) is fine; partly overlapping
/// buffers are refused. All ranks call with the same count, operator, policy, channel and
/// max_blocks, in the same order on a channel.
///
/// On threads a call returns when it is done. On GPUs it is enqueued on the ranks' streams, and
/// neither allocates nor synchronises. It may be captured into CUDA graphs: a call of the team
/// where the streams of all its devices are being captured. A graph must have ended, and not be
/// launched again, when its team is destroyed.
///
/// Refused before anything is launched, as peerfold::error: invalid_argument, team_empty (moved
/// from), team_faulted (an earlier call ran into a fault: the message has the report), and on GPUs
/// channel_conflict and cuda_failure. A fault during a call leaves its outputs undefined; the call
/// returns, and team.status() tells.
#pragma once

#include <peerfold/algorithm/all_reduce_one_shot.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/two_shot.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <array>
#include <cstddef>

namespace peerfold {

namespace detail {

/// One all-reduce as one block of one rank runs it.
template <element T, policy P, class Load, class Op, class Finish, class Store>
struct all_reduce_body {
  static constexpr bool takes_pieces =
      P.algorithm == algorithm_id::one_shot || !algorithm::reaches_peers<Store>;
  static constexpr std::size_t shared_bytes = 0;

  transport::tiling tiles;
  Load load;
  Op op;
  Finish finish;
  Store store;

  template <class Context>
  using transport_type = transport_of<P, T, Context>;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c};
    bool done;
    if constexpr (P.algorithm == algorithm_id::one_shot) {
      done = algorithm::all_reduce_one_shot(c, t, tiles, load, op, finish, store);
    } else {
      done = algorithm::all_reduce_two_shot(c, t, tiles, load, op, finish, store);
    }
    t.close();
    return done;
  }
};

/// Chooses the policy and launches ranks [first, last), once the arguments have been checked.
template <class Policies, element T, class Team, class Load, class Op, class Finish, class Store>
outcome<> run_all_reduce(Team& team, int first, int last, element_count count,
                         const std::array<Load, Team::size>& loads, const Op& op,
                         const Finish& finish, const std::array<Store, Team::size>& stores,
                         const call_options& options) {
  constexpr int n = Team::size;
  using list = all_reduce_policies_t<Policies, n, takes_sentinel<T, Op, n>>;
  constexpr bool sentinel = takes_sentinel<T, Op, n> && list::contains(transport_id::sentinel);
  constexpr auto which = collective::all_reduce;
  const std::size_t bytes = count.value() * sizeof(T);
  constexpr bool symmetric = algorithm::reaches_peers<Store>;
  const policy selected = as_measured<which, list, sentinel>(
      team, bytes, symmetric,
      select_all_reduce(team.rank_count(), bytes, sentinel, team.sharing(), symmetric));
  return with_policy<which, list, carries_sentinels<n, T>>(
      options, selected,
      [&]<policy P>() {
        if constexpr (runs_along_tree(P)) {
          return launch_tree_fold<collective::all_reduce, P, T>(team, first, last, count.value(), 0,
                                                                loads, op, finish, stores, options);
        } else if constexpr (P.algorithm == algorithm_id::ring) {
          using body = ring_body<T, P, Load, Op, Finish, Store>;
          return launch_bodies(
              team, first, last, count.value(), n, signature_of_fold<P, T, Op, Finish>(which),
              options, [&](std::size_t r, const transport::tiling& tiles) {
                const auto place = algorithm::ring_place::of(team.links(), n, static_cast<int>(r));
                return body{tiles, place, loads[r], op, finish, stores[r]};
              });
        } else if constexpr (P.algorithm == algorithm_id::two_shot_relayed) {
          using body = relayed_body<T, Load, Op, Finish, Store>;
          const algorithm::relay_order order{team.links(), n};
          return launch_bodies(
              team, first, last, count.value(), n, signature_of_fold<P, T, Op, Finish>(which),
              options,
              [&](std::size_t r, const transport::tiling& tiles) {
                const auto peers = algorithm::relay_peers::of(team.links(), n, static_cast<int>(r));
                return body{tiles, team.links(), peers, loads[r], op, finish, stores[r]};
              },
              order.most());
        } else {
          using body = all_reduce_body<T, P, Load, Op, Finish, Store>;
          const int parts = P.algorithm == algorithm_id::one_shot ? 1 : team.rank_count();
          const call_signature call = signature_of_fold<P, T, Op, Finish>(collective::all_reduce);
          return launch_bodies(team, first, last, count.value(), parts, call, options,
                               [&](std::size_t r, const transport::tiling& tiles) {
                                 return body{tiles, loads[r], op, finish, stores[r]};
                               });
        }
      },
      team.links());
}

}  // namespace detail

/// All ranks of the team at once, with functors of the caller's, one load and one store functor a
/// rank: loads[r](i) is element i of rank r (it may be called twice, and must give the same);
/// op(A, A) folds accumulators; finish(A) makes the element, once; stores[r](i, value) gets every
/// finished element on every rank, once. None is called for anything but elements of the message.
/// Functors are copied to where they run: trivially copyable, and on GPUs callable on the device;
/// they must not throw.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_all_reduce(Team& team, element_count count,
                               const std::array<Load, Team::size>& loads, const Op& op,
                               const Finish& finish, const std::array<Store, Team::size>& stores,
                               const call_options& options = {}) {
  using T = detail::loaded_t<Load>;
  if (error reason = detail::check_call(team, count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(team, 0, team.rank_count(), count, loads, op, finish,
                                             stores, options);
}

/// One rank's part of the same, with its own load and store functors.
template <class Policies = automatic_policies, class Team, class Load, class Op, class Finish,
          class Store>
outcome<> transform_all_reduce(const rank_handle<Team>& rank, element_count count, const Load& load,
                               const Op& op, const Finish& finish, const Store& store,
                               const call_options& options = {}) {
  using T = detail::loaded_t<Load>;
  if (error reason = detail::check_call(rank.team(), count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(rank.team(), rank.rank(), rank.rank() + 1, count,
                                             detail::everywhere<Team::size>(load), op, finish,
                                             detail::everywhere<Team::size>(store), options);
}

/// All ranks of the team at once, in ordinary memory: `count` elements at in[r] and out[r] of every
/// rank r, in memory that rank r reaches.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> all_reduce(Team& team, const std::array<const T*, Team::size>& in,
                     const std::array<T*, Team::size>& out, element_count count, const Op& op,
                     const call_options& options = {}) {
  if (error reason = detail::check_call(team, count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  constexpr auto all_reduce = collective::all_reduce;
  const detail::parts_of<all_reduce> parts{count.value(), team.rank_count(), 0};
  if (error reason = detail::check_memory<T, Team::size>(parts, 0, in, out)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(
      team, 0, team.rank_count(), count, detail::loads_of(in), op, detail::finish_for<Op, T>(team),
      detail::stores_of(out), options);
}

/// One rank's part, in ordinary memory of that rank: `count` elements at `in` and `out`.
template <class Policies = automatic_policies, class Team, element T, class Op>
outcome<> all_reduce(const rank_handle<Team>& rank, const T* in, T* out, element_count count,
                     const Op& op, const call_options& options = {}) {
  if (error reason = detail::check_call(rank.team(), count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  constexpr auto all_reduce = collective::all_reduce;
  const detail::parts_of<all_reduce> parts{count.value(), rank.team().rank_count(), 0};
  if (error reason = detail::check_memory<T, 1>(parts, rank.rank(), {in}, {out})) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(
      rank.team(), rank.rank(), rank.rank() + 1, count,
      detail::everywhere<Team::size>(load_from<T>{in}), op, detail::finish_for<Op, T>(rank.team()),
      detail::everywhere<Team::size>(store_to<T>{out}), options);
}

/// All ranks of the team at once, from symmetric memory to symmetric memory of the same size;
/// two-shot policies write results straight into the peers' memory.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> all_reduce(team<N, Place, Tag>& team, const symmetric_buffer<T, N, Tag>& in,
                     symmetric_buffer<T, N, Tag>& out, const Op& op,
                     const call_options& options = {}) {
  const element_count count = in.size();
  if (error reason = detail::check_call(team, count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  if (error reason = detail::check_symmetric(team, in, out)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(
      team, 0, team.rank_count(), count, detail::loads_of(in), op, detail::finish_for<Op, T>(team),
      detail::stores_of(out), options);
}

/// The same in place.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> all_reduce(team<N, Place, Tag>& team, symmetric_buffer<T, N, Tag>& buffer, const Op& op,
                     const call_options& options = {}) {
  return all_reduce<Policies>(team, buffer, buffer, op, options);
}

/// One rank's part, from symmetric memory to symmetric memory of the same size.
template <class Policies = automatic_policies, int N, class Place, class Tag, element T, class Op>
outcome<> all_reduce(const rank_handle<team<N, Place, Tag>>& rank,
                     const symmetric_buffer<T, N, Tag>& in, symmetric_buffer<T, N, Tag>& out,
                     const Op& op, const call_options& options = {}) {
  const element_count count = in.size();
  if (error reason = detail::check_call(rank.team(), count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  if (error reason = detail::check_symmetric(rank.team(), in, out)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_all_reduce<Policies, T>(
      rank.team(), rank.rank(), rank.rank() + 1, count, detail::loads_of(in), op,
      detail::finish_for<Op, T>(rank.team()), detail::stores_of(out), options);
}

}  // namespace peerfold
