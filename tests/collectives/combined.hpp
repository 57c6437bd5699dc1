/// \file
/// The collectives beside all-reduce with element types and operators beside float sums: a table in
/// which every collective meets every type, operator, rank count, policy and kind of memory that it
/// has, and types, rank counts and kinds of memory each other. (Types and operators meet in that of
/// all-reduce, which folds by the same code.)
#pragma once

#include <peerfold/policy/traits.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "../all_reduce/pairs.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>

namespace peerfold::test {
namespace detail {

/// Those that fold first.
inline constexpr std::array combined_collectives{
    collective::reduce_scatter, collective::reduce,     collective::inclusive_scan,
    collective::exclusive_scan, collective::all_gather, collective::broadcast,
    collective::all_to_all,     collective::gather,     collective::scatter,
    collective::send_recv};
inline constexpr int collective_count = static_cast<int>(combined_collectives.size());

constexpr int policies_known(collective which) {
  int count = 0;
  for (const policy& p : known_policies) count += has_policy(which, p) ? 1 : 0;
  return count;
}

/// The place in known_policies of the collective's policy number `index`.
constexpr int policy_number(collective which, int index) {
  for (int p = 0;; ++p) {
    if (!has_policy(which, known_policies[static_cast<std::size_t>(p)])) continue;
    if (index-- == 0) return p;
  }
}

/// Operators that the collective has: an average has no scan.
constexpr int operators_of(collective which) {
  return which == collective::inclusive_scan || which == collective::exclusive_scan
             ? operator_count - 1
             : operator_count;
}
constexpr int operator_number(collective which, int index) {
  constexpr int avg = 4;
  return operators_of(which) < operator_count && index >= avg ? index + 1 : index;
}

constexpr combination combined_at(int row) {
  const int c = row / type_count;
  const int type = row % type_count;
  const collective which = combined_collectives[static_cast<std::size_t>(c)];
  const int known = policies_known(which);
  const int number = policy_number(which, type % known);
  const policy& p = known_policies[static_cast<std::size_t>(number)];
  const int op = operator_number(which, (type + c) % operators_of(which));
  int memory = ((known <= 4 ? type / known : type / 2) + c) % memory_kinds;
  if (p.algorithm == algorithm_id::direct) memory = 1;
  if (which == collective::send_recv) memory = 0;
  return {type, op, (type + 3 * c) % max_ranks + 1, number, memory};
}

constexpr bool every_collective_meets_all() {
  std::array<bool, collective_count * 64> seen{};
  int met = 0;
  const auto meet = [&](int c, int value) {
    bool& here = seen[static_cast<std::size_t>(c * 64 + value)];
    met += here ? 0 : 1;
    here = true;
  };
  int wanted = 0;
  for (int c = 0; c < collective_count; ++c) {
    const collective which = combined_collectives[static_cast<std::size_t>(c)];
    for (int type = 0; type < type_count; ++type) {
      const combination row = combined_at(c * type_count + type);
      meet(c, row.type);
      meet(c, 16 + row.ranks);
      meet(c, 32 + row.policy);
      meet(c, 48 + row.memory);
      if (is_reduction(which)) meet(c, 50 + row.op);
    }
    wanted += type_count + max_ranks + policies_known(which) +
              (which == collective::send_recv ? 1 : memory_kinds) +
              (is_reduction(which) ? operators_of(which) : 0);
  }
  return met == wanted;
}
static_assert(type_count < 10 || every_collective_meets_all());

template <class Place, int Row>
void add_combined_row() {
  constexpr combination c = combined_at(Row);
  constexpr collective which = combined_collectives[static_cast<std::size_t>(Row / type_count)];
  constexpr policy chosen = known_policies[static_cast<std::size_t>(c.policy)];
  using T = std::tuple_element_t<static_cast<std::size_t>(c.type), element_types>;
  using Op = std::tuple_element_t<static_cast<std::size_t>(c.op), operators>;
  // automatic needs one with the bits of all.
  using list = std::conditional_t<is_reproducible(which, chosen), policies<chosen>,
                                  policies<chosen, one_shot_packet>>;
  constexpr memory_kind kind = c.memory == 0 ? memory_kind::ordinary : memory_kind::symmetric;
  std::string name{element_names[static_cast<std::size_t>(c.type)]};
  if (is_reduction(which))
    name += ' ' + std::string{operator_names[static_cast<std::size_t>(c.op)]};
  registration(to_string(which),
               name + ", " + std::to_string(c.ranks) + " ranks, " + std::string{to_string(chosen)} +
                   (c.memory == 0 ? ", ordinary memory" : ", symmetric memory"),
               &run_combination<Place, T, Op, c.ranks, list, kind, false, which>);
}

}  // namespace detail

/// The rows of element types First to Last.
template <class Place, int First, int Last>
bool add_combined() {
  constexpr int types = Last - First + 1;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_combined_row<Place, I / types * type_count + First + I % types>(), ...);
  }(std::make_integer_sequence<int, types * detail::collective_count>{});
  return true;
}

}  // namespace peerfold::test
