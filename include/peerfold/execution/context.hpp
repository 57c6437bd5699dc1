/// \file
/// The context: what an algorithm knows of the rank and the block that run it. One template for
/// all places; they differ in the group.
#pragma once

#include <peerfold/arch/clock.hpp>
#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/delay.hpp>
#include <peerfold/sync/fault.hpp>

namespace peerfold::execution {

/// One block of one rank, for the length of one call. `Group` is the workers of the block: lanes
/// that run the same code, each with its own context.
template <int N, class Group>
class context {
 public:
  /// The rank count, or, where that is known at run time, what it is at most.
  static constexpr int size = N;
  using group_type = Group;

  /// All lanes of the group construct theirs. `scratch` is at least `scratch_bytes` of memory that
  /// the group shares, aligned to 16; `channel`, `local` and `call`, which says what is called,
  /// outlive the context.
  PEERFOLD_HD context(const sync::channel_view<N>& channel, const sync::rank_view<N>& local,
                      int block, int blocks, Group group, void* scratch,
                      const call_signature& call) noexcept
      : channel_{channel},
        local_{local},
        call_{call},
        state_{arch::optimization_barrier(channel.layout.state(local.region[0], block))},
        scratch_{scratch},
        group_{group},
        block_{block},
        blocks_{blocks} {}

  /// Takes the block's ticket and looks whether the team is poisoned. Transports call it once, as
  /// early as it holds nothing up, and name a number of the block's state with the value that they
  /// started from: if it has moved on, another kernel had the ticket meanwhile.
  PEERFOLD_HD void enter(const uint64_t* number, uint64_t value) noexcept {
    // One lane: all would queue for the one word of poison. The last: the first ones wait for
    // peers, and would do so for this first.
    if (group_.lane() == group_.width() - 1) {
      poison_ = arch::load_relaxed(&own_poison()->poison);
      ticket_ = arch::exchange_local(&state().busy, 1);
      started_from_ = static_cast<uint32_t>(value);
      found_ = static_cast<uint32_t>(arch::load_relaxed(number));
    }
  }

  /// Behind a wait: the lane that took the ticket, where another kernel has the block, makes the
  /// rank's other lanes end their waits. Returns poison().
  PEERFOLD_HD uint32_t look_at_ticket() noexcept {
    if (was_busy() != 0) [[unlikely]] {
      poison_ = sync::poisoned;
      arch::store_relaxed(&own_poison()->poison, sync::poisoned);
    }
    return poison_;
  }

  /// Gives the block's ticket back, and reports a fault, where there was one. All lanes call it,
  /// last; the elected one only when the group needs the block's state no more. Other lanes may
  /// still wait or store: a kernel that begins from here on unordered is not found out.
  PEERFOLD_HD void leave() noexcept {
    if (group_.elect()) arch::store_relaxed(&state().busy, uint32_t{0});
    if ((poison_ | was_busy()) != 0) [[unlikely]] {
      report_fault();
    }
  }

  static constexpr int scratch_bytes = 2048;
  static constexpr int transport_scratch_bytes = 512;  ///< of these, the first

  [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return local_.rank; }
  /// How many there are: as many as the type says, or counted at run time.
  [[nodiscard]] PEERFOLD_HD int ranks() const noexcept { return local_.layout.ranks(); }
  /// The `step`-th rank after this one, 1 <= step < ranks().
  [[nodiscard]] PEERFOLD_HD int rank_after(int step) const noexcept {
    return peerfold::rank_after<N>(local_.layout, rank(), step);
  }
  [[nodiscard]] PEERFOLD_HD int block() const noexcept { return block_; }
  [[nodiscard]] PEERFOLD_HD int blocks() const noexcept { return blocks_; }
  [[nodiscard]] PEERFOLD_HD const Group& group() const noexcept { return group_; }
  [[nodiscard]] PEERFOLD_HD const sync::channel_view<N>& channel() const noexcept {
    return channel_;
  }

