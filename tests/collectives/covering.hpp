/// \file
/// Element types and operators with every collective: a table made from what the library says that
/// it can fold, so that nothing of it goes untested. In it every element type meets every operator
/// that folds it and every collective, every floating-point type the sentinel transport, every
/// operator every collective that has it, and every collective every policy, rank count and kind of
/// memory. (Every rank count and policy with float sums is in copies.hpp, folds.hpp and
/// several_steps.hpp; those of all-reduce in ../all_reduce.)
#pragma once

#include <peerfold/peerfold.hpp>
#include <peerfold/policy/traits.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/records.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace peerfold::test {
namespace detail {

// std::complex is for hosts.
#if defined(__CUDACC__)
template <class R>
using complex = complex_like<R>;
#else
template <class R>
using complex = std::complex<R>;
#endif

/// A type of a table and its name.
template <class T>
struct named {
  using type = T;
  std::string_view name;
};

inline constexpr std::tuple covered_types {
#if PEERFOLD_ORACLE_HAS_FLOAT16
  named<__nv_fp8_e4m3>{"fp8_e4m3"}, named<__nv_fp8_e5m2>{"fp8_e5m2"}, named<__half>{"half"},
      named<__nv_bfloat16>{"bfloat16"},
#endif
      named<float>{"float"}, named<double>{"double"}, named<std::int8_t>{"int8"},
      named<std::uint8_t>{"uint8"}, named<std::int16_t>{"int16"}, named<std::uint16_t>{"uint16"},
      named<std::int32_t>{"int32"}, named<std::uint32_t>{"uint32"}, named<std::int64_t>{"int64"},
      named<std::uint64_t>{"uint64"}, named<bool>{"bool"}, named<complex<float>>{"complex<float>"},
      named<complex<double>>{"complex<double>"}, named<value_index<float>>{"value_index<float>"},
      named<value_index<double, std::int64_t>>{"value_index<double, int64>"},
      named<colour>{"a struct of 3 bytes"}, named<particle>{"a struct of 12 bytes"},
      named<record<7>>{"a struct of 7 bytes"}, named<record<20>>{"a struct of 20 bytes"},
      named<record<100>>{"a struct of 100 bytes"}, named<record<128>> {
    "a struct of 128 bytes"
  }
};
inline constexpr int covered_type_count = std::tuple_size_v<decltype(covered_types)>;
template <int Type>
using covered_type =
    typename std::tuple_element_t<static_cast<std::size_t>(Type), decltype(covered_types)>::type;

/// The operators of the library, and one of the tests, which folds all but bool.
template <class... Ops>
constexpr std::tuple<Ops..., mix> with_mix(type_list<Ops...>);
using covered_operators = decltype(with_mix(builtin_operators{}));
inline constexpr int covered_operator_count = std::tuple_size_v<covered_operators>;
inline constexpr std::array<std::string_view, covered_operator_count> covered_operator_names{
    "sum", "prod", "min", "max", "avg", "bit_and", "bit_or", "bit_xor", "argmin", "argmax", "mix"};
template <int Operator>
using covered_operator =
    std::tuple_element_t<static_cast<std::size_t>(Operator), covered_operators>;

template <class... Types>
constexpr bool knows_all(type_list<Types...>) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    return (peerfold::detail::is_in<Types, type_list<covered_type<I>...>> && ...);
  }(std::make_integer_sequence<int, covered_type_count>{});
}
static_assert(knows_all(known_elements{}), "an element type that the table lacks");

/// Which operators fold which types.
struct legality {
  bool of[covered_type_count][covered_operator_count] = {};
};
template <int Type, int... Ops>
constexpr void find_legal_of(legality& found, std::integer_sequence<int, Ops...>) {
  using type = covered_type<Type>;
  ((found.of[Type][Ops] = folds_elements<covered_operator<Ops>, type>), ...);
  found.of[Type][covered_operator_count - 1] = !std::is_same_v<type, bool>;
}
constexpr legality find_legal() {
  legality found;
  [&]<int... Types>(std::integer_sequence<int, Types...>) {
    constexpr std::make_integer_sequence<int, covered_operator_count> operators;
    (find_legal_of<Types>(found, operators), ...);
  }(std::make_integer_sequence<int, covered_type_count>{});
  return found;
}
inline constexpr legality legal = find_legal();

inline constexpr std::array covered_collectives{
    collective::all_reduce,     collective::reduce_scatter, collective::reduce,
    collective::inclusive_scan, collective::exclusive_scan, collective::all_gather,
    collective::broadcast,      collective::all_to_all,     collective::gather,
    collective::scatter,        collective::send_recv};
