/// \file
/// How every collective is called: the policy is chosen, the message cut into tiles, and a body for
/// each rank handed to the place.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/execution/thread_place.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/policy/plan.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/policy/traits.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_body.hpp>
#include <peerfold/team/measured_choice.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/transport/peers.hpp>

#if defined(__CUDACC__)
#include <peerfold/execution/gpu_place.cuh>
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace peerfold::detail {

/// The signature of a call by policy P, but for what launch_bodies() knows.
template <policy P, class T>
[[nodiscard]] call_signature signature_of(collective which, int root = 0) {
  call_signature call;
  call.which = which;
  call.element = type_number<T>();
  call.root = is_rooted(which) ? root : 0;
  call.algorithm = static_cast<std::uint8_t>(P.algorithm);
  call.transport = static_cast<std::uint8_t>(P.transport);
  return call;
}

/// The same of a call that folds.
template <policy P, element T, class Op, class Finish>
[[nodiscard]] call_signature signature_of_fold(collective which, int root = 0) {
  check_fold<Op, T>();
  call_signature call = signature_of<P, T>(which, root);
  call.operation = type_number<Op>();
  call.finish = type_number<Finish>();
  return call;
}

/// Enters in a plan for `count` elements what all ranks must agree on: `call`, and how it was made.
[[nodiscard]] inline error enter_call(launch_plan& plan, std::size_t count, int parts,
                                      const call_signature& call) {
  constexpr std::size_t most_shares = std::size_t{1} << 31;  // 32 bits number them, and then some
  if (count / plan.tiles.share() >= most_shares) {
    return bad_argument({"count: ", count, " elements are more than ", most_shares, " tiles of ",
                         plan.tiles.share(), "; split the call"});
  }
  plan.call = call;
  plan.call.count = count;
  plan.call.blocks = static_cast<std::uint16_t>(plan.blocks);
  plan.call.share = plan.tiles.share();
  plan.call.lanes = static_cast<std::uint16_t>(plan.width);
  plan.call.parts = static_cast<std::uint16_t>(parts);
  return {};
}

/// Launches ranks [first, last): make(r, tiles) is the body of rank r, where a tile of the
/// message of `count` elements has `parts` shares. `call` is what ranks must agree on beside that.
template <class Team, class Make>
[[nodiscard]] error launch_bodies(Team& team, int first, int last, std::size_t count, int parts,
                                  const call_signature& call, const call_options& options,
                                  const Make& make, std::uint32_t tiles_of_slot = 1) {
  using body = decltype(make(std::size_t{}, transport::tiling{}));
  using context = typename Team::place_type::template context<Team::size>;
  auto& ranks = *team.ranks();
  const auto& shape = ranks.shape(options.channel);
  const int blocks =
      options.max_blocks == 0 ? shape.blocks : std::min(shape.blocks, options.max_blocks);
  launch_plan plan = make_plan<typename body::template transport_type<context>>(
      count, static_cast<std::uint32_t>(parts), shape, blocks, ranks.narrowest(), ranks.widest(),
      body::takes_pieces, tiles_of_slot);
  if (error reason = enter_call(plan, count, parts, call)) return reason;
  const auto bodies = [&]<std::size_t... R>(std::index_sequence<R...>) {
    // What no rank has is the last one's: it is not launched.
    const auto last_rank = static_cast<std::size_t>(team.rank_count() - 1);
    return std::array<body, Team::size>{make(std::min(R, last_rank), plan.tiles)...};
  }(std::make_index_sequence<Team::size>{});
  return ranks.launch(options.channel, plan, bodies, first, last, options);
}

/// Launches a fold along a tree, of ranks [first, last).
template <collective Which, policy P, element T, class Team, class Load, class Op, class Finish,
          class Store>
[[nodiscard]] error launch_tree_fold(Team& team, int first, int last, std::size_t count, int root,
                                     const std::array<Load, Team::size>& loads, const Op& op,
                                     const Finish& finish,
                                     const std::array<Store, Team::size>& stores,
                                     const call_options& options) {
  using body = tree_fold_body<T, P, Load, Op, Finish, Store>;
  return launch_bodies(
      team, first, last, count, 1, signature_of_fold<P, T, Op, Finish>(Which, root), options,
      [&](std::size_t r, const transport::tiling& tiles) {
        const auto place =
            place_of(Which, P, team.rank_count(), static_cast<int>(r), root, team.links());
        const bool gets = Which != collective::reduce || static_cast<int>(r) == root;
        return body{tiles,  place,    algorithm::neighbours_of(place), gets, loads[r], op,
                    finish, stores[r]};
      });
}

/// Calls launch.template operator()<P>() with the policy of the options, or the selected one where
/// they leave it open. `Sentinels`: whether the elements can be carried by sentinels.
template <collective Which, class Policies, bool Sentinels = false, class Launch>
outcome<> with_policy(const call_options& options, policy selected, const Launch& launch,
                      const link_routes& links = {}) {
  constexpr bool any_fits = std::any_of(
      Policies::list.begin(), Policies::list.end(),
      [](const policy& p) { return Sentinels || p.transport != transport_id::sentinel; });
  static_assert(any_fits,
                "sentinels are for folds of floating-point elements in equal parts, among a rank "
                "count known when the call is compiled: list another policy");
  policy chosen = options.policy;
  if (chosen == automatic) {
    chosen = selected;
    if (Policies::contains(two_shot_relayed_store) && !links.all_straight()) {
      chosen = two_shot_relayed_store;
    } else if (!Policies::contains(selected)) {
      // The first that moves as much at once, or else the first.
      const auto first_that = [](const auto& is_fit) {
        return std::find_if(Policies::list.begin(), Policies::list.end(), is_fit);
      };
      const auto same_bits = [](const policy& p) {
        return is_reproducible(Which, p) && (Sentinels || p.transport != transport_id::sentinel);
      };
      auto first = first_that([&](const policy& p) {
        return same_bits(p) && !runs_along_tree(p) && !keeps_to_routes(Which, p) &&
               p.transport == selected.transport;
      });
      if (first == Policies::list.end()) first = first_that(same_bits);
      if (first == Policies::list.end()) {
        return refuse(bad_argument(
            {"options.policy: automatic stands for policies that all have the same bits, and this "
             "call was compiled for none; name one"}));
      }
      chosen = *first;
    }
  } else if (!Policies::contains(chosen)) {
    std::string names;
    for (const policy& compiled : Policies::list) {
      names += names.empty() ? "" : ", ";
      names += to_string(compiled);
    }
    const bool fits =
        has_policy(Which, chosen) && (Sentinels || chosen.transport != transport_id::sentinel);
    return refuse({errc::invalid_argument,
                   text_of({"options.policy: ", to_string(chosen),
                            " is not among those that this call was compiled for: ", names,
                            fits ? "; list it in the call's policies<...>" : ""})});
  }
  error reason;
  Policies::dispatch(chosen, [&]<policy P>() {
    static_assert(has_policy(Which, P),
                  "a policy of the list is none of this collective's (docs/policies.md)");
    if constexpr (Sentinels || P.transport != transport_id::sentinel) {
      reason = launch.template operator()<P>();
    } else {
      reason =
          bad_argument({"options.policy: ", to_string(P),
                        " is for folds of floating-point elements in equal parts, among a rank "
                        "count known when the call is compiled; choose another"});
    }
  });
  if (reason) return refuse(std::move(reason));
  return accept();
}

/// How many shares a tile has by a policy.
constexpr int shares_of_tile(const policy& p, int ranks) noexcept {
  return p.algorithm == algorithm_id::two_shot ? ranks : 1;
}

/// The options of a call, with fewer blocks where all would be too many.
template <collective Which, policy P>
[[nodiscard]] call_options tuned(call_options options) noexcept {
  if (P == direct_store && Which == collective::gather && options.max_blocks == 0) {
    // The root copies its own part while the others' arrive: more blocks hold those up (two H200,
    // 128 MiB a rank: 400 us with all, 375 with these).
    options.max_blocks = 64;
  }
  return options;
}

/// Runs a copying collective of ranks [first, last): `count` elements between any two ranks that
/// have something for each other. keeps[r]: whether rank r copies what it sends itself.
template <collective Which, class Policies, element T, class Team, class Load, class Store>
outcome<> run_copy(Team& team, int first, int last, std::size_t count, int root,
                   const std::array<Load, Team::size>& loads,
                   const std::array<Store, Team::size>& stores,
                   const std::array<bool, Team::size>& keeps, const call_options& options) {
  constexpr bool symmetric = algorithm::reaches_peers<Store>;
  const std::size_t bytes = count * sizeof(T);
  const policy selected = as_measured<Which, Policies, false>(
      team, bytes, symmetric, select_exchange(Which, team.rank_count(), bytes, symmetric));
  return with_policy<Which, Policies>(options, selected, [&]<policy P>() {
    const call_signature call = signature_of<P, T>(Which, root);
    if constexpr (runs_along_tree(P)) {
      using body = tree_copy_body<T, P, Load, Store>;
      return launch_bodies(
          team, first, last, count, 1, call, options,
          [&](std::size_t r, const transport::tiling& tiles) {
            const int rank = static_cast<int>(r);
            const auto place = place_of(Which, P, team.rank_count(), rank, root, team.links());
            const bool gets = rank != root || keeps[r];
            return body{tiles, place, algorithm::neighbours_of(place), gets, loads[r], stores[r]};
          });
    } else {
      using route = algorithm::route_of<Which>;
      using body = copy_body<T, P, Which, route, transport::every_peer, Load, Store>;
      return launch_bodies(
          team, first, last, count, shares_of_tile(P, team.rank_count()), call,
          tuned<Which, P>(options), [&](std::size_t r, const transport::tiling& tiles) {
            return body{tiles, route{count, root}, keeps[r], {}, loads[r], stores[r]};
          });
    }
  });
}

/// Runs a reducing collective of one step. ranges[r]: which ranks rank r folds.
template <collective Which, class Policies, element T, class Team, class Load, class Op,
          class Finish, class Store, class Range>
outcome<> run_fold(Team& team, int first, int last, std::size_t count, int root,
                   const std::array<Load, Team::size>& loads, const Op& op, const Finish& finish,
                   const std::array<Store, Team::size>& stores,
                   const std::array<Range, Team::size>& ranges, const call_options& options) {
  constexpr int n = Team::size;
  using list = fold_policies_t<Which, Policies, takes_sentinel<T, Op, n>>;
  constexpr bool sentinel = takes_sentinel<T, Op, n> && list::contains(transport_id::sentinel);
  const std::size_t bytes = count * sizeof(T);
  const policy selected = as_measured<Which, list, sentinel>(
      team, bytes, false, select_exchange(Which, team.rank_count(), bytes, false, sentinel));
  return with_policy<Which, list, carries_sentinels<n, T>>(options, selected, [&]<policy P>() {
    if constexpr (runs_along_tree(P)) {
      return launch_tree_fold<Which, P, T>(team, first, last, count, root, loads, op, finish,
                                           stores, options);
    } else {
      using route = algorithm::route_of<Which>;
      using body = fold_body<T, P, Which, route, Load, Op, Finish, Store, Range>;
      const call_signature call = signature_of_fold<P, T, Op, Finish>(Which, root);
      return launch_bodies(team, first, last, count, shares_of_tile(P, team.rank_count()), call,
                           options, [&](std::size_t r, const transport::tiling& tiles) {
                             const bool folds = !route::rooted || static_cast<int>(r) == root;
                             return body{tiles,  route{count, root}, folds,    loads[r], op,
                                         finish, stores[r],          ranges[r]};
                           });
    }
  });
}

template <class Load>
using loaded_t = stl::remove_cvref_t<decltype(std::declval<const Load&>()(std::size_t{}))>;

/// What a call checks whatever its memory: the team, the options, the count, the root.
template <collective Which, class Team>
[[nodiscard]] error check_collective(const Team& team, element_count count,
                                     std::size_t element_bytes, int root,
                                     const call_options& options) {
  const int ranks = std::max(1, team.rank_count());  // of a team that was moved from, none
  const int parts = std::max(parts_given(Which, ranks), parts_got(Which, ranks));
  if (error reason =
          check_call(team, count, element_bytes * static_cast<std::size_t>(parts), options)) {
    return reason;
  }
  return is_rooted(Which) ? check_root(team, root) : error{};
}

/// The pointers of ranks [first, first + M) as those of all; the others' are not used.
template <int N, class P, std::size_t M>
[[nodiscard]] std::array<P*, N> at_ranks(int first, const std::array<P*, M>& pointers) {
  std::array<P*, N> all{};
  std::copy(pointers.begin(), pointers.end(), all.begin() + first);
  return all;
}

/// Load and store functors over memory, one a rank.
template <std::size_t N, element T>
[[nodiscard]] std::array<load_from<T>, N> loads_of(const std::array<const T*, N>& in) {
  std::array<load_from<T>, N> loads;
  for (std::size_t r = 0; r < N; ++r) loads[r].data = in[r];
  return loads;
}
template <std::size_t N, element T>
[[nodiscard]] std::array<store_to<T>, N> stores_of(const std::array<T*, N>& out) {
  std::array<store_to<T>, N> stores;
  for (std::size_t r = 0; r < N; ++r) stores[r].data = out[r];
  return stores;
}
template <element T, int N, class Tag>
[[nodiscard]] std::array<load_from<T>, N> loads_of(const symmetric_buffer<T, N, Tag>& in) {
  std::array<load_from<T>, N> loads;
  for (int r = 0; r < N; ++r) loads[static_cast<std::size_t>(r)].data = in.data(r);
  return loads;
}
template <element T, int N, class Tag>
[[nodiscard]] std::array<store_to_symmetric<T, N>, N> stores_of(
    const symmetric_buffer<T, N, Tag>& out) {
  std::array<store_to_symmetric<T, N>, N> stores;
  for (int r = 0; r < N; ++r) {
    auto& store = stores[static_cast<std::size_t>(r)];
    store.data = out.data(r);
    for (int q = 0; q < N; ++q) store.peers[q] = out.data(q);
  }
  return stores;
}

/// Which ranks' values rank r folds.
template <int N>
[[nodiscard]] std::array<every_rank, N> all_ranks() {
  return {};
}
template <int N>
[[nodiscard]] std::array<ranks_through, N> ranks_through_own() {
  std::array<ranks_through, N> ranges;
  for (int r = 0; r < N; ++r) ranges[static_cast<std::size_t>(r)].last = r;
  return ranges;
}
template <int N, class A>
[[nodiscard]] std::array<ranks_before<A>, N> ranks_before_own(const A& initial) {
  return [&]<std::size_t... R>(std::index_sequence<R...>) {
    return std::array<ranks_before<A>, N>{ranks_before<A>{initial, static_cast<int>(R)}...};
  }(std::make_index_sequence<N>{});
}

/// A copying collective of ranks [first, first + M), in memory that each of them reaches.
template <collective Which, class Policies, element T, class Team, std::size_t M>
outcome<> copy_in_memory(Team& team, int first, const std::array<const T*, M>& in,
                         const std::array<T*, M>& out, element_count count, int root,
                         const call_options& options) {
  constexpr int n = Team::size;
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  const parts_of<Which> parts{count.value(), team.rank_count(), root};
  if (error reason = check_memory<T, static_cast<int>(M)>(parts, first, in, out)) {
    return refuse(std::move(reason));
  }
  std::array<bool, n> keeps{};
  for (int r = first; r < end_of<M>(team, first); ++r) {
    const auto i = static_cast<std::size_t>(r - first);
    keeps[static_cast<std::size_t>(r)] = !parts.in_place(r, in[i], out[i]);
  }
  return run_copy<Which, Policies, T>(team, first, end_of<M>(team, first), count.value(), root,
                                      loads_of(at_ranks<n>(first, in)),
                                      stores_of(at_ranks<n>(first, out)), keeps, options);
}

/// A copying collective of ranks [first, last) in symmetric memory: all of `in` and of `out`, or,
/// if they are one buffer, in place.
template <collective Which, class Policies, class Team, element T, int N, class Tag>
outcome<> copy_in_symmetric(Team& team, int first, int last, const symmetric_buffer<T, N, Tag>& in,
                            const symmetric_buffer<T, N, Tag>& out, int root,
                            const call_options& options) {
  const bool in_place = &in == &out;
  const int ranks = std::max(1, team.rank_count());
  const int given = in_place ? std::max(parts_given(Which, ranks), parts_got(Which, ranks))
                             : parts_given(Which, ranks);
  const int got = in_place ? given : parts_got(Which, ranks);
  const element_count count = in.size() / static_cast<std::size_t>(given);
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  if (error reason = check_symmetric(team, in, out, given, got)) return refuse(std::move(reason));
  call_options chosen = options;
  if (Which == collective::all_to_all && in_place) {
    // Through slots: straight stores would overwrite what is yet to be sent.
    if (options.policy.algorithm == algorithm_id::direct) {
      return refuse(
          bad_argument({"options.policy: ", to_string(options.policy),
                        " cannot exchange in place; choose another, or pass two buffers"}));
    }
    if (options.policy == automatic) {
      chosen.policy = select_exchange(Which, ranks, count.value() * sizeof(T), false);
      for (const policy& compiled : Policies::list) {
        if (Policies::contains(chosen.policy)) break;
        if (compiled.algorithm != algorithm_id::direct) chosen.policy = compiled;
      }
    }
  }
  auto loads = loads_of(in);
  auto stores = stores_of(out);
  for (std::size_t r = 0; in_place && r < static_cast<std::size_t>(ranks); ++r) {
    const std::size_t own = r * count.value();
    if (parts_of<Which>::gathers) loads[r].data += own;
    if (parts_of<Which>::scatters) {
      stores[r].data += own;
      for (std::size_t q = 0; q < static_cast<std::size_t>(ranks); ++q)
        stores[r].peers[q] += q * count.value();
    }
  }
  std::array<bool, N> keeps;
  keeps.fill(!in_place);
  return run_copy<Which, Policies, T>(team, first, last, count.value(), root, loads, stores, keeps,
                                      chosen);
}

/// A copying collective of ranks [first, last) with functors of the caller's.
template <collective Which, class Policies, class Team, class Load, class Store>
outcome<> copy_with_functors(Team& team, int first, int last, element_count count, int root,
                             const std::array<Load, Team::size>& loads,
                             const std::array<Store, Team::size>& stores,
                             const call_options& options) {
  using T = loaded_t<Load>;
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  std::array<bool, Team::size> keeps;
  keeps.fill(true);
  return run_copy<Which, Policies, T>(team, first, last, count.value(), root, loads, stores, keeps,
                                      options);
}

/// A reducing collective of ranks [first, first + M), in memory that each of them reaches.
template <collective Which, class Policies, element T, class Team, std::size_t M, class Op,
          class Finish, class Range>
outcome<> fold_in_memory(Team& team, int first, const std::array<const T*, M>& in,
                         const std::array<T*, M>& out, element_count count, int root, const Op& op,
                         const Finish& finish, const std::array<Range, Team::size>& ranges,
                         const call_options& options) {
  constexpr int n = Team::size;
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  const parts_of<Which> parts{count.value(), team.rank_count(), root};
  if (error reason = check_memory<T, static_cast<int>(M)>(parts, first, in, out)) {
    return refuse(std::move(reason));
  }
  return run_fold<Which, Policies, T>(team, first, end_of<M>(team, first), count.value(), root,
                                      loads_of(at_ranks<n>(first, in)), op, finish,
                                      stores_of(at_ranks<n>(first, out)), ranges, options);
}

/// A reducing collective of ranks [first, last) in symmetric memory: all of `in` and of `out`, or,
/// if they are one buffer, in place.
template <collective Which, class Policies, class Team, element T, int N, class Tag, class Op,
          class Finish, class Range>
outcome<> fold_in_symmetric(Team& team, int first, int last, const symmetric_buffer<T, N, Tag>& in,
                            const symmetric_buffer<T, N, Tag>& out, int root, const Op& op,
                            const Finish& finish, const std::array<Range, Team::size>& ranges,
                            const call_options& options) {
  const bool in_place = &in == &out;
  const int ranks = std::max(1, team.rank_count());
  const int given = parts_given(Which, ranks);
  const element_count count = in.size() / static_cast<std::size_t>(given);
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  if (error reason = check_symmetric(team, in, out, given, in_place ? given : 1)) {
    return refuse(std::move(reason));
  }
  std::array<T*, N> results{};
  for (int r = 0; r < ranks; ++r) {
    const bool own_part = in_place && parts_of<Which>::scatters;
    results[static_cast<std::size_t>(r)] =
        out.data(r) + (own_part ? static_cast<std::size_t>(r) * count.value() : 0);
  }
  return run_fold<Which, Policies, T>(team, first, last, count.value(), root, loads_of(in), op,
                                      finish, stores_of(results), ranges, options);
}

/// A reducing collective of ranks [first, last) with functors of the caller's.
template <collective Which, class Policies, class Team, class Load, class Op, class Finish,
          class Store, class Range>
outcome<> fold_with_functors(Team& team, int first, int last, element_count count, int root,
                             const std::array<Load, Team::size>& loads, const Op& op,
                             const Finish& finish, const std::array<Store, Team::size>& stores,
                             const std::array<Range, Team::size>& ranges,
                             const call_options& options) {
  using T = loaded_t<Load>;
  if (error reason = check_collective<Which>(team, count, sizeof(T), root, options)) {
    return refuse(std::move(reason));
  }
  return run_fold<Which, Policies, T>(team, first, last, count.value(), root, loads, op, finish,
                                      stores, ranges, options);
}

}  // namespace peerfold::detail
