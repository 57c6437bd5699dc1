/// \file
/// The selector: which policy `automatic` stands for.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/policy/cost_constants.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/transport/sentinel.hpp>

#include <array>
#include <utility>

namespace peerfold {

/// A policy, and the largest message, in bytes, for which it is the fastest; behind smaller ones of
/// the same table. 0: for none.
struct policy_range {
  policy fastest;
  size_t up_to = 0;
};

/// How all-reduce is done among `ranks` ranks; `sentinel`, where elements and operator allow for it
/// (see takes_sentinel). Measured on 2 H100 and H200 (benchmarks/results). For more ranks the
/// policies that are worth compiling: among them the cost model chooses, and sizes say nothing.
constexpr std::array<policy_range, 4> all_reduce_ranges(int ranks, bool sentinel) noexcept {
  constexpr size_t kib = 1024;
  constexpr size_t any = ~size_t{0};
  if (sentinel) {
    if (ranks <= 2) {
      return {
          {{one_shot_packet, 64 * kib}, {one_shot_sentinel, 4096 * kib}, {two_shot_store, any}}};
    }
    return {{{one_shot_packet, any},
             {one_shot_sentinel, any},
             {two_shot_sentinel, any},
             {two_shot_store, any}}};
  }
  if (ranks <= 2) {
    return {{{one_shot_packet, 512 * kib}, {one_shot_store, 4096 * kib}, {two_shot_store, any}}};
  }
  return {{{one_shot_packet, any}, {two_shot_packet, any}, {two_shot_store, any}}};
}

/// The policy for an all-reduce of `bytes` bytes among `ranks` ranks, of which at most `sharing`
/// are on one GPU; `symmetric`, where outputs are in symmetric memory. All are reproducible, so the
/// choice never changes a bit of the result (but of NaNs). Of two ranks the table has it; of more
/// the cost model, for GPUs of Hopper behind switches.
constexpr policy select_all_reduce(int ranks, size_t bytes, bool sentinel = false, int sharing = 1,
                                   bool symmetric = false) noexcept {
  policy fastest = two_shot_store;
  double least = 0;
  for (const policy_range& range : all_reduce_ranges(ranks, sentinel)) {
    if (range.up_to == 0) continue;
    if (ranks <= 2) {
      if (bytes <= range.up_to) return range.fastest;
      continue;
    }
    const cost_constants* const k = constants_of(range.fastest, symmetric);
    const double us = all_reduce_us(*k, ranks, sharing, static_cast<double>(bytes));
    if (least > 0 && us >= least) continue;
    fastest = range.fastest;
    least = us;
  }
  return fastest;
}

/// Whether sentinels can carry elements of these types between N ranks.
template <int N, element... Ts>
inline constexpr bool carries_sentinels =
    counts_ranks_early<N> && (transport::has_sentinel<Ts> && ...);

/// Whether automatic may take sentinels: to fold floating-point elements by operators of the
/// library, whose NaNs are as good as each other. An operator of the caller's may look at all bits.
template <element T, class Op, int N>
inline constexpr bool takes_sentinel = carries_sentinels<N, T> && detail::is_builtin<Op>;

/// In place of a list: the policies that automatic may stand for, which depends on rank count,
/// elements and operator.
struct automatic_policies {};

namespace detail {

template <int N, bool Sentinel, class Indices>
struct policies_in_ranges;
template <int N, bool Sentinel, size_t... I>
struct policies_in_ranges<N, Sentinel, std::index_sequence<I...>> {
  static constexpr auto ranges = all_reduce_ranges(N, Sentinel);
  using type = policies<ranges[I].fastest...>;
};
template <int N, bool Sentinel>
inline constexpr size_t used_ranges = [] {
  size_t used = 0;
  for (const policy_range& range : all_reduce_ranges(N, Sentinel)) used += range.up_to != 0 ? 1 : 0;
  return used;
}();

template <class Policies, int N, bool Sentinel>
struct all_reduce_policies {
  using type = Policies;
};
template <int N, bool Sentinel>
struct all_reduce_policies<automatic_policies, N, Sentinel>
    : policies_in_ranges<N, Sentinel, std::make_index_sequence<used_ranges<N, Sentinel>>> {};
/// As many ranks as there may be.
template <bool Sentinel>
struct all_reduce_policies<automatic_policies, run_time_ranks, Sentinel> {
  using type = every_policy;
};

}  // namespace detail

/// `Policies`, or what automatic_policies stands for in an all-reduce among N ranks; `Sentinel` as
/// takes_sentinel has it.
template <class Policies, int N, bool Sentinel>
using all_reduce_policies_t = typename detail::all_reduce_policies<Policies, N, Sentinel>::type;

/// The same in a fold that is not an all-reduce.
template <collective Which, class Policies, bool Sentinel>
using fold_policies_t = stl::conditional_t<
    !stl::same_as<Policies, automatic_policies>, Policies,
    stl::conditional_t<
        Sentinel,
        stl::conditional_t<
            Which == collective::reduce,
            policies<one_shot_packet, one_shot_sentinel, one_shot_store, two_shot_store>,
            policies<one_shot_packet, one_shot_sentinel, one_shot_store>>,
        stl::conditional_t<Which == collective::reduce, rooted_policies, exchange_policies>>>;

/// The policy for a collective beside all-reduce that moves `bytes` bytes from a rank to another;
/// `direct`, where outputs are in symmetric memory and nothing is folded; `sentinel` as in
/// all_reduce_ranges(). Measured on 2 H200 and 2 H100; that a broadcast or a reduce of more ranks
/// takes two steps as soon as it is no matter of latency follows from the bytes that the root's
/// links carry: N - 1 times the message, or less than twice.
constexpr policy select_exchange(collective which, int ranks, size_t bytes, bool direct,
                                 bool sentinel = false) noexcept {
  constexpr size_t kib = 1024;
  const size_t all = bytes * static_cast<size_t>(ranks);
  const bool has_two_steps = which == collective::broadcast || which == collective::reduce;
  if (all <= (sentinel ? 128 : 1024) * kib) return one_shot_packet;
  if (has_two_steps && ranks > 2 && all > 4096 * kib) return two_shot_store;
  if (sentinel && all <= 8192 * kib) return one_shot_sentinel;
  if (!direct || all <= 16384 * kib) return one_shot_store;
  // Both ranks' links carry half of what the root's would.
  return which == collective::broadcast && all <= 131072 * kib ? two_shot_store : direct_store;
}

}  // namespace peerfold
