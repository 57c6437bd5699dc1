/// \file
/// Sums of two narrow floating elements, a word at a time, where that has the bits of a sum in
/// float that is rounded once.
///
/// It has: the sum of two numbers of p digits that is rounded to q >= 2p + 2 digits and then to p
/// is the sum rounded to p at once (S. A. Figueroa, "When is double rounding innocuous?", SIGNUM
/// Newsletter 30(3), 1995). Float has 24 digits, half precision 11, bfloat16 8, e4m3 4, e5m2 3: the
/// 16-bit types are added as they are, the 8-bit types in half precision. Sums that are subnormal
/// are exact in both ways.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::arch {

#if PEERFOLD_DEVICE_PASS && PEERFOLD_HAS_FLOAT16

/// Whether this device has instructions for elements of type T.
template <class T>
inline constexpr bool has_packed_sum =
    (stl::same_as<T, __half> && __CUDA_ARCH__ >= 530) || (is_float8<T> && __CUDA_ARCH__ >= 890) ||
    (stl::same_as<T, __nv_bfloat16> && __CUDA_ARCH__ >= 900);

namespace detail {

__device__ inline uint32_t sum_of_halves(uint32_t a, uint32_t b) noexcept {
  uint32_t sum;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  return sum;
}

/// Two of e4m3 (Mantissa 3) or e5m2 (2).
template <int Mantissa>
__device__ inline uint32_t sum_of_float8(uint32_t a, uint32_t b) noexcept {
  const auto widen = [](uint32_t two) {
    uint32_t halves;
    if constexpr (Mantissa == 3) {
      asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(static_cast<uint16_t>(two)));
    } else {
      asm("cvt.rn.f16x2.e5m2x2 %0, %1;" : "=r"(halves) : "h"(static_cast<uint16_t>(two)));
    }
    return halves;
  };
  const uint32_t sum = sum_of_halves(widen(a), widen(b));
  uint16_t two;
  if constexpr (Mantissa == 3) {
    asm("cvt.rn.satfinite.e4m3x2.f16x2 %0, %1;" : "=h"(two) : "r"(sum));
  } else {
    asm("cvt.rn.satfinite.e5m2x2.f16x2 %0, %1;" : "=h"(two) : "r"(sum));
  }
  return two;
}

/// Whether one of four e5m2 is infinite or no number: they are then not summed in half precision,
/// where sums of finite ones overflow, and are to become the largest number.
__device__ inline bool has_special(uint32_t word) noexcept {
  return (((word & 0x7f7f'7f7fu) + 0x0404'0404u) & 0x8080'8080u) != 0;
}

}  // namespace detail

/// The sums of the elements of two words.
template <class T>
  requires has_packed_sum<T>
__device__ inline uint32_t packed_sum(uint32_t a, uint32_t b) noexcept {
  if constexpr (stl::same_as<T, __half>) {
    return detail::sum_of_halves(a, b);
  } else if constexpr (stl::same_as<T, __nv_bfloat16>) {
    uint32_t sum;
    asm("add.rn.bf16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
  } else if constexpr (stl::same_as<T, __nv_fp8_e4m3>) {
    return detail::sum_of_float8<3>(a, b) | detail::sum_of_float8<3>(a >> 16, b >> 16) << 16;
  } else {
    if (!detail::has_special(a) && !detail::has_special(b)) [[likely]] {
      return detail::sum_of_float8<2>(a, b) | detail::sum_of_float8<2>(a >> 16, b >> 16) << 16;
    }
    using format = peerfold::detail::float8_format<2>;
    uint32_t sum = 0;
    PEERFOLD_NO_UNROLL
    for (uint32_t shift = 0; shift < 32; shift += 8) {
      const float wide =
          __fadd_rn(format::widen(a >> shift & 0xffu), format::widen(b >> shift & 0xffu));
      sum |= format::narrow(wide) << shift;
    }
    return sum;
  }
}

#else

template <class T>
inline constexpr bool has_packed_sum = false;

template <class T>
  requires has_packed_sum<T>
PEERFOLD_HD uint32_t packed_sum(uint32_t a, uint32_t b) noexcept;

#endif

}  // namespace peerfold::arch
