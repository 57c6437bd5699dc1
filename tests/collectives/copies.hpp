/// \file
/// The collectives that copy: all rank counts and policies.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <string>
#include <utility>

namespace peerfold::test {
namespace detail {

template <class Place, int N, collective Which, memory_kind Kind, class Policies>
void add_copy(const char* kind) {
  // Most that can differ between rank counts does so among these.
  constexpr bool thorough = N <= 3 || N == max_ranks;
  registration(to_string(Which), std::to_string(N) + " ranks, " + kind,
               &run_combination<Place, float, peerfold::sum, N, Policies, Kind, thorough, Which>);
}

template <class Place, int N>
void add_copies_of() {
  [&]<collective... Which>(std::integer_sequence<collective, Which...>) {
    (add_copy<Place, N, Which, memory_kind::ordinary, exchange_policies>("ordinary memory"), ...);
    (add_copy<Place, N, Which, memory_kind::symmetric, typename Place::symmetric_copy_policies>(
         "symmetric memory"),
     ...);
  }(std::integer_sequence<collective, collective::all_gather, collective::all_to_all,
                          collective::broadcast, collective::gather, collective::scatter>{});
  add_copy<Place, N, collective::send_recv, memory_kind::ordinary, exchange_policies>(
      "ordinary memory");
  add_copy<Place, N, collective::barrier, memory_kind::ordinary, exchange_policies>("no memory");
}

}  // namespace detail

/// Copies of First to Last ranks, by every policy, in memory of both kinds.
template <class Place, int First, int Last>
bool add_copies() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_copies_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