  /// The digest of the call.
  [[nodiscard]] PEERFOLD_HD const call_digest& digest() const noexcept { return local_.digest; }

  /// The channel's region of the rank `step` after this one; 0: its own.
  [[nodiscard]] PEERFOLD_HD stl::byte* region(int step) const noexcept {
    return local_.region[step];
  }

  /// How the channel's regions are laid out.
  [[nodiscard]] PEERFOLD_HD const sync::region_layout<N>& layout() const noexcept {
    return local_.layout;
  }

  /// This block's state between calls.
  [[nodiscard]] PEERFOLD_HD sync::block_state<N>& state() const noexcept { return *state_; }

  /// Memory that the group shares, uninitialised: a transport's.
  template <class T>
  [[nodiscard]] PEERFOLD_HD T& scratch() const noexcept {
    static_assert(sizeof(T) <= transport_scratch_bytes && stl::is_trivially_copyable_v<T>);
    return *static_cast<T*>(scratch_);
  }
  /// The same, that no transport uses: the body's.
  template <class T>
  [[nodiscard]] PEERFOLD_HD T& body_scratch() const noexcept {
    static_assert(sizeof(T) <= scratch_bytes - transport_scratch_bytes &&
                  stl::is_trivially_copyable_v<T>);
    return *reinterpret_cast<T*>(static_cast<stl::byte*>(scratch_) + transport_scratch_bytes);
  }

  /// Not 0 once this lane knows of a fault. Lanes of a group may differ: vote before branching.
  [[nodiscard]] PEERFOLD_HD uint32_t poison() const noexcept { return poison_; }

  /// Counts a poll that found nothing; false when it is time for a look (see give_up()), or this
  /// lane knows of a fault. A lane keeps one `polls`, from 0, a wait.
  [[nodiscard]] PEERFOLD_HD bool may_poll(uint32_t& polls) const noexcept {
    if (poison_ != 0 || ++polls % Group::polls_between_looks == 0) [[unlikely]]
      return false;
    arch::pause(polls);
    return true;
  }

  /// The expensive look, for a lane that has waited for `peer`: true when the wait must end,
  /// because the budget is spent, the team was poisoned or aborted, or `disagrees`: what the peer
  /// sent is of another call. A lane keeps one `since`, from 0, a wait. The report, which names the
  /// peer and the numbers on the wire, is left to leave().
  ///
  /// A peer that has been `heard` in this call may itself wait for one that is missing: whoever has
  /// not heard that one at all speaks first.
  [[nodiscard]] PEERFOLD_HD bool give_up(uint64_t& since, int peer, bool heard, uint32_t expected,
                                         uint32_t seen, bool disagrees) noexcept {
    if (poison_ != 0) return true;
    const uint64_t now = arch::now_ns();
    if (since == 0) since = now;
    const uint64_t budget = channel_.wait_budget_ns;
    const uint64_t longer =
        heard ? (budget < 2 * most_patience_ns ? budget / 2 : most_patience_ns) : 0;
    const uint32_t own = (now - since > budget + longer ? 1 : 0) | was_busy() |
                         arch::load_relaxed(&local_.host->abort);
    const uint32_t told = arch::load_acquire(&own_poison()->poison);
    const bool differ = disagrees || told == sync::poisoned_by_disagreement;
    poison_ = differ ? sync::poisoned_by_disagreement : own | told;
    if (poison_ == 0) return false;
    if (disagrees || (own != 0 && !differ)) blame(peer, expected, seen);
    return true;
  }

  /// Makes this rank report that `peer` made another call. All lanes of the group call it, or one.
  PEERFOLD_HD void disagree(int peer, uint32_t number) noexcept {
    poison_ = sync::poisoned_by_disagreement;
    blame(peer, number, number);
  }

  /// Makes this rank report a fault that no wait showed, and every rank end: `kind`, with rank
  /// `peer`. The elected lane calls it, behind the close of a transport; its group votes on.
  PEERFOLD_HD void fail(fault_kind kind, int peer) noexcept {
    poison_ = sync::poisoned;
    awaited_ = peer;
    found_fault_ = kind;
    report_fault();
  }

