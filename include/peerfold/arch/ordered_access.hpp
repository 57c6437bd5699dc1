/// \file
/// Word accesses that order memory between ranks, at system scope (PTX ISA, memory consistency
/// model), and their host twins over std::atomic_ref. Every word that two ranks share is accessed
/// through these and by one width only. The ordering sits on the access itself, never on a fence:
/// ThreadSanitizer understands it so.
#pragma once

#include <peerfold/core/config.hpp>

#if !defined(__CUDACC_RTC__)
#include <atomic>
#endif

// Test builds weaken one side to show that the suite notices (tests/CMakeLists.txt).
#if !defined(PEERFOLD_WEAKEN_RELEASE)
#define PEERFOLD_WEAKEN_RELEASE 0
#endif
#if !defined(PEERFOLD_WEAKEN_ACQUIRE)
#define PEERFOLD_WEAKEN_ACQUIRE 0
#endif

namespace peerfold::arch {

/// A word that hardware reads and writes in one piece.
template <class W>
concept word = stl::same_as<W, uint32_t> || stl::same_as<W, uint64_t>;

namespace detail {
#if PEERFOLD_DEVICE_PASS
__device__ inline size_t global(const void* address) noexcept {
  return __cvta_generic_to_global(address);
}
#endif
}  // namespace detail

/// Reads a word; orders nothing.
template <word W>
PEERFOLD_HD inline W load_relaxed(const W* address) noexcept {
#if PEERFOLD_DEVICE_PASS
  W value;
  if constexpr (sizeof(W) == 4) {
    asm volatile("ld.relaxed.sys.global.u32 %0, [%1];"
                 : "=r"(value)
                 : "l"(detail::global(address))
                 : "memory");
  } else {
    asm volatile("ld.relaxed.sys.global.u64 %0, [%1];"
                 : "=l"(value)
                 : "l"(detail::global(address))
                 : "memory");
  }
  return value;
#elif !defined(__CUDACC_RTC__)
  return std::atomic_ref<W>(*const_cast<W*>(address)).load(std::memory_order_relaxed);
#endif
}

/// Reads a word; later accesses of this thread see what its writer had released.
template <word W>
PEERFOLD_HD inline W load_acquire(const W* address) noexcept {
  if constexpr (PEERFOLD_WEAKEN_ACQUIRE != 0) {
    return load_relaxed(address);
  } else {
#if PEERFOLD_DEVICE_PASS
    W value;
    if constexpr (sizeof(W) == 4) {
      asm volatile("ld.acquire.sys.global.u32 %0, [%1];"
                   : "=r"(value)
                   : "l"(detail::global(address))
                   : "memory");
    } else {
      asm volatile("ld.acquire.sys.global.u64 %0, [%1];"
                   : "=l"(value)
                   : "l"(detail::global(address))
                   : "memory");
    }
    return value;
#elif !defined(__CUDACC_RTC__)
    return std::atomic_ref<W>(*const_cast<W*>(address)).load(std::memory_order_acquire);
#endif
  }
}

/// Writes a word; orders nothing.
template <word W>
PEERFOLD_HD inline void store_relaxed(W* address, W value) noexcept {
#if PEERFOLD_DEVICE_PASS
  if constexpr (sizeof(W) == 4) {
    asm volatile("st.relaxed.sys.global.u32 [%0], %1;" ::"l"(detail::global(address)), "r"(value)
                 : "memory");
  } else {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(detail::global(address)), "l"(value)
                 : "memory");
  }
#elif !defined(__CUDACC_RTC__)
  std::atomic_ref<W>(*address).store(value, std::memory_order_relaxed);
#endif
}

/// Writes a word; whoever acquires it sees all that this thread did or had seen before.
template <word W>
PEERFOLD_HD inline void store_release(W* address, W value) noexcept {
  if constexpr (PEERFOLD_WEAKEN_RELEASE != 0) {
    store_relaxed(address, value);
  } else {
#if PEERFOLD_DEVICE_PASS
    if constexpr (sizeof(W) == 4) {
      asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(detail::global(address)), "r"(value)
                   : "memory");
    } else {
      asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(detail::global(address)), "l"(value)
                   : "memory");
    }
#elif !defined(__CUDACC_RTC__)
    std::atomic_ref<W>(*address).store(value, std::memory_order_release);
#endif
  }
}

/// A release and an acquire of all that this thread has accessed, by whatever it accesses next.
PEERFOLD_HD inline void fence() noexcept {
#if PEERFOLD_DEVICE_PASS
  asm volatile("fence.acq_rel.sys;" ::: "memory");
#elif !defined(__CUDACC_RTC__) && !PEERFOLD_THREAD_SANITIZER
  std::atomic_thread_fence(std::memory_order_acq_rel);
#endif
}

/// Writes a word of this rank's own memory and returns what was there, in one step. Never on a
/// peer's memory: not every pair of GPUs has native peer atomics.
PEERFOLD_HD inline uint32_t exchange_local(uint32_t* address, uint32_t value) noexcept {
#if PEERFOLD_DEVICE_PASS
  return atomicExch(address, value);
#elif !defined(__CUDACC_RTC__)
  return std::atomic_ref<uint32_t>(*address).exchange(value, std::memory_order_acq_rel);
#endif
}

/// `value`, of which the device compiler knows no more than that it is made here: what depends on
/// it stays behind the accesses above, what it depends on before those below. Addresses are of
/// global memory, and stay known to be.
template <class V>
  requires(sizeof(V) == 4 || sizeof(V) == 8)
PEERFOLD_HD inline V optimization_barrier(V value) noexcept {
#if PEERFOLD_DEVICE_PASS
  if constexpr (stl::is_pointer_v<V>) {
    return static_cast<V>(__cvta_global_to_generic(optimization_barrier(detail::global(value))));
  } else if constexpr (sizeof(V) == 4) {
    asm volatile("" : "+r"(value)::"memory");
  } else {
    asm volatile("" : "+l"(value)::"memory");
  }
#endif
  return value;
}

/// Sixteen bytes that travel together, as two words of 64 bits. The memory model promises no
/// more than that each word arrives whole: a protocol checks both.
struct alignas(16) word_pair {
  uint64_t low;
  uint64_t high;
};

/// Reads both words, each whole, in no order.
PEERFOLD_HD inline word_pair load_relaxed(const word_pair* address) noexcept {
  word_pair value;
#if PEERFOLD_DEVICE_PASS
  asm volatile("ld.relaxed.sys.global.v2.b64 {%0, %1}, [%2];"
               : "=l"(value.low), "=l"(value.high)
               : "l"(detail::global(address))
               : "memory");
#else
  value.low = load_relaxed(&address->low);
  value.high = load_relaxed(&address->high);
#endif
  return value;
}

/// Writes both words, each whole, in no order.
PEERFOLD_HD inline void store_relaxed(word_pair* address, const word_pair& value) noexcept {
#if PEERFOLD_DEVICE_PASS
  asm volatile("st.relaxed.sys.global.v2.b64 [%0], {%1, %2};" ::"l"(detail::global(address)),
               "l"(value.low), "l"(value.high)
               : "memory");
#else
  store_relaxed(&address->low, value.low);
  store_relaxed(&address->high, value.high);
#endif
}

}  // namespace peerfold::arch
