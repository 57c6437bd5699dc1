/// \file
/// CUDA's 8- and 16-bit floating types as elements: __nv_fp8_e4m3, __nv_fp8_e5m2, __half and
/// __nv_bfloat16. They are declared here and no more: whoever uses one includes its header
/// (<cuda_fp8.h>, <cuda_fp16.h>, <cuda_bf16.h>). The 8-bit formats are those of the OCP 8-bit
/// Floating Point Specification, revision 1.0.
#pragma once

#include <peerfold/core/config.hpp>

struct __half;
struct __nv_bfloat16;
struct __nv_fp8_e4m3;
struct __nv_fp8_e5m2;

namespace peerfold {

/// Whether T is an 8-bit floating type.
template <class T>
inline constexpr bool is_float8 =
    stl::is_same_v<T, __nv_fp8_e4m3> || stl::is_same_v<T, __nv_fp8_e5m2>;

/// Whether T is half precision or bfloat16.
template <class T>
inline constexpr bool is_float16 = stl::is_same_v<T, __half> || stl::is_same_v<T, __nv_bfloat16>;

namespace detail {

/// Conversions of magnitudes (bits without the sign) between float and an IEEE-like format with
/// `Mantissa` stored bits of the significand and an exponent biased by `Bias`, for numbers alone.
template <int Mantissa, uint32_t Bias>
struct narrow_float {
  static constexpr uint32_t dropped = 23 - Mantissa;
  static constexpr uint32_t smallest_normal = 128 - Bias;  ///< its exponent, as a float has it

  /// Exact.
  PEERFOLD_HD static uint32_t widen(uint32_t magnitude) noexcept {
    if (magnitude >> Mantissa == 0) {  // subnormal here, but not as a float
      constexpr uint32_t last_place = (smallest_normal - Mantissa) << 23;
      return peerfold::bit_cast<uint32_t>(static_cast<float>(magnitude) *
                                          peerfold::bit_cast<float>(last_place));
    }
    return (magnitude << dropped) + ((127 - Bias) << 23);
  }

  /// Rounded to nearest, ties to even; what is too large stays larger than any number.
  PEERFOLD_HD static uint32_t narrow(uint32_t magnitude) noexcept {
    const uint32_t exponent = magnitude >> 23;
    if (exponent >= smallest_normal) {
      return rounded_off(magnitude, dropped) - ((127 - Bias) << Mantissa);
    }
    // A subnormal: the significand in units of the last place.
    const uint32_t shift = dropped + smallest_normal - exponent;
    if (shift > 24) return 0;  // less than half a unit
    return rounded_off((magnitude & 0x7f'ffffu) | 0x80'0000u, shift);
  }

 private:
  PEERFOLD_HD static constexpr uint32_t rounded_off(uint32_t x, uint32_t shift) noexcept {
    return (x + (1u << (shift - 1)) - 1 + (x >> shift & 1u)) >> shift;
  }
};

/// The format with `Mantissa` stored bits of the significand: 3 (e4m3) or 2 (e5m2).
template <int Mantissa>
struct float8_format {
  using bits_type = uint8_t;
  using numbers = narrow_float<Mantissa, Mantissa == 3 ? 7 : 15>;
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
    return peerfold::bit_cast<float>(sign | numbers::widen(magnitude));
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
    if (magnitude > 0x7f80'0000u) return nan;
    const uint32_t rounded = numbers::narrow(magnitude);
    return sign | (rounded < largest ? rounded : +largest);
#endif
  }
};

/// Half precision. Both conversions keep subnormals, also under fast-math.
struct half_format {
  using bits_type = uint16_t;
  using numbers = narrow_float<10, 15>;
  static constexpr uint32_t infinity = 0x7c00;

  /// Exact.
  PEERFOLD_HD static float widen(uint32_t bits) noexcept {
#if PEERFOLD_DEVICE_PASS
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<uint16_t>(bits)));
    return value;
#else
    const uint32_t sign = (bits & 0x8000u) << 16;
    const uint32_t magnitude = bits & 0x7fffu;
    if (magnitude > infinity) return peerfold::bit_cast<float>(sign | 0x7fc0'0000u);
    if (magnitude == infinity) return peerfold::bit_cast<float>(sign | 0x7f80'0000u);
    return peerfold::bit_cast<float>(sign | numbers::widen(magnitude));
#endif
  }

  /// Rounded to nearest, ties to even; a NaN becomes the positive one whose bits are all set.
  PEERFOLD_HD static uint32_t narrow(float value) noexcept {
#if PEERFOLD_DEVICE_PASS
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    const uint32_t bits = peerfold::bit_cast<uint32_t>(value);
    const uint32_t magnitude = bits & 0x7fff'ffffu;
    if (magnitude > 0x7f80'0000u) return 0x7fff;
    const uint32_t rounded = numbers::narrow(magnitude);
    return (bits >> 16 & 0x8000u) | (rounded < infinity ? rounded : +infinity);
#endif
  }
};

/// bfloat16. Widening is a shift, so it keeps subnormals under fast-math too.
struct bfloat16_format {
  using bits_type = uint16_t;

  /// Exact.
  PEERFOLD_HD static float widen(uint32_t bits) noexcept {
    return peerfold::bit_cast<float>(bits << 16);
  }

  /// As that of half precision.
  PEERFOLD_HD static uint32_t narrow(float value) noexcept {
#if PEERFOLD_DEVICE_PASS
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    const uint32_t bits = peerfold::bit_cast<uint32_t>(value);
    const bool is_nan = (bits & 0x7fff'ffffu) > 0x7f80'0000u;
    const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    return is_nan ? 0x7fffu : rounded >> 16;
#endif
  }
};

/// The element traits of type T, of such a format. A template, so that T may be incomplete.
template <class T, class Format>
struct narrow_traits {
  using accumulator = float;
  using bits_type = typename Format::bits_type;

  PEERFOLD_HD static float widen(const T& value) noexcept {
    return Format::widen(peerfold::bit_cast<bits_type>(value));
  }
  PEERFOLD_HD static T narrow(float value) noexcept {
    return peerfold::bit_cast<T>(static_cast<bits_type>(Format::narrow(value)));
  }
};

}  // namespace detail
}  // namespace peerfold
