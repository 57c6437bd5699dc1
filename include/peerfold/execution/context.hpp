/// \file
/// The context: what an algorithm knows of the rank and the block that run it. One template for
/// all places; they differ in the group.
#pragma once

#include <peerfold/arch/clock.hpp>
#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/delay.hpp>
#include <peerfold/sync/fault.hpp>

namespace peerfold::execution {

/// One rank as it runs: what only itself needs.
struct local_rank {
  stl::byte* arena;
  sync::host_words* host;
  int32_t rank;
};

/// One block of one rank, for the length of one call. `Group` is the workers of the block: lanes
/// that run the same code, each with its own context.
template <int N, class Group>
class context {
 public:
  static constexpr int size = N;
  using group_type = Group;

  /// All lanes of the group construct theirs. `scratch` is at least `scratch_bytes` of memory that
  /// the group shares, aligned to 16; `channel` outlives the context.
  PEERFOLD_HD context(const sync::channel_view<N>& channel, const local_rank& local, int block,
                      int blocks, Group group, void* scratch, collective which) noexcept
      : channel_{channel},
        host_{local.host},
        arena_{local.arena},
        state_{channel.layout.state(local.arena, block)},
        scratch_{scratch},
        group_{group},
        rank_{local.rank},
        block_{block},
        blocks_{blocks},
        which_{which} {}

  /// Takes the block's ticket and looks whether the team is poisoned. Transports call it once, as
  /// early as it holds nothing up.
  PEERFOLD_HD void enter() noexcept {
    poison_ = arch::load_relaxed(&reinterpret_cast<sync::poison_words*>(arena_)->poison);
    if (group_.elect()) was_busy_ = arch::exchange_local(&state().busy, 1);
  }

  /// Gives the block's ticket back; for the elected lane to call.
  PEERFOLD_HD void leave() noexcept {
    if (!group_.elect()) return;
    if (was_busy_ != 0) [[unlikely]] {
      spread(fault_kind::channel_busy, -1, 0, 0);
    }
    arch::store_relaxed(&state().busy, uint32_t{0});
  }

  static constexpr int scratch_bytes = 512;

  [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return rank_; }
  [[nodiscard]] PEERFOLD_HD int block() const noexcept { return block_; }
  [[nodiscard]] PEERFOLD_HD int blocks() const noexcept { return blocks_; }
  [[nodiscard]] PEERFOLD_HD const Group& group() const noexcept { return group_; }
  [[nodiscard]] PEERFOLD_HD const sync::channel_view<N>& channel() const noexcept {
    return channel_;
  }

  /// This rank's own arena.
  [[nodiscard]] PEERFOLD_HD stl::byte* arena() const noexcept { return arena_; }

  /// This block's state between calls.
  [[nodiscard]] PEERFOLD_HD sync::block_state<N>& state() const noexcept { return *state_; }

  /// Memory that the group shares, uninitialised.
  template <class T>
  [[nodiscard]] PEERFOLD_HD T& scratch() const noexcept {
    static_assert(sizeof(T) <= scratch_bytes && stl::is_trivially_copyable_v<T>);
    return *static_cast<T*>(scratch_);
  }

  /// Not 0 once this lane knows of a fault. Lanes of a group may differ: vote before branching.
  [[nodiscard]] PEERFOLD_HD uint32_t poison() const noexcept { return poison_; }

  /// Counts a poll that found nothing; true when the wait must end, because the budget is spent or
  /// the team was poisoned or aborted. A lane keeps one `since` (from 0) and `polls` (from 0) a
  /// wait. The expensive looks are taken every `Group::polls_between_looks` polls, out of line.
  [[nodiscard]] PEERFOLD_HD bool give_up(uint32_t& polls, uint64_t& since, int peer,
                                         uint32_t expected, uint32_t seen) noexcept {
    if (poison_ != 0) return true;
    if (++polls % Group::polls_between_looks != 0) [[likely]] {
      arch::pause();
      return false;
    }
    since = look(since, peer, expected, seen);
    if (since != 0) return false;
    poison_ = sync::poisoned;
    return true;
  }

  PEERFOLD_HD void delay(sync::delay_site site, uint64_t message) const noexcept {
    sync::maybe_delay(channel_.delay_seed, site, rank_, block_, message);
  }

 private:
  // Inlined, rare as they are: a kernel that calls functions is slower from its start.

  /// Returns when the wait began, or 0 if it is over.
  [[nodiscard]] PEERFOLD_HD uint64_t look(uint64_t since, int peer, uint32_t expected,
                                          uint32_t seen) const noexcept {
    if (arch::load_relaxed(&channel_.poison(rank_)->poison) != 0) return 0;
    const uint64_t now = arch::now_ns();
    fault_kind kind = fault_kind::timeout;
    if (was_busy_ != 0) {
      kind = fault_kind::channel_busy;
    } else if (arch::load_relaxed(&host_->abort) != 0) {
      kind = fault_kind::aborted;
    } else if (since == 0 || now - since <= channel_.wait_budget_ns) {
      return since != 0 ? since : now;
    }
    spread(kind, peer, expected, seen);
    return 0;
  }

  /// Writes this rank's report, if it is the first, and poisons every rank.
  PEERFOLD_HD void spread(fault_kind kind, int peer, uint32_t expected,
                          uint32_t seen) const noexcept {
    if (arch::exchange_local(&channel_.poison(rank_)->claimed, 1) == 0) {
      host_->report = {kind, rank_, peer, which_, channel_.channel, block_, expected, seen};
      arch::store_release(&host_->faulted, uint32_t{1});
    }
    for (int q = 0; q < N; ++q) {
      arch::store_relaxed(&channel_.poison(q)->poison, sync::poisoned);
    }
  }

  const sync::channel_view<N>& channel_;
  sync::host_words* host_;
  stl::byte* arena_;
  sync::block_state<N>* state_;
  void* scratch_;
  Group group_;
  int rank_;
  int block_;
  int blocks_;
  collective which_;
  uint32_t poison_ = 0;
  uint32_t was_busy_ = 0;
};

}  // namespace peerfold::execution