  /// How many messages the block has sent in this kernel that nothing orders but the data
  /// themselves; for transports to count.
  [[nodiscard]] PEERFOLD_HD uint32_t& unordered_messages() noexcept { return unordered_messages_; }

  PEERFOLD_HD void delay(sync::delay_site site, uint64_t message) const noexcept {
    sync::maybe_delay(channel_.delay_seed, site, rank(), block_, message);
  }

 private:
  static constexpr uint64_t most_patience_ns = 1'000'000'000;

  PEERFOLD_HD void blame(int peer, uint32_t expected, uint32_t seen) noexcept {
    awaited_ = peer;
    expected_ = expected;
    seen_ = seen;
    // The rank's other lanes need not find out for themselves.
    arch::store_relaxed(&own_poison()->poison, sync::poisoned);
  }

  [[nodiscard]] PEERFOLD_HD sync::poison_words* own_poison() const noexcept {
    return sync::poison_of(region(0), channel_.layout);
  }

  /// Not 0 where another kernel used the block at once; what enter() asked for is not waited for
  /// before this is called.
  [[nodiscard]] PEERFOLD_HD uint32_t was_busy() const noexcept {
    return ticket_ | (found_ ^ started_from_);
  }

  /// Whether this rank knows where every other's region is.
  [[nodiscard]] PEERFOLD_HD bool reaches_all() const noexcept {
    bool all = true;
    for (int step = 1; step < ranks(); ++step) all = all && region(step) != nullptr;
    return all;
  }

  /// Writes this rank's report, if it is the first, and poisons every rank; nothing where this lane
  /// was told by another, unless the ranks disagree: then each says what it called. Once a kernel,
  /// and inlined: one that calls functions starts slower.
  PEERFOLD_HD void report_fault() const noexcept {
    const bool disagreement = poison_ == sync::poisoned_by_disagreement;
    const bool was_told = awaited_ < 0 && was_busy() == 0 && !disagreement;
    // Who told it may not reach all that this rank does.
    if (was_told && reaches_all()) return;
    fault_kind kind = fault_kind::timeout;
    if (disagreement) {
      kind = fault_kind::disagreement;
    } else if (found_fault_ != fault_kind::none) {
      kind = found_fault_;
    } else if (was_busy() != 0) {
      kind = fault_kind::channel_busy;
    } else if (arch::load_relaxed(&local_.host->abort) != 0) {
      kind = fault_kind::aborted;
    }
    if (!was_told && arch::exchange_local(&own_poison()->claimed, 1) == 0) {
      local_.host->report = {kind,   rank(),    awaited_, call_, channel_.channel,
                             block_, expected_, seen_};
      arch::store_release(&local_.host->faulted, uint32_t{1});
    }
    for (int step = 0; step < ranks(); ++step) {
      if (region(step) == nullptr) continue;  // out of reach: others pass it on
      auto* words = sync::poison_of(region(step), channel_.layout);
      arch::store_release(&words->poison, kind == fault_kind::disagreement
                                              ? sync::poisoned_by_disagreement
                                              : sync::poisoned);  // behind the report
    }
  }

  const sync::channel_view<N>& channel_;
  const sync::rank_view<N>& local_;
  const call_signature& call_;
  sync::block_state<N>* state_;
  void* scratch_;
  Group group_;
  int block_;
  int blocks_;
  uint32_t poison_ = 0;
  uint32_t ticket_ = 0;
  uint32_t started_from_ = 0;
  uint32_t found_ = 0;
  uint32_t unordered_messages_ = 0;
  int awaited_ = -1;  ///< with the numbers, what the wait was for that ended in a fault
  uint32_t expected_ = 0;
  uint32_t seen_ = 0;
  fault_kind found_fault_ = fault_kind::none;
};

}  // namespace peerfold::execution
