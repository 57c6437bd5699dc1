/// \file
/// Sums of two narrow floating elements, a pack at a time, where that has the bits of a sum in
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

#if PEERFOLD_DEVICE_PASS

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
__device__ inline uint32_t sum_of_bfloat16(uint32_t a, uint32_t b) noexcept {
  uint32_t sum;
  asm("add.rn.bf16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  return sum;
}

/// Of four of e4m3 (Mantissa 3) or e5m2 (2) the first two (First 0) or the last (2), as halves.
template <int Mantissa, int First>
__device__ inline uint32_t halves_of_float8(uint32_t four) noexcept {
  if constexpr (Mantissa == 2) {  // the upper half of a half
    return __byte_perm(four, 0, First == 0 ? 0x1404 : 0x3424);
  } else {
    uint32_t halves;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;"
        : "=r"(halves)
        : "h"(static_cast<uint16_t>(four >> 8 * First)));
    return halves;
  }
}
/// Two halves as float8.
template <int Mantissa>
__device__ inline uint32_t float8_of_halves(uint32_t halves) noexcept {
  uint16_t two;
  if constexpr (Mantissa == 3) {
    asm("cvt.rn.satfinite.e4m3x2.f16x2 %0, %1;" : "=h"(two) : "r"(halves));
  } else {
    asm("cvt.rn.satfinite.e5m2x2.f16x2 %0, %1;" : "=h"(two) : "r"(halves));
  }
  return two;
}

/// `zeros`, or NaN in the half where x is infinite or NaN.
__device__ inline uint32_t unless_finite(uint32_t x, uint32_t zeros) noexcept {
  uint32_t sum;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(x), "r"(0), "r"(zeros));
  return sum;
}

/// Four sums of e5m2, a + b, in which the conversion has made infinities the largest number, which
/// they are to be only as sums of finite numbers.
__device__ inline uint32_t with_infinities(uint32_t sum, uint32_t a, uint32_t b) noexcept {
  constexpr uint32_t infinity = 0x7c7c'7c7c;
  constexpr uint32_t magnitude = 0x7f7f'7f7f;
  // Bit 7 of a byte: both numbers are something else; the sum is NaN, all ones but for the sign.
  const uint32_t others =
      (((a ^ infinity) & magnitude) + magnitude) & (((b ^ infinity) & magnitude) + magnitude);
  const uint32_t nans = (sum & magnitude) + 0x0101'0101u;
  return sum + ((~(others | nans) & 0x8080'8080u) >> 7);
}

template <int Mantissa, class Pack>
__device__ inline Pack sum_of_float8(const Pack& a, const Pack& b) noexcept {
  constexpr uint32_t words = Pack::bytes / 4;
  Pack sum;
  uint32_t low_zeros = 0;
  uint32_t high_zeros = 0;
  PEERFOLD_UNROLL
  for (uint32_t w = 0; w < words; ++w) {
    const uint32_t low = sum_of_halves(halves_of_float8<Mantissa, 0>(a.word[w]),
                                       halves_of_float8<Mantissa, 0>(b.word[w]));
    const uint32_t high = sum_of_halves(halves_of_float8<Mantissa, 2>(a.word[w]),
                                        halves_of_float8<Mantissa, 2>(b.word[w]));
    sum.word[w] = float8_of_halves<Mantissa>(low) | float8_of_halves<Mantissa>(high) << 16;
    if constexpr (Mantissa == 2) {
      low_zeros = unless_finite(low, low_zeros);
      high_zeros = unless_finite(high, high_zeros);
    }
  }
  if constexpr (Mantissa == 2) {
    if ((low_zeros | high_zeros) != 0) [[unlikely]] {
      PEERFOLD_UNROLL
      for (uint32_t w = 0; w < words; ++w) {
        sum.word[w] = with_infinities(sum.word[w], a.word[w], b.word[w]);
      }
    }
  }
  return sum;
}

}  // namespace detail

/// The sums of the elements of two packs.
template <class Pack>
  requires has_packed_sum<typename Pack::value_type>
__device__ inline Pack packed_sum(const Pack& a, const Pack& b) noexcept {
  using T = typename Pack::value_type;
  if constexpr (stl::same_as<T, __nv_fp8_e4m3>) {
    return detail::sum_of_float8<3>(a, b);
  } else if constexpr (stl::same_as<T, __nv_fp8_e5m2>) {
    return detail::sum_of_float8<2>(a, b);
  } else {
    Pack sum;
    PEERFOLD_UNROLL
    for (uint32_t w = 0; w < Pack::bytes / 4; ++w) {
      sum.word[w] = stl::same_as<T, __half> ? detail::sum_of_halves(a.word[w], b.word[w])
                                            : detail::sum_of_bfloat16(a.word[w], b.word[w]);
    }
    return sum;
  }
}

#else

template <class T>
inline constexpr bool has_packed_sum = false;

template <class Pack>
  requires has_packed_sum<typename Pack::value_type>
PEERFOLD_HD Pack packed_sum(const Pack& a, const Pack& b) noexcept;

#endif

}  // namespace peerfold::arch
