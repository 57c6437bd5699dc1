/// \file
/// Element types: which there are, in what type they are folded, and how they widen and round.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/narrow_float.hpp>

namespace peerfold {

/// The largest element, in bytes: slots of any ring have room for one, and kernels that fold eight
/// ranks' find theirs in the local memory that teams reserve.
inline constexpr int largest_element = 128;

/// A type whose values can travel as bytes.
template <class T>
concept element =
    stl::is_trivially_copyable_v<T> && !stl::is_const_v<T> && sizeof(T) <= largest_element;

/// How an element is folded: the accumulator type, and the conversions to and from it. The
/// conversion back rounds to nearest even, once. Specialise for a type of your own.
template <class T>
struct element_traits {
  using accumulator = T;
  PEERFOLD_HD static constexpr T widen(const T& value) noexcept { return value; }
  PEERFOLD_HD static constexpr T narrow(const T& value) noexcept { return value; }
};

/// The 8- and 16-bit floating types are folded in float. Finite results beyond the largest 8-bit
/// number become that number.
template <>
struct element_traits<__half> : detail::narrow_traits<__half, detail::half_format> {};
template <>
struct element_traits<__nv_bfloat16>
    : detail::narrow_traits<__nv_bfloat16, detail::bfloat16_format> {};
template <>
struct element_traits<__nv_fp8_e4m3>
    : detail::narrow_traits<__nv_fp8_e4m3, detail::float8_format<3>> {};
template <>
struct element_traits<__nv_fp8_e5m2>
    : detail::narrow_traits<__nv_fp8_e5m2, detail::float8_format<2>> {};

/// Two floating-point numbers, the real part first: std::complex, cuda::std::complex (on GPUs only
/// this: the other's constructors are for hosts), or a type that looks like them.
template <class T>
concept complex_number = stl::is_floating_point_v<typename T::value_type> &&
                         sizeof(T) == 2 * sizeof(typename T::value_type) && requires(const T& z) {
                           { z.real() } -> stl::same_as<typename T::value_type>;
                           { z.imag() } -> stl::same_as<typename T::value_type>;
                         };

/// A list of types.
template <class... Types>
struct type_list {
  static constexpr size_t size = sizeof...(Types);
};

/// The element types that the library knows by name. Others are as good.
using known_elements =
    type_list<float, double, int32_t, uint32_t, int64_t, uint64_t, int16_t, uint16_t, int8_t,
              uint8_t, bool, __nv_fp8_e4m3, __nv_fp8_e5m2, __half, __nv_bfloat16>;

/// The type in which elements of type T are folded: float for 8- and 16-bit floating types, else T.
template <class T>
using accumulator_t = typename element_traits<T>::accumulator;

}  // namespace peerfold
