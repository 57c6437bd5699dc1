/// \file
/// The host's side of arenas: how large, where each channel lies, and what they start with.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/sequence.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <new>
#include <vector>

namespace peerfold::sync {

/// The layout of every rank's arena of one team.
template <int N>
struct arena_plan {
  std::vector<channel_layout<N>> channels;
  std::size_t bytes = sizeof(poison_words);

  void add(const channel_shape& shape) {
    channels.emplace_back(shape, bytes);
    bytes = channels.back().end;
  }
};

/// The shape of a channel of `blocks` blocks whose rings take about `bytes` bytes a rank: packet
/// slots of at most `most_lines` lines, and store slots of the power of two that still fits,
/// between 1 KiB and 32 KiB.
template <int N>
channel_shape shape_channel(int blocks, uint32_t most_lines, std::size_t bytes) {
  const auto slots = static_cast<std::size_t>(blocks) * channel_layout<N>::peers * store_slots;
  const std::size_t room = std::clamp<std::size_t>(bytes / slots, 1024, 32 * 1024);
  return {blocks, most_lines, static_cast<uint32_t>(std::bit_floor(room))};
}

/// Writes what the states and flags of a channel start with into `arena`, the host's image of an
/// arena; everything else starts as zeros. `first_sequence` messages count as exchanged already.
template <int N>
void write_initial_state(std::byte* arena, const channel_layout<N>& layout,
                         std::uint64_t first_sequence) {
  const std::uint64_t mark = wire(first_sequence);
  for (int block = 0; block < layout.shape.blocks; ++block) {
    auto* state = ::new (layout.state(arena, block)) block_state<N>{};
    for (int peer = 0; peer < N; ++peer) {
      state->packet[peer] = {first_sequence, first_sequence, 0};
      state->store[peer] = {first_sequence, first_sequence, wire(first_sequence)};
      *layout.flag(arena, block, peer) = mark << 32 | mark;
    }
  }
}

}  // namespace peerfold::sync
