/// \file
/// Sums of two 16-bit floating elements, a register of two at a time, where that has the bits of a
/// sum in float that is rounded once.
///
/// It has: the sum of two numbers of p digits that is rounded to q >= 2p + 2 digits and then to p
/// is the sum rounded to p at once (S. A. Figueroa, "When is double rounding innocuous?", SIGNUM
/// Newsletter 30(3), 1995). Float has 24 digits, half precision 11, bfloat16 8. Sums that are
/// subnormal are exact, and those that overflow do so in both ways.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::arch {

#if PEERFOLD_DEVICE_PASS && PEERFOLD_HAS_FLOAT16

/// Whether there is an instruction for elements of type T.
template <class T>
inline constexpr bool has_packed_sum = (stl::same_as<T, __half> && __CUDA_ARCH__ >= 530) ||
                                       (stl::same_as<T, __nv_bfloat16> && __CUDA_ARCH__ >= 900);

/// The sums of both halves of two words.
template <class T>
  requires has_packed_sum<T>
__device__ inline uint32_t packed_sum(uint32_t a, uint32_t b) noexcept {
  uint32_t sum;
  if constexpr (stl::same_as<T, __half>) {
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  } else {
    asm("add.rn.bf16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  }
  return sum;
}

#else

template <class T>
inline constexpr bool has_packed_sum = false;

template <class T>
  requires has_packed_sum<T>
PEERFOLD_HD uint32_t packed_sum(uint32_t a, uint32_t b) noexcept;

#endif

}  // namespace peerfold::arch
