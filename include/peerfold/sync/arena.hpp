/// \file
/// The arena: the memory of a rank that its peers write into. All ranks of a team lay theirs out
/// alike, so a peer's word is found by the peer's base address and an offset that everyone knows.
///
/// An arena is the poison words, then a region a channel: for every block its own state, the flags
/// that its peers write, and the rings of slots that its peers fill, a kind a transport.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/fault.hpp>

namespace peerfold::sync {

/// Slots of a ring: powers of two. packet.hpp, store_flag.hpp and sentinel.hpp of transport/ say
/// why so many.
inline constexpr unsigned packet_slots = 2;
inline constexpr unsigned store_slots = 8;
inline constexpr unsigned sentinel_slots = 4;

/// What all ranks agree on when a team comes together.
struct channel_shape {
  int blocks = 0;             ///< blocks a rank may use
  uint32_t packet_lines = 0;  ///< 16-byte lines a packet slot holds
  uint32_t store_bytes = 0;   ///< bytes a store slot holds, a multiple of 16
  /// 16-byte lines a sentinel slot holds beside its header, a multiple of 8; 0: there are none.
  uint32_t sentinel_lines = 0;
};

/// Where one block stands with one peer.
struct alignas(16) pair_sequence {
  uint64_t sent;      ///< the last message sent
  uint64_t received;  ///< the last message received
  uint32_t credit;    ///< number of the last message that the peer has released, as far as is
                      ///< known, as flags have it; for transports with credits
  uint32_t calls;     ///< calls so far, by transports with flags
};

/// Where one block stands with all peers together, by sentinels: everybody sends everybody a
/// message.
struct alignas(16) common_sequence {
  uint64_t last;   ///< the last message sent and received
  uint32_t lines;  ///< how many lines of it are to be wiped, the most of any peer
  uint32_t unused;
};

/// The numbers of a pair, read by lane `lane` of `width`. All lanes read the same, but the compiler
/// cannot tell: it would move the numbers into uniform registers, and wait for them, at once.
PEERFOLD_HD inline pair_sequence read_by_lane(const pair_sequence& numbers, int lane,
                                              int width) noexcept {
  return *(&numbers + (lane < width ? 0 : 1));
}

/// The ranks beside one; room for one where there are none.
template <int N>
inline constexpr int most_others = N > 1 ? N - 1 : 1;

/// How many rings a block has for its peers: at least one.
template <int N>
PEERFOLD_HD constexpr int others_of(const rank_extent<N>& extent) noexcept {
  return extent.ranks() > 1 ? extent.ranks() - 1 : 1;
}

/// A peer's position among the others of a rank: ascending, without the rank itself.
template <int N>
PEERFOLD_HD constexpr int peer_index(int peer, int of_rank) noexcept {
  if constexpr (N <= 2) return 0;
  return peer < of_rank ? peer : peer - 1;
}

/// What a block keeps between calls, by peer_index; touched by its own rank only.
template <int N>
struct alignas(64) block_state {
  pair_sequence packet[most_others<N>];
  pair_sequence store[most_others<N>];
  common_sequence sentinel;
  uint32_t busy;  ///< 1 while a kernel uses the block
};

/// Where things lie within one channel's region, as kernels look it up: offsets, in bytes. The
/// states come first.
///
/// The rank count is a base: as a member with [[no_unique_address]], nvcc 13.0 lays kernels'
/// arguments out otherwise than the host's compiler.
template <int N>
struct region_layout : rank_extent<N> {
  uint32_t packet_lines = 0;  ///< as in the shape
  uint32_t store_bytes = 0;   ///< as in the shape
  size_t packets = 0;
  size_t flags = 0;
  size_t stores = 0;
  size_t sentinels = 0;
  uint32_t sentinel_bytes = 0;  ///< of a slot

  PEERFOLD_HD block_state<N>* state(stl::byte* region, int block) const noexcept {
    return reinterpret_cast<block_state<N>*>(region) + block;
  }

  /// The word in a rank's region by which `peer` tells it what it has sent and released (see
  /// flag_of()).
  PEERFOLD_HD uint64_t* flag(stl::byte* region, int block, int peer) const noexcept {
    return reinterpret_cast<uint64_t*>(region + flags + static_cast<size_t>(block) * flag_stride) +
           peer;
  }

  /// Where in `rank`'s region the ring begins into which `peer` puts packets, and the one into
  /// which it stores data; and where in them a message does.
  PEERFOLD_HD size_t packet_ring(int block, int rank, int peer) const noexcept {
    return packets + static_cast<size_t>(ring(block, rank, peer) * packet_slots) * packet_bytes();
  }
  PEERFOLD_HD size_t store_ring(int block, int rank, int peer) const noexcept {
    return stores + static_cast<size_t>(ring(block, rank, peer) * store_slots) * store_bytes;
  }
  PEERFOLD_HD size_t sentinel_ring(int block, int rank, int peer) const noexcept {
    return sentinels +
           static_cast<size_t>(ring(block, rank, peer) * sentinel_slots) * sentinel_bytes;
  }
  /// From the ring of one other rank to that of the next in the same region.
  PEERFOLD_HD uint32_t sentinel_stride() const noexcept { return sentinel_slots * sentinel_bytes; }
  /// Bytes before the first line of a sentinel slot; its header is the first of them.
  static constexpr uint32_t sentinel_header = 128;

