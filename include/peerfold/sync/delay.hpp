/// \file
/// Seeded delays for tests: built with PEERFOLD_DELAYS=1, every publication and every reception may
/// be held up for some microseconds, so that orders of events appear that a quiet machine never
/// shows. Off, it is nothing.
#pragma once

#include <peerfold/arch/clock.hpp>
#include <peerfold/core/config.hpp>

#if !defined(PEERFOLD_DELAYS)
#define PEERFOLD_DELAYS 0
#endif

namespace peerfold::sync {

/// Where in a protocol a delay is taken.
enum class delay_site : uint32_t { before_publish = 1, after_receive = 2 };

/// Holds the caller up, or not, as a hash of its arguments says.
PEERFOLD_HD inline void maybe_delay([[maybe_unused]] uint64_t seed,
                                    [[maybe_unused]] delay_site site, [[maybe_unused]] int rank,
                                    [[maybe_unused]] int block,
                                    [[maybe_unused]] uint64_t message) noexcept {
#if PEERFOLD_DELAYS
  if (seed == 0) return;
  uint64_t x = seed ^ (message * 0x9e37'79b9'7f4a'7c15u);
  x ^= (static_cast<uint64_t>(rank) << 32) + (static_cast<uint64_t>(block) << 8) +
       static_cast<uint64_t>(site);
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
  x ^= x >> 31;
  if (x % 8 == 0) arch::spend((x >> 8) % 20'000);
#endif
}

}  // namespace peerfold::sync
