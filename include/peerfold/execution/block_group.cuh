/// \file
/// The workers of one rank's block as the threads of a CUDA thread block.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::execution {

/// All threads of the block, x only. Used on the device; constants also by the host's plans.
struct block_group {
  /// Packs of a fragment that a lane holds, in registers: one packet is the least latency; four
  /// packs of 16 bytes keep enough stores and loads under way to fill a link. Of sentinels two are
  /// for messages that are more than a line a lane (decision 18).
  static constexpr int packet_packs = 1;
  static constexpr int store_packs = 4;
  static constexpr int sentinel_packs = 2;
  static constexpr uint32_t polls_between_looks = 1024;

  [[nodiscard]] PEERFOLD_HD int lane() const noexcept {
#if PEERFOLD_DEVICE_PASS
    return static_cast<int>(threadIdx.x);
#else
    return 0;
#endif
  }
  [[nodiscard]] PEERFOLD_HD int width() const noexcept {
#if PEERFOLD_DEVICE_PASS
    return static_cast<int>(blockDim.x);
#else
    return 1;
#endif
  }
  [[nodiscard]] PEERFOLD_HD bool elect() const noexcept { return lane() == 0; }
  [[nodiscard]] PEERFOLD_HD bool any(bool vote) const noexcept {
#if PEERFOLD_DEVICE_PASS
    return __syncthreads_or(vote ? 1 : 0) != 0;
#else
    return vote;
#endif
  }
  PEERFOLD_HD void sync() const noexcept {
#if PEERFOLD_DEVICE_PASS
    __syncthreads();
#endif
  }
};

}  // namespace peerfold::execution