inline constexpr int covered_collective_count = static_cast<int>(covered_collectives.size());
inline constexpr int folding_collectives = 5;  // come first

/// Whether the collective has the operator for the type: an average has no scan.
constexpr bool is_legal(int which, int type, int op) {
  constexpr int avg = 4;
  const bool scan = which == 3 || which == 4;
  return legal.of[type][op] && !(scan && op == avg);
}

/// Types that sentinels carry.
struct floating_types {
  bool has[covered_type_count] = {};
};
inline constexpr floating_types floating = [] {
  floating_types found;
  [&]<int... Types>(std::integer_sequence<int, Types...>) {
    ((found.has[Types] = carries_sentinels<2, covered_type<Types>>), ...);
  }(std::make_integer_sequence<int, covered_type_count>{});
  return found;
}();

/// Whether a policy of the collective takes elements of any type.
constexpr bool takes_all_types(collective which, const policy& p) {
  return has_policy(which, p) && p.transport != transport_id::sentinel;
}

constexpr int policies_known(collective which) {
  int count = 0;
  for (const policy& p : known_policies) count += takes_all_types(which, p) ? 1 : 0;
  return count;
}

/// The place in known_policies of the collective's policy number `index`, of those.
constexpr int policy_number(collective which, int index) {
  for (int p = 0;; ++p) {
    if (!takes_all_types(which, known_policies[static_cast<std::size_t>(p)])) continue;
    if (index-- == 0) return p;
  }
}

/// A row of the table, as indices; `ranks` is the count itself. Copies have no operator.
struct covering_row {
  int which;
  int type;
  int op;
  int policy;
  int ranks;
  int memory;
};

struct covering_table {
  static constexpr int most = 2 * covered_type_count * covered_collective_count;
  covering_row rows[most] = {};
  int size = 0;
  int rows_of[covered_collective_count] = {};
  bool types_met[covered_type_count][covered_operator_count] = {};
  bool collectives_met[covered_collective_count][covered_operator_count] = {};

  constexpr void add(int which, int type, int op) {
    const collective c = covered_collectives[static_cast<std::size_t>(which)];
    const int n = rows_of[which]++;
    const int known = policies_known(c);
    add(which, type, op, policy_number(c, n % known), n);
  }

  /// By a policy; `n` picks the rest.
  constexpr void add(int which, int type, int op, int policy, int n) {
    const collective c = covered_collectives[static_cast<std::size_t>(which)];
    const algorithm_id algorithm = known_policies[static_cast<std::size_t>(policy)].algorithm;
    int memory = (n / policies_known(c) + n + which) % 2;
    if (algorithm == algorithm_id::direct) memory = 1;
    if (c == collective::send_recv) memory = 0;
    rows[size++] = {which, type, op, policy, (n * 3 + n / 8 + which) % max_ranks + 1, memory};
    if (which >= folding_collectives) return;
    types_met[type][op] = true;
    collectives_met[which][op] = true;
  }
};

constexpr covering_table make_covering() {
  covering_table table;
  for (int type = 0; type < covered_type_count; ++type) {
    for (int which = 0; which < covered_collective_count; ++which) {
      if (which >= folding_collectives) {
        table.add(which, type, 0);
        continue;
      }
      // One operator, in turn.
      int turn = type + which;
      for (int i = 0; i <= turn; ++i) {
        while (!is_legal(which, type, turn % covered_operator_count)) ++turn;
      }
      table.add(which, type, turn % covered_operator_count);
    }
  }
  // What has not met yet.
  for (int type = 0; type < covered_type_count; ++type) {
    for (int op = 0; op < covered_operator_count; ++op) {
      int which = (type + op) % folding_collectives;
      if (!legal.of[type][op] || table.types_met[type][op]) continue;
      while (!is_legal(which, type, op)) which = (which + 1) % folding_collectives;
      table.add(which, type, op);
    }
  }
  for (int which = 0; which < folding_collectives; ++which) {
    for (int op = 0; op < covered_operator_count; ++op) {
      for (int i = 0; i < covered_type_count && !table.collectives_met[which][op]; ++i) {
        const int type = (i + 3 * which + op) % covered_type_count;
        if (is_legal(which, type, op)) table.add(which, type, op);
      }
    }
  }
  // Sentinels, of every collective that has them, for types in turn.
  int turn = 0;
  for (int which = 0; which < folding_collectives; ++which) {
    const collective c = covered_collectives[static_cast<std::size_t>(which)];
    for (int p = 0; p < static_cast<int>(known_policies.size()); ++p) {
      const policy& chosen = known_policies[static_cast<std::size_t>(p)];
      if (chosen.transport != transport_id::sentinel || !has_policy(c, chosen)) continue;
      int type = turn % covered_type_count;
      while (!floating.has[type]) type = (type + 1) % covered_type_count;
      int op = turn % covered_operator_count;
      while (!is_legal(which, type, op)) op = (op + 1) % covered_operator_count;
      table.add(which, type, op, p, turn++);
    }
  }
  return table;
}
inline constexpr covering_table covering = make_covering();

