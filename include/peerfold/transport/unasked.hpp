/// \file
/// Whether a peer has sent something by a transport that this rank does not wait for in this call.
/// A rank that waits looks now and then, and takes it for a disagreement at the second look: what
/// was sent before what it waits for would be there by now.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/sequence.hpp>

namespace peerfold::transport {

/// Whether the next message of `peer` by packets is there.
template <class Context>
[[nodiscard]] PEERFOLD_HD bool packet_is_there(const Context& c, int peer) noexcept {
  const int j = sync::peer_index<Context::size>(peer, c.rank());
  const uint64_t next = c.state().packet[j].received + 1;
  const auto* line = reinterpret_cast<const arch::word_pair*>(
      c.region(0) + c.layout().packet_ring(c.block(), c.rank(), peer) +
      c.layout().packet_slot(next));
  const auto mark = static_cast<uint32_t>(arch::load_relaxed(line).low >> 32);
  return !sync::another_number(mark, sync::mark_of(static_cast<uint32_t>(next), {}).low);
}

/// Whether `peer` has published its next message by stores.
template <class Context>
[[nodiscard]] PEERFOLD_HD bool store_is_there(const Context& c, int peer) noexcept {
  const int j = sync::peer_index<Context::size>(peer, c.rank());
  const uint64_t flag = arch::load_acquire(c.layout().flag(c.region(0), c.block(), peer));
  return sync::completes(flag, c.state().store[j].received + 1);
}

/// Whether the header of the next message of `peer` by sentinels is there.
template <class Context>
[[nodiscard]] PEERFOLD_HD bool sentinel_is_there(const Context& c, int peer) noexcept {
  if constexpr (!counts_ranks_early<Context::size>) {
    return false;
  } else {
    if (c.layout().sentinel_bytes == 0) return false;
    const auto* header = reinterpret_cast<const arch::word_pair*>(
        c.region(0) + c.layout().sentinel_ring(c.block(), c.rank(), peer) +
        c.layout().sentinel_slot(c.state().sentinel.last + 1));
    return arch::load_relaxed(header).low != sync::nothing_yet;
  }
}

/// Which of the other ranks a lane that waits for several found to have sent something else when
/// it last looked.
template <int N>
class suspicions {
 public:
  /// Whether the j-th other rank has `now`, and had at the last look too.
  [[nodiscard]] PEERFOLD_HD bool confirmed(int j, bool now) noexcept {
    const bool before = suspected_.has(j);
    now ? suspected_.add(j) : suspected_.remove(j);
    return now && before;
  }

 private:
  rank_set<N> suspected_;  ///< as positions among the others
};

}  // namespace peerfold::transport
