/// \file
/// What differs between compilers, in one place: host/device markers, loop hints, and which
/// standard library a translation unit has.
#pragma once

#if defined(__CUDACC_RTC__)
#include <cuda/std/concepts>
#include <cuda/std/cstddef>
#include <cuda/std/cstdint>
#include <cuda/std/type_traits>
#else
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#endif

/// Marks a function that runs on the host and, where nvcc compiles it, on the device too.
#if defined(__CUDACC__)
#define PEERFOLD_HD __host__ __device__
#else
#define PEERFOLD_HD
#endif

/// 1 while the device side of a translation unit is compiled.
#if defined(__CUDA_ARCH__)
#define PEERFOLD_DEVICE_PASS 1
#else
#define PEERFOLD_DEVICE_PASS 0
#endif

/// Unrolls the loop that follows, or keeps it short (on the device; a host compiler decides for
/// itself).
#if defined(__CUDA_ARCH__)
#define PEERFOLD_UNROLL _Pragma("unroll")
#define PEERFOLD_NO_UNROLL _Pragma("unroll 1")
#define PEERFOLD_UNROLL_BY(factor) PEERFOLD_PRAGMA(unroll(factor))
#define PEERFOLD_PRAGMA(text) _Pragma(#text)
#else
#define PEERFOLD_UNROLL
#define PEERFOLD_NO_UNROLL
#define PEERFOLD_UNROLL_BY(factor)
#endif

/// 1 where errors are thrown; 0 where functions return them (see core/error.hpp).
#if !defined(PEERFOLD_EXCEPTIONS)
#if defined(__cpp_exceptions)
#define PEERFOLD_EXCEPTIONS 1
#else
#define PEERFOLD_EXCEPTIONS 0
#endif
#endif

/// 1 where ThreadSanitizer watches, which knows no fences.
#if defined(__SANITIZE_THREAD__)
#define PEERFOLD_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PEERFOLD_THREAD_SANITIZER 1
#endif
#endif
#if !defined(PEERFOLD_THREAD_SANITIZER)
#define PEERFOLD_THREAD_SANITIZER 0
#endif

namespace peerfold {

/// The standard library of this translation unit: NVRTC has libcu++ only.
#if defined(__CUDACC_RTC__)
namespace stl = ::cuda::std;
#else
namespace stl = ::std;
#endif

using stl::int16_t;
using stl::int32_t;
using stl::int64_t;
using stl::int8_t;
using stl::size_t;
using stl::uint16_t;
using stl::uint32_t;
using stl::uint64_t;
using stl::uint8_t;
using stl::uintptr_t;

/// The bits of `from` as a value of type To. (std::bit_cast is not a device function.)
template <class To, class From>
  requires(sizeof(To) == sizeof(From))
PEERFOLD_HD constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

}  // namespace peerfold