  PEERFOLD_HD uint32_t packet_slot(uint64_t message) const noexcept {
    return static_cast<unsigned>(message) % packet_slots * packet_bytes();
  }
  PEERFOLD_HD uint32_t store_slot(uint64_t message) const noexcept {
    return static_cast<unsigned>(message) % store_slots * store_bytes;
  }
  PEERFOLD_HD uint32_t sentinel_slot(uint64_t message) const noexcept {
    return static_cast<unsigned>(message) % sentinel_slots * sentinel_bytes;
  }

 protected:
  /// Bytes of a packet slot.
  PEERFOLD_HD constexpr uint32_t packet_bytes() const noexcept {
    return packet_lines * static_cast<uint32_t>(sizeof(arch::word_pair));
  }

  /// The number of a ring in `rank`'s region.
  PEERFOLD_HD unsigned ring(int block, int rank, int peer) const noexcept {
    return static_cast<unsigned>(block * others_of<N>(*this) + peer_index<N>(peer, rank));
  }

  /// Bytes of the line that the flags of one block have to themselves: blocks poll them.
  static constexpr size_t flag_stride = (sizeof(uint64_t) * N + 127) / 128 * 128;
};

/// One channel's region: how it is laid out, and where it lies in the arena.
template <int N>
struct channel_layout : region_layout<N> {
  size_t begin = 0;  ///< of the region, in the arena
  size_t end = 0;    ///< likewise
  int blocks = 0;    ///< as in the shape

  channel_layout() = default;

  /// The first region that begins at `at` or behind it.
  PEERFOLD_HD constexpr channel_layout(const channel_shape& agreed, size_t at,
                                       const rank_extent<N>& extent = {})
      : region_layout<N>{extent, agreed.packet_lines, agreed.store_bytes},
        begin{align(at)},
        blocks{agreed.blocks} {
    const auto count = static_cast<size_t>(blocks);
    const size_t rings = count * static_cast<size_t>(others_of(extent));
    constexpr size_t line = region_layout<N>::flag_stride;
    this->flags = (count * sizeof(block_state<N>) + line - 1) / line * line;
    this->packets = align(this->flags + count * line);
    this->stores = align(this->packets + rings * packet_slots * this->packet_bytes());
    this->sentinels = align(this->stores + rings * store_slots * this->store_bytes);
    if (agreed.sentinel_lines != 0) {
      this->sentinel_bytes = region_layout<N>::sentinel_header + agreed.sentinel_lines * line_bytes;
    }
    end = begin + align(this->sentinels + sentinel_ring_bytes());
  }

  /// Bytes of all rings of sentinels, which start out as ones.
  [[nodiscard]] PEERFOLD_HD constexpr size_t sentinel_ring_bytes() const noexcept {
    const auto rings = static_cast<size_t>(blocks * others_of<N>(*this));
    return rings * sentinel_slots * this->sentinel_bytes;
  }

  [[nodiscard]] PEERFOLD_HD constexpr channel_shape shape() const noexcept {
    const uint32_t slot = this->sentinel_bytes;
    return {blocks, this->packet_lines, this->store_bytes,
            slot == 0 ? 0 : (slot - region_layout<N>::sentinel_header) / line_bytes};
  }

 private:
  static constexpr auto line_bytes = static_cast<uint32_t>(sizeof(arch::word_pair));

  /// Regions and rings begin at multiples of the largest slot, so that slots of packets and
  /// stores, which are powers of two on GPUs, lie aligned to themselves within an arena, and what a
  /// warp stores at once in one piece. (Those of sentinels lie at multiples of 128 bytes.)
  PEERFOLD_HD static constexpr size_t align(size_t offset) {
    constexpr size_t largest_slot = 128 * 1024;
    return (offset + largest_slot - 1) / largest_slot * largest_slot;
  }
};

/// What all ranks know of a channel. Trivially copyable: it travels to kernels by value.
template <int N>
struct channel_view {
  channel_layout<N> layout;
  uint64_t wait_budget_ns = 0;
  uint64_t delay_seed = 0;  ///< tests only, see sync/delay.hpp
  int32_t channel = 0;
};

/// How one rank reaches a channel: what differs between ranks. Trivially copyable.
template <int N>
struct rank_view {
  /// The channel's region in the arena of the rank `step` after this one, as this one reaches it;
  /// [0] is its own.
  stl::byte* region[N] = {};
  int32_t rank = 0;
  call_digest digest;       ///< of the call's signature
  region_layout<N> layout;  ///< the channel's, beside what a kernel reads first
  host_words* host = nullptr;
};

/// The poison words of the arena that has a channel's region.
template <int N>
PEERFOLD_HD inline poison_words* poison_of(stl::byte* region,
                                           const channel_layout<N>& layout) noexcept {
  return reinterpret_cast<poison_words*>(region - layout.begin);
}

}  // namespace peerfold::sync
