/// \file
/// Element types: which there are, in what type they are folded, and how they widen and round.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/float8.hpp>

#if !defined(PEERFOLD_HAS_FLOAT16)
#if defined(__CUDACC__) || __has_include(<cuda_bf16.h>)
#define PEERFOLD_HAS_FLOAT16 1
#else
#define PEERFOLD_HAS_FLOAT16 0
#endif
#endif

#if PEERFOLD_HAS_FLOAT16
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

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

/// Whether T is half precision or bfloat16.
template <class T>
inline constexpr bool is_float16 = false;

#if PEERFOLD_HAS_FLOAT16
template <>
inline constexpr bool is_float16<__half> = true;
template <>
inline constexpr bool is_float16<__nv_bfloat16> = true;

/// Half precision is folded in float. Both conversions keep subnormals, also under fast-math.
template <>
struct element_traits<__half> {
  using accumulator = float;
  PEERFOLD_HD static float widen(const __half& value) noexcept { return __half2float(value); }
  PEERFOLD_HD static __half narrow(float value) noexcept {
#if PEERFOLD_DEVICE_PASS
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return __ushort_as_half(bits);
#else
    return __float2half_rn(value);
#endif
  }
};

/// bfloat16 is folded in float. Widening is a shift, so it keeps subnormals under fast-math too.
template <>
struct element_traits<__nv_bfloat16> {
  using accumulator = float;
  PEERFOLD_HD static float widen(const __nv_bfloat16& value) noexcept {
    return peerfold::bit_cast<float>(uint32_t{peerfold::bit_cast<uint16_t>(value)} << 16);
  }
  PEERFOLD_HD static __nv_bfloat16 narrow(float value) noexcept {
#if PEERFOLD_DEVICE_PASS
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return __ushort_as_bfloat16(bits);
#else
    const uint32_t bits = peerfold::bit_cast<uint32_t>(value);
    const bool is_nan = (bits & 0x7fff'ffffu) > 0x7f80'0000u;
    const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    return peerfold::bit_cast<__nv_bfloat16>(
        static_cast<uint16_t>(is_nan ? 0x7fffu : rounded >> 16));
#endif
  }
};
#endif

/// The 8-bit floating types are folded in float. Finite results beyond the largest number become
/// that number.
template <>
struct element_traits<__nv_fp8_e4m3> : detail::float8_traits<__nv_fp8_e4m3, 3> {};
template <>
struct element_traits<__nv_fp8_e5m2> : detail::float8_traits<__nv_fp8_e5m2, 2> {};

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
#if PEERFOLD_HAS_FLOAT16
using known_elements =
    type_list<float, double, int32_t, uint32_t, int64_t, uint64_t, int16_t, uint16_t, int8_t,
              uint8_t, bool, __nv_fp8_e4m3, __nv_fp8_e5m2, __half, __nv_bfloat16>;
#else
using known_elements = type_list<float, double, int32_t, uint32_t, int64_t, uint64_t, int16_t,
                                 uint16_t, int8_t, uint8_t, bool, __nv_fp8_e4m3, __nv_fp8_e5m2>;
#endif

/// The type in which elements of type T are folded: float for 8- and 16-bit floating types, else T.
template <class T>
using accumulator_t = typename element_traits<T>::accumulator;

}  // namespace peerfold
