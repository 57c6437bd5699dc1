/// \file
/// The workers of one rank as threads.
#pragma once

#include <peerfold/core/config.hpp>

#include <atomic>
#include <cstdint>

namespace peerfold::execution {

/// A barrier for the threads of one rank that also counts votes. Reusable at once; it must outlive
/// every arrive(), as the last to come wakes those who wait.
class voting_barrier {
 public:
  explicit voting_barrier(int width) noexcept : width_{static_cast<std::uint32_t>(width)} {}

  /// Waits for all; returns whether any of them came with `vote`.
  bool arrive(bool vote) noexcept {
    const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (vote) votes_[phase % 2].store(1, std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == width_) {
      arrived_.store(0, std::memory_order_relaxed);
      votes_[(phase + 1) % 2].store(0, std::memory_order_relaxed);
      // In one order with what notify_all() and wait() do to know of each other.
      phase_.store(phase + 1, std::memory_order_seq_cst);
      phase_.notify_all();
    } else {
      phase_.wait(phase, std::memory_order_acquire);
    }
    return votes_[phase % 2].load(std::memory_order_relaxed) != 0;
  }

 private:
  const std::uint32_t width_;
  std::atomic<std::uint32_t> arrived_{0};
  std::atomic<std::uint32_t> phase_{0};
  std::atomic<std::uint32_t> votes_[2]{};
};

/// One thread's place among the workers of its rank.
class thread_group {
 public:
  /// Packs of a fragment that a lane holds (on its stack).
  static constexpr int packet_packs = 256;
  static constexpr int store_packs = 256;
  static constexpr int sentinel_packs = 256;
  static constexpr std::uint32_t polls_between_looks = 64;

  thread_group(voting_barrier& barrier, int lane, int width) noexcept
      : barrier_{&barrier}, lane_{lane}, width_{width} {}

  [[nodiscard]] int lane() const noexcept { return lane_; }
  [[nodiscard]] int width() const noexcept { return width_; }
  [[nodiscard]] bool elect() const noexcept { return lane_ == 0; }
  [[nodiscard]] bool any(bool vote) const noexcept {
    return width_ == 1 ? vote : barrier_->arrive(vote);
  }
  void sync() const noexcept { static_cast<void>(any(false)); }

 private:
  voting_barrier* barrier_;
  int lane_;
  int width_;
};

}  // namespace peerfold::execution
