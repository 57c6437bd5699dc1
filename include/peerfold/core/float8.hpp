/// \file
/// CUDA's 8-bit floating types, __nv_fp8_e4m3 and __nv_fp8_e5m2, as elements. They are declared
/// here and no more: whoever uses one includes <cuda_fp8.h>. The formats are those of the OCP 8-bit
/// Floating Point Specification, revision 1.0.
#pragma once

#include <peerfold/core/config.hpp>

struct __nv_fp8_e4m3;
struct __nv_fp8_e5m2;

namespace peerfold {

/// Whether T is an 8-bit floating type.
template <class T>
inline constexpr bool is_float8 =
    stl::is_same_v<T, __nv_fp8_e4m3> || stl::is_same_v<T, __nv_fp8_e5m2>;

namespace detail {

/// The format with `Mantissa` stored bits of the significand: 3 (e4m3) or 2 (e5m2).
template <int Mantissa>
struct float8_format {
  static constexpr uint32_t bias = Mantissa == 3 ? 7 : 15;
  static constexpr uint32_t largest = Mantissa == 3 ? 0x7e : 0x7b;  ///< 448, 57344
  static constexpr uint32_t infinity = 0x7c;                        ///< of e5m2; e4m3 has none
  static constexpr uint32_t nan = 0x7f;

  /// Exact.
  PEERFOLD_HD static float widen(uint32_t bits) noexcept {
#if PEERFOLD_DEVICE_PASS && __CUDA_ARCH__ >= 890
    uint16_t half = static_cast<uint16_t>(bits << 8);  // e5m2 is the upper half of a half
    if constexpr (Mantissa == 3) {
      uint32_t halves;
      asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(static_cast<uint16_t>(bits)));
      half = static_cast<uint16_t>(halves);
    }
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
#else
    const uint32_t sign = (bits & 0x80u) << 24;
    const uint32_t magnitude = bits & 0x7fu;
    if (magnitude > largest) {
      const bool is_infinite = Mantissa == 2 && magnitude == infinity;
      return peerfold::bit_cast<float>(sign | (is_infinite ? 0x7f80'0000u : 0x7fc0'0000u));
    }
    if (magnitude >> Mantissa == 0) {  // subnormal here, but not as a float
      constexpr uint32_t last_place = (128 - bias - Mantissa) << 23;
      const float value = static_cast<float>(magnitude) * peerfold::bit_cast<float>(last_place);
      return peerfold::bit_cast<float>(sign | peerfold::bit_cast<uint32_t>(value));
    }
    return peerfold::bit_cast<float>(sign |
                                     ((magnitude << (23 - Mantissa)) + ((127 - bias) << 23)));
#endif
  }

  /// Rounded to nearest, ties to even. What is larger than the largest number becomes that number,
  /// as CUDA's own conversions have it; infinity does where the format has none, and else is kept.
  /// A NaN becomes the positive one whose bits are all set.
  PEERFOLD_HD static uint32_t narrow(float value) noexcept {
    const uint32_t bits = peerfold::bit_cast<uint32_t>(value);
    const uint32_t sign = bits >> 24 & 0x80u;
    const uint32_t magnitude = bits & 0x7fff'ffffu;
    if (Mantissa == 2 && magnitude == 0x7f80'0000u) return sign | infinity;
#if PEERFOLD_DEVICE_PASS && __CUDA_ARCH__ >= 890
    uint16_t two;
    if constexpr (Mantissa == 3) {
      asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(two) : "f"(0.0f), "f"(value));
    } else {
      asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(two) : "f"(0.0f), "f"(value));
    }
    return two & 0xffu;
#else
    constexpr uint32_t dropped = 23 - Mantissa;
    constexpr uint32_t smallest_normal = 128 - bias;  // its exponent, as a float has it
    if (magnitude > 0x7f80'0000u) return nan;
    const uint32_t exponent = magnitude >> 23;
    if (exponent >= smallest_normal) {
      const uint32_t rounded = rounded_off(magnitude, dropped) - ((127 - bias) << Mantissa);
      return sign | (rounded < largest ? rounded : +largest);
    }
    // A subnormal: the significand in units of the last place.
    const uint32_t shift = dropped + smallest_normal - exponent;
    if (shift > 24) return sign;  // less than half a unit
    return sign | rounded_off((magnitude & 0x7f'ffffu) | 0x80'0000u, shift);
#endif
  }

 private:
  PEERFOLD_HD static constexpr uint32_t rounded_off(uint32_t x, uint32_t shift) noexcept {
    return (x + (1u << (shift - 1)) - 1 + (x >> shift & 1u)) >> shift;
  }
};

/// The element traits of a type of such a format. A template, so that the type may be incomplete.
template <class T, int Mantissa>
struct float8_traits {
  using accumulator = float;
  PEERFOLD_HD static float widen(const T& value) noexcept {
    return float8_format<Mantissa>::widen(peerfold::bit_cast<uint8_t>(value));
  }
  PEERFOLD_HD static T narrow(float value) noexcept {
    return peerfold::bit_cast<T>(static_cast<uint8_t>(float8_format<Mantissa>::narrow(value)));
  }
};

}  // namespace detail
}  // namespace peerfold
