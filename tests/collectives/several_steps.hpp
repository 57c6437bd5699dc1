/// \file
/// Policies of several steps: two-shot broadcast and reduce, chains and trees of all three
/// collectives that have them, rings and relays. All rank counts, float sums; elements that travel
/// as accumulators.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace peerfold::test {
namespace detail {

/// Where kernels take long to compile, each algorithm with each transport, but not each collective
/// with all of them.
template <class Place, class All, class Some>
using policies_of_place = std::conditional_t<Place::every_kernel, All, Some>;

template <class Place, class T, class Op, int N, collective Which, memory_kind Kind, class Policies>
void add_steps(const char* what) {
  registration(to_string(Which),
               std::string{"several steps, "} + std::to_string(N) + " ranks, " + what,
               &run_combination<Place, T, Op, N, Policies, Kind, (N <= 3), Which>);
}

template <class Place, int N>
void add_steps_of() {
  using two_shot_and_trees =
      policies<two_shot_packet, two_shot_store, chain_packet, chain_store, tree_packet, tree_store>;
  add_steps<Place, float, sum, N, collective::all_reduce, memory_kind::ordinary,
            policies_of_place<Place,
                              policies<chain_packet, chain_store, tree_packet, tree_store,
                                       two_shot_relayed_store, ring_packet, ring_store>,
                              policies<chain_store, tree_packet>>>("ordinary memory");
  using to_root = policies<two_shot_packet, two_shot_store, two_shot_sentinel, chain_packet,
                           chain_store, tree_packet, tree_store>;
  add_steps<
      Place, float, sum, N, collective::reduce, memory_kind::ordinary,
      policies_of_place<Place, to_root,
                        policies<two_shot_store, two_shot_sentinel, chain_packet, tree_store>>>(
      "ordinary memory");
  add_steps<Place, float, sum, N, collective::broadcast, memory_kind::ordinary,
            policies_of_place<Place, two_shot_and_trees,
                              policies<two_shot_packet, chain_store, tree_packet>>>(
      "ordinary memory");
  add_steps<Place, float, sum, N, collective::broadcast, memory_kind::symmetric,
            policies_of_place<Place, two_shot_and_trees, policies<two_shot_store>>>(
      "symmetric memory");
#if PEERFOLD_ORACLE_HAS_FLOAT16
  if constexpr (N == 3 || N == 7) {
    add_steps<Place, __half, avg, N, collective::all_reduce, memory_kind::ordinary,
              policies<chain_store>>("averages of half, ordinary memory");
    add_steps<Place, __nv_bfloat16, mix, N, collective::reduce, memory_kind::ordinary,
              policies<one_shot_packet, tree_packet>>("mixtures of bfloat16, ordinary memory");
  }
#endif
}

}  // namespace detail

/// Of First to Last ranks, in memory of both kinds.
template <class Place, int First, int Last>
bool add_several_steps() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_steps_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