/// Counted from the rows alone, against what the library says.
constexpr bool covers_everything() {
  bool type_op[covered_type_count][covered_operator_count] = {};
  bool which_type[covered_collective_count][covered_type_count] = {};
  bool which_op[covered_collective_count][covered_operator_count] = {};
  bool which_ranks[covered_collective_count][max_ranks] = {};
  bool which_policy[covered_collective_count][known_policies.size()] = {};
  bool which_memory[covered_collective_count][2] = {};
  bool type_sentinel[covered_type_count] = {};
  for (int i = 0; i < covering.size; ++i) {
    const covering_row& row = covering.rows[i];
    which_type[row.which][row.type] = true;
    which_ranks[row.which][row.ranks - 1] = true;
    which_policy[row.which][row.policy] = true;
    which_memory[row.which][row.memory] = true;
    if (row.which >= folding_collectives) continue;
    const policy& chosen = known_policies[static_cast<std::size_t>(row.policy)];
    if (chosen.transport == transport_id::sentinel) type_sentinel[row.type] = true;
    type_op[row.type][row.op] = true;
    which_op[row.which][row.op] = true;
  }
  for (int type = 0; type < covered_type_count; ++type) {
    if (floating.has[type] && !type_sentinel[type]) return false;
  }
  for (int which = 0; which < covered_collective_count; ++which) {
    const collective c = covered_collectives[static_cast<std::size_t>(which)];
    for (int type = 0; type < covered_type_count; ++type) {
      if (!which_type[which][type]) return false;
      for (int op = 0; which < folding_collectives && op < covered_operator_count; ++op) {
        if (is_legal(which, type, op) && !(type_op[type][op] && which_op[which][op])) return false;
      }
    }
    for (int ranks = 0; ranks < max_ranks; ++ranks) {
      if (!which_ranks[which][ranks]) return false;
    }
    for (std::size_t p = 0; p < known_policies.size(); ++p) {
      if (has_policy(c, known_policies[p]) && !which_policy[which][p]) return false;
    }
    if (!which_memory[which][0]) return false;
    if (c != collective::send_recv && !which_memory[which][1]) return false;
  }
  return true;
}
static_assert(covers_everything());

template <class Place, int First, int Last, int Row>
void add_covering_row() {
  constexpr covering_row row = covering.rows[Row];
  if constexpr (row.type >= First && row.type <= Last) {
    constexpr collective which = covered_collectives[static_cast<std::size_t>(row.which)];
    constexpr policy chosen = known_policies[static_cast<std::size_t>(row.policy)];
    // automatic needs one with the bits of all.
    using list = std::conditional_t<is_reproducible(which, chosen), policies<chosen>,
                                    policies<chosen, one_shot_packet>>;
    constexpr memory_kind kind = row.memory == 0 ? memory_kind::ordinary : memory_kind::symmetric;
    std::string name{std::get<row.type>(covered_types).name};
    if (is_reduction(which)) {
      name += ", ";
      name += covered_operator_names[static_cast<std::size_t>(row.op)];
    }
    registration(to_string(which),
                 name + ", " + std::to_string(row.ranks) + " ranks, " +
                     std::string{to_string(chosen)} +
                     (row.memory == 0 ? ", ordinary memory" : ", symmetric memory"),
                 &run_combination<Place, covered_type<row.type>, covered_operator<row.op>,
                                  row.ranks, list, kind, false, which>);
  }
}

}  // namespace detail

/// The rows of element types First to Last, by their places in covered_types.
template <class Place, int First, int Last>
bool add_covering() {
  return []<int... I>(std::integer_sequence<int, I...>) {
    // A list: folds of so many rows are too deep for clang.
    const bool added[] = {(detail::add_covering_row<Place, First, Last, I>(), true)...};
    return added[0];
  }(std::make_integer_sequence<int, detail::covering.size>{});
}

}  // namespace peerfold::test
