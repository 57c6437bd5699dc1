/// \file
/// The combinations of element type, operator, rank count, policy and memory that are tested beside
/// all of float sum: a table in which every pair of values of any two columns occurs.
#pragma once

#include <peerfold/core/reduction_op.hpp>
#include <peerfold/policy/policy.hpp>

#include <support/contract_program.hpp>
#include <support/contract_run.hpp>

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>

namespace peerfold::test {

#if PEERFOLD_ORACLE_HAS_FLOAT16
using element_types = std::tuple<float, double, __half, __nv_bfloat16, std::int32_t, std::uint32_t,
                                 std::int64_t, std::uint64_t, std::int8_t, std::uint8_t>;
inline constexpr std::array<std::string_view, 10> element_names{
    "float", "double", "half", "bfloat16", "int32", "uint32", "int64", "uint64", "int8", "uint8"};
#else
using element_types = std::tuple<float, double, std::int32_t, std::uint32_t, std::int64_t,
                                 std::uint64_t, std::int8_t, std::uint8_t>;
inline constexpr std::array<std::string_view, 8> element_names{"float", "double", "int32", "uint32",
                                                               "int64", "uint64", "int8",  "uint8"};
#endif
using operators =
    std::tuple<peerfold::sum, peerfold::prod, peerfold::min, peerfold::max, peerfold::avg, mix>;
inline constexpr std::array<std::string_view, 6> operator_names{"sum", "prod", "min",
                                                                "max", "avg",  "mix"};

inline constexpr int type_count = static_cast<int>(std::tuple_size_v<element_types>);
inline constexpr int operator_count = static_cast<int>(std::tuple_size_v<operators>);
inline constexpr int policy_count = static_cast<int>(all_policies.size());
inline constexpr int memory_kinds = 2;

/// A row of the table, as indices; `ranks` is the count itself.
struct combination {
  int type;
  int op;
  int ranks;
  int policy;
  int memory;
};

inline constexpr int combination_count = type_count * max_ranks;

constexpr combination combination_at(int row) {
  const int type = row / max_ranks;
  const int n = row % max_ranks;
  return {type, (type + n) % operator_count, n + 1, (type + n / 2) % policy_count,
          (n + type / 2 + n / 4) % memory_kinds};
}

namespace detail {

constexpr std::array<int, 5> columns_of(const combination& c) {
  return {c.type, c.op, c.ranks - 1, c.policy, c.memory};
}

constexpr bool covers_all_pairs() {
  constexpr std::array<int, 5> sizes{type_count, operator_count, max_ranks, policy_count,
                                     memory_kinds};
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    for (std::size_t b = a + 1; b < sizes.size(); ++b) {
      std::array<bool, 16 * 16> seen{};
      int pairs = 0;
      for (int row = 0; row < combination_count; ++row) {
        const auto columns = columns_of(combination_at(row));
        bool& here = seen[static_cast<std::size_t>(columns[a] * 16 + columns[b])];
        pairs += here ? 0 : 1;
        here = true;
      }
      if (pairs != sizes[a] * sizes[b]) return false;
    }
  }
  return true;
}
static_assert(covers_all_pairs());

}  // namespace detail
}  // namespace peerfold::test
