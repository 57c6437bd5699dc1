/// \file
/// The cases of the contract suite, for any place. Translation units that instance.in makes
/// register them in portions, so that none takes long to compile.
#pragma once

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "pairs.hpp"

#include <string>
#include <tuple>
#include <utility>

namespace peerfold::test {

namespace detail {

template <class Place, class T, class Op, int N, class Policies, memory_kind Kind>
void add_combination(const combination& c) {
  registration("combinations",
               std::string{element_names[static_cast<std::size_t>(c.type)]} + ' ' +
                   std::string{operator_names[static_cast<std::size_t>(c.op)]} + ", " +
                   std::to_string(N) + " ranks, " +
                   (Policies::size == 1 ? std::string{to_string(Policies::list[0])}
                                        : std::string{"every policy"}) +
                   ", " + (Kind == memory_kind::ordinary ? "ordinary" : "symmetric") + " memory",
               &run_combination<Place, T, Op, N, Policies, Kind, false>);
}

template <class Place, int Row>
void add_row() {
  constexpr combination c = combination_at(Row);
  using T = std::tuple_element_t<static_cast<std::size_t>(c.type), element_types>;
  if constexpr (Place::full_product) {
    // A row for every type and rank count: here they get all the rest.
    [&]<std::size_t... O>(std::index_sequence<O...>) {
      constexpr int ranks = combination_at(Row).ranks;
      const auto with = [](std::size_t op) {
        combination other = combination_at(Row);
        other.op = static_cast<int>(op);
        return other;
      };
      (add_combination<Place, T, std::tuple_element_t<O, operators>, ranks, every_policy,
                       memory_kind::ordinary>(with(O)),
       ...);
      (add_combination<Place, T, std::tuple_element_t<O, operators>, ranks, every_policy,
                       memory_kind::symmetric>(with(O)),
       ...);
    }(std::make_index_sequence<operator_count>{});
  } else {
    constexpr int ranks = Place::combined_ranks[c.ranks - 1];
    if constexpr (ranks != 0) {
      add_combination<Place, T, std::tuple_element_t<static_cast<std::size_t>(c.op), operators>,
                      ranks, policies<all_policies[static_cast<std::size_t>(c.policy)]>,
                      c.memory == 0 ? memory_kind::ordinary : memory_kind::symmetric>(c);
    }
  }
}

}  // namespace detail

/// Rows of the table in pairs.hpp: those of element types First to Last.
template <class Place, int First, int Last>
bool add_combinations() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_row<Place, First * max_ranks + I>(), ...);
  }(std::make_integer_sequence<int, (Last - First + 1) * max_ranks>{});
  return true;
}

}  // namespace peerfold::test
