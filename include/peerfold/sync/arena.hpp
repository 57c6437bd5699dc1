/// \file
/// The arena: the memory of a rank that its peers write into. All ranks of a team lay theirs out
/// alike, so a peer's word is found by the peer's base address and an offset that everyone knows.
///
/// An arena is the poison words, then a region a channel: for every block its own state, the flags
/// that its peers write, and the rings of slots that its peers fill (packet and store transport).
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/fault.hpp>

namespace peerfold::sync {

/// Slots of a ring: powers of two. transport/packet.hpp and transport/store.hpp say why so many.
inline constexpr unsigned packet_slots = 2;
inline constexpr unsigned store_slots = 8;

/// What all ranks agree on when a team comes together.
struct channel_shape {
  int blocks = 0;             ///< blocks a rank may use
  uint32_t packet_lines = 0;  ///< 16-byte lines a packet slot holds
  uint32_t store_bytes = 0;   ///< bytes a store slot holds, a multiple of 16
};

/// Where one block stands with one peer.
struct alignas(16) pair_sequence {
  uint64_t sent;      ///< the last message sent
  uint64_t received;  ///< the last message received
  uint32_t credit;    ///< wire number of the last message that the peer has released, as far as is
                      ///< known; for transports with credits
};

/// What a block keeps between calls; touched by its own rank only.
template <int N>
struct alignas(64) block_state {
  pair_sequence packet[N];
  pair_sequence store[N];
  uint32_t busy;  ///< 1 while a kernel uses the block
};

/// The offsets of one channel's region, in bytes from the start of the arena.
template <int N>
struct channel_layout {
  static constexpr int peers = N > 1 ? N - 1 : 1;

  channel_shape shape;
  size_t states = 0;
  size_t packets = 0;
  size_t flags = 0;
  size_t stores = 0;
  size_t end = 0;

  channel_layout() = default;

  /// The region that starts at `begin`, a multiple of 128.
  PEERFOLD_HD constexpr channel_layout(const channel_shape& agreed, size_t begin) : shape{agreed} {
    const auto blocks = static_cast<size_t>(shape.blocks);
    states = begin;
    flags = align(states + blocks * sizeof(block_state<N>));
    packets = align(flags + blocks * flags_stride());
    stores = align(packets + blocks * peers * packet_slots * shape.packet_lines * 16);
    end = align(stores + blocks * peers * store_slots * shape.store_bytes);
  }

  /// A peer's position among the others of a rank: ascending, without the rank itself.
  PEERFOLD_HD static constexpr int peer_index(int peer, int of_rank) noexcept {
    return peer < of_rank ? peer : peer - 1;
  }

  PEERFOLD_HD block_state<N>* state(stl::byte* arena, int block) const noexcept {
    return reinterpret_cast<block_state<N>*>(arena + states) + block;
  }

  /// The word in `rank`'s arena by which `peer` tells it: low half the last message that is
  /// complete, high half the last message that it has released.
  PEERFOLD_HD uint64_t* flag(stl::byte* arena, int block, int peer) const noexcept {
    return reinterpret_cast<uint64_t*>(arena + flags +
                                       static_cast<size_t>(block) * flags_stride()) +
           peer;
  }

  /// The slot in `rank`'s arena where `peer` puts the packets of a message.
  PEERFOLD_HD arch::word_pair* packet_slot(stl::byte* arena, int block, int rank, int peer,
                                           uint64_t message) const noexcept {
    const auto slot = static_cast<unsigned>(message) % packet_slots;
    const auto index =
        static_cast<unsigned>(block * peers + peer_index(peer, rank)) * packet_slots + slot;
    return reinterpret_cast<arch::word_pair*>(arena + packets) +
           static_cast<size_t>(index) * shape.packet_lines;
  }

  /// The slot in `rank`'s arena where `peer` stores the data of a message.
  PEERFOLD_HD stl::byte* store_slot(stl::byte* arena, int block, int rank, int peer,
                                    uint64_t message) const noexcept {
    const auto slot = static_cast<unsigned>(message) % store_slots;
    const auto index =
        static_cast<unsigned>(block * peers + peer_index(peer, rank)) * store_slots + slot;
    return arena + stores + static_cast<size_t>(index) * shape.store_bytes;
  }

 private:
  PEERFOLD_HD static constexpr size_t align(size_t offset) { return (offset + 127) / 128 * 128; }
  PEERFOLD_HD static constexpr size_t flags_stride() { return 8 * N <= 16 ? 16 : 64; }
};

/// How one rank reaches a channel: where every rank's arena lies for it, and how long it waits.
/// Trivially copyable: it travels to kernels by value.
template <int N>
struct channel_view {
  stl::byte* arena[N] = {};
  channel_layout<N> layout;
  uint64_t wait_budget_ns = 0;
  uint64_t delay_seed = 0;  ///< tests only, see sync/delay.hpp
  int32_t channel = 0;

  PEERFOLD_HD poison_words* poison(int rank) const noexcept {
    return reinterpret_cast<poison_words*>(arena[rank]);
  }
};

}  // namespace peerfold::sync
