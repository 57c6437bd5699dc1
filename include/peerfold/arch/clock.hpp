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

/// Between two polls, of which `polls` were in vain. On the host it gives the core away, as ranks
/// may outnumber the cores; and who has waited long sleeps, so as not to stand in others' way.
PEERFOLD_HD inline void pause([[maybe_unused]] uint32_t polls = 0) noexcept {
#if !PEERFOLD_DEVICE_PASS && !defined(__CUDACC_RTC__)
  constexpr uint32_t yields = 8192;  // some milliseconds, where nobody else wants the core
  if (polls < yields) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(std::chrono::microseconds{50});
  }
#endif
}

/// Spends about `ns` nanoseconds.
PEERFOLD_HD inline void spend(uint64_t ns) noexcept {
  const uint64_t start = now_ns();
  while (now_ns() - start < ns) pause();
}

}  // namespace peerfold::arch
