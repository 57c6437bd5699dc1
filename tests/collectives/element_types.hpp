/// \file
/// The element types and operators beside those of ../all_reduce/pairs.hpp: every operator with
/// every type that it folds, in turn by the collectives that fold.
#pragma once

#include <peerfold/peerfold.hpp>
#include <peerfold/policy/traits.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace peerfold::test {
namespace detail {

/// From first_known on the other table has them, with the operators before first_bitwise.
#if PEERFOLD_ORACLE_HAS_FLOAT16
using more_types =
    std::tuple<__nv_fp8_e4m3, __nv_fp8_e5m2, std::complex<float>, std::int16_t, std::uint16_t,
               std::int8_t, std::uint8_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
inline constexpr std::array<std::string_view, 11> more_names{
    "fp8_e4m3", "fp8_e5m2", "complex<float>", "int16", "uint16", "int8",
    "uint8",    "int32",    "uint32",         "int64", "uint64"};
#else
using more_types =
    std::tuple<std::complex<float>, std::int16_t, std::uint16_t, std::int8_t, std::uint8_t,
               std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
inline constexpr std::array<std::string_view, 9> more_names{
    "complex<float>", "int16", "uint16", "int8", "uint8", "int32", "uint32", "int64", "uint64"};
#endif
inline constexpr int first_known = static_cast<int>(more_names.size()) - 6;
using more_operators = std::tuple<sum, prod, min, max, avg, mix, bit_and, bit_or, bit_xor>;
inline constexpr std::array<std::string_view, 9> more_operator_names{
    "sum", "prod", "min", "max", "avg", "mix", "bit_and", "bit_or", "bit_xor"};
inline constexpr int first_bitwise = 6;

template <class Place, int Type, int Operator>
void add_more() {
  using T = std::tuple_element_t<Type, more_types>;
  using Op = std::tuple_element_t<Operator, more_operators>;
  if constexpr (folds_elements<Op, T> && (Type < first_known || Operator >= first_bitwise)) {
    constexpr std::array folding{collective::all_reduce, collective::reduce_scatter,
                                 collective::reduce, collective::inclusive_scan,
                                 collective::exclusive_scan};
    // An average has no scan.
    constexpr std::size_t known = std::is_same_v<Op, avg> ? 3 : folding.size();
    constexpr collective which = folding[(Type + Operator) % known];
    constexpr int ranks = (3 * Type + Operator) % (max_ranks - 1) + 2;
    // By packets and by stores, the latter where it can be in two steps.
    constexpr policy by_stores =
        has_policy(which, two_shot_store) ? two_shot_store : one_shot_store;
    constexpr bool by_packets = (Type + Operator / 2) % 2 == 0;
    using list = policies<by_packets ? one_shot_packet : by_stores>;
    registration(to_string(which),
                 std::string{more_operator_names[Operator]} + " of " +
                     std::string{more_names[Type]} + ", " + std::to_string(ranks) + " ranks, " +
                     std::string{to_string(list::list[0])},
                 &run_combination<Place, T, Op, ranks, list, memory_kind::ordinary, false, which>);
  }
}

}  // namespace detail

/// Types First to Last.
template <class Place, int First, int Last>
bool add_element_types() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    constexpr int ops = static_cast<int>(detail::more_operator_names.size());
    (detail::add_more<Place, First + I / ops, I % ops>(), ...);
  }(std::make_integer_sequence<int, (Last - First + 1) *
                                        static_cast<int>(detail::more_operator_names.size())>{});
  return true;
}

}  // namespace peerfold::test
