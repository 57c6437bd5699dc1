/// \file
/// Time and pauses inside a wait.
#pragma once

#include <peerfold/core/config.hpp>

#if !defined(__CUDACC_RTC__)
#include <chrono>
#include <thread>
#endif

namespace peerfold::arch {

/// Nanoseconds of a clock that never runs backwards; of the GPU on the device.
PEERFOLD_HD inline uint64_t now_ns() noexcept {
#if PEERFOLD_DEVICE_PASS
  uint64_t value;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(value));
  return value;
#elif !defined(__CUDACC_RTC__)
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
#endif
}

/// Between two polls. On the host it gives the core away: ranks may outnumber the cores.
PEERFOLD_HD inline void pause() noexcept {
#if !PEERFOLD_DEVICE_PASS && !defined(__CUDACC_RTC__)
  std::this_thread::yield();
#endif
}

/// Spends about `ns` nanoseconds.
PEERFOLD_HD inline void spend(uint64_t ns) noexcept {
  const uint64_t start = now_ns();
  while (now_ns() - start < ns) pause();
}

}  // namespace peerfold::arch
