/// \file
/// Grouped calls: many tensors of different sizes and element types, reduced in one launch.
///
///   auto gradients = pf::make_tensor_group(team, floats, halves);  // once
///   pf::all_reduce(team, gradients, pf::sum{}, options);           // every step, in graphs too
///
/// The bits of each tensor are those of an all-reduce of its own (all_reduce.hpp), whatever else is
/// in the group. The tensors of a type make one message, in which each begins at a multiple of a
/// pack (16 bytes of plain types); lists follow each other in the same kernel.
#pragma once

#include <peerfold/algorithm/segments.hpp>
#include <peerfold/all_reduce.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/plan.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/team/tensor_group.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace peerfold {

namespace detail {

/// Bodies that follow each other in one kernel.
template <class First, class... Rest>
struct body_sequence {
  static constexpr std::size_t shared_bytes = 0;

  // The others' are of the same policy, and so of as many lanes.
  template <class Context>
  using transport_type = typename First::template transport_type<Context>;

  First first;
  body_sequence<Rest...> rest;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    static_assert(transport_type<Context>::traits.most_lanes ==
                  decltype(rest)::template transport_type<Context>::traits.most_lanes);
    // All lanes agree to go on; that is also the barrier between two transports.
    if (c.group().any(!first(c))) return false;
    return rest(c);
  }
};
template <class Last>
struct body_sequence<Last> {
  static constexpr std::size_t shared_bytes = 0;

  template <class Context>
  using transport_type = typename Last::template transport_type<Context>;

  Last first;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    return first(c);
  }
};

template <class First, class... Rest>
[[nodiscard]] body_sequence<First, Rest...> in_sequence(const First& first, const Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return {first};
  } else {
    return {first, in_sequence(rest...)};
  }
}

/// A list's part of a grouped all-reduce.
template <policy P, element T, class Op, int N>
using grouped_body = all_reduce_body<T, P, algorithm::load_segments<T>, Op,
                                     default_finish_t<Op, T, N>, algorithm::store_segments<T>>;

/// Launches ranks [first, last) of a grouped all-reduce. Every list has a plan of its own; the
/// kernel is as large as the largest wants it.
template <policy P, class Team, class Op, element... Ts>
[[nodiscard]] error launch_group(Team& team, int first, int last,
                                 const tensor_group<Team, Ts...>& group, const Op& op,
                                 const call_options& options) {
  constexpr int n = Team::size;
  using context = typename Team::place_type::template context<n>;
  auto& ranks = *team.ranks();
  const auto& shape = ranks.shape(options.channel);
  const int most_blocks =
      options.max_blocks == 0 ? shape.blocks : std::min(shape.blocks, options.max_blocks);
  const int parts = P.algorithm == algorithm_id::one_shot ? 1 : team.rank_count();
  return [&]<std::size_t... I>(std::index_sequence<I...>) -> error {
    const auto make_plans = [&](int narrowest, int widest) {
      return std::array<launch_plan, sizeof...(Ts)>{make_plan<transport_of<P, Ts, context>>(
          group.template part<I>().count, static_cast<std::uint32_t>(parts), shape, most_blocks,
          narrowest, widest, grouped_body<P, Ts, Op, n>::takes_pieces)...};
    };
    auto plans = make_plans(ranks.narrowest(), ranks.widest());
    launch_plan whole;
    for (const launch_plan& plan : plans) whole.width = std::max(whole.width, plan.width);
    plans = make_plans(whole.width, whole.width);
    whole.call = signature_of<P, type_list<Ts...>>(collective::all_reduce);
    whole.call.operation = type_number<Op>();
    whole.call.finish = type_number<type_list<default_finish_t<Op, Ts, n>...>>();
    for (const launch_plan& plan : plans) {
      whole.blocks = std::max(whole.blocks, plan.blocks);
      whole.call.share = std::max(whole.call.share, plan.tiles.share());
    }
    constexpr std::size_t most_shares = std::size_t{1} << 31;
    for (const std::size_t shares : {group.template part<I>().count / plans[I].tiles.share()...}) {
      if (shares >= most_shares) {
        return bad_argument(
            {"group: ", shares, " tiles are too many for one call; make several groups"});
      }
    }
    whole.call.count = (group.template part<I>().count + ...);
    whole.call.parts_table = group.number();
    whole.call.blocks = static_cast<std::uint16_t>(whole.blocks);
    whole.call.lanes = static_cast<std::uint16_t>(whole.width);
    whole.call.parts = static_cast<std::uint16_t>(parts);
    const auto body_of = [&](std::size_t r) {
      return in_sequence(
          grouped_body<P, Ts, Op, n>{plans[I].tiles,
                                     {{}, group.template part<I>().tables[r]},
                                     op,
                                     make_default_finish<Op, Ts, n>(team.rank_count()),
                                     {{}, group.template part<I>().tables[r]}}...);
    };
    const auto last_rank = static_cast<std::size_t>(team.rank_count() - 1);
    const auto bodies = [&]<std::size_t... R>(std::index_sequence<R...>) {
      return std::array<decltype(body_of(0)), Team::size>{body_of(std::min(R, last_rank))...};
    }(std::make_index_sequence<Team::size>{});
    return ranks.launch(options.channel, whole, bodies, first, last, options);
  }(std::index_sequence_for<Ts...>{});
}

/// The same for ranks [first, last) of a team, whatever the policy.
template <class Policies, class Team, class Op, element... Ts>
outcome<> all_reduce_group(Team& team, int first, int last, const tensor_group<Team, Ts...>& group,
                           const Op& op, const call_options& options) {
  (check_fold<Op, Ts>(), ...);
  if (error reason = check_call(team, 0, 1, options)) return refuse(std::move(reason));
  if (error reason = check_group(team, first, last, group, "tensors")) {
    return refuse(std::move(reason));
  }
  constexpr int n = Team::size;
  constexpr bool may_take = (takes_sentinel<Ts, Op, n> && ...);
  using list = all_reduce_policies_t<Policies, n, may_take>;
  constexpr bool sentinel = may_take && list::contains(transport_id::sentinel);
  const policy selected =
      select_all_reduce(team.rank_count(), group.bytes(), sentinel, team.sharing());
  constexpr auto which = collective::all_reduce;
  return with_policy<which, list, carries_sentinels<n, Ts...>>(options, selected, [&]<policy P>() {
    static_assert(!runs_along_tree(P), "groups have no policies along trees");
    return launch_group<P>(team, first, last, group, op, options);
  });
}

}  // namespace detail

/// All ranks of the team at once: every tensor of the group is folded over the ranks, each as by an
/// all_reduce of its own. Who calls, ordering, streams, graphs and what is refused: as
/// all_reduce.hpp says; ranks must agree on the sizes and the order of the tensors, too.
template <class Policies = automatic_policies, class Team, class Op, element... Ts>
outcome<> all_reduce(Team& team, const tensor_group<Team, Ts...>& group, const Op& op,
                     const call_options& options = {}) {
  return detail::all_reduce_group<Policies>(team, 0, std::max(1, team.rank_count()), group, op,
                                            options);
}

/// One rank's part of the same.
template <class Policies = automatic_policies, class Team, class Op, element... Ts>
outcome<> all_reduce(const rank_handle<Team>& rank, const tensor_group<Team, Ts...>& group,
                     const Op& op, const call_options& options = {}) {
  return detail::all_reduce_group<Policies>(rank.team(), rank.rank(), rank.rank() + 1, group, op,
                                            options);
}

}  // namespace peerfold
