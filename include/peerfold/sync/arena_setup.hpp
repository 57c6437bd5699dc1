/// \file
/// The host's side of arenas: how large, where each channel lies, and what they start with.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/sequence.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace peerfold::sync {

/// The layout of every rank's arena of one team.
template <int N>
struct arena_plan {
  rank_extent<N> extent;
  std::vector<channel_layout<N>> channels{};
  std::size_t bytes = sizeof(poison_words);

  void add(const channel_shape& shape) {
    channels.emplace_back(shape, bytes, extent);
    bytes = channels.back().end;
  }
};

/// The shape of a channel of `blocks` blocks whose rings of stores take about `bytes` bytes a rank:
/// packet slots of `packet_lines` lines, sentinel slots of `sentinel_lines` or a few more, and
/// store slots of the power of two that still fits, between 1 KiB and 128 KiB.
template <int N>
channel_shape shape_channel(const rank_extent<N>& extent, int blocks, uint32_t packet_lines,
                            uint32_t sentinel_lines, std::size_t bytes) {
  const auto slots = static_cast<std::size_t>(blocks * others_of(extent)) * store_slots;
  const std::size_t room = std::clamp<std::size_t>(bytes / slots, 1024, 128 * 1024);
  return {blocks, packet_lines, static_cast<uint32_t>(std::bit_floor(room)),
          counts_ranks_early<N> ? (sentinel_lines + 7) / 8 * 8 : 0};
}

/// Writes what the states and flags of a channel start with into the host's image of its region,
/// up to layout.packets; everything else starts as zeros, but for the rings of sentinels.
/// `first_sequence` messages count as exchanged already.
template <int N>
void write_initial_state(std::byte* region, const channel_layout<N>& layout,
                         std::uint64_t first_sequence) {
  const std::uint64_t flag = flag_of(first_sequence, first_sequence, 0, {});
  for (int block = 0; block < layout.blocks; ++block) {
    auto* state = ::new (layout.state(region, block)) block_state<N>{};
    for (int j = 0; j < others_of<N>(layout); ++j) {
      state->packet[j] = {first_sequence, first_sequence, 0, 0};
      state->store[j] = {first_sequence, first_sequence, credit_of(flag), 0};
    }
    state->sentinel.last = first_sequence;
    for (int peer = 0; peer < layout.ranks(); ++peer) {
      *layout.flag(region, block, peer) = flag;
    }
  }
}

/// Writes all of a region that starts as something else than zeros, in memory that the host
/// reaches.
template <int N>
void initialise_region(std::byte* region, const channel_layout<N>& layout,
                       std::uint64_t first_sequence) {
  write_initial_state<N>(region, layout, first_sequence);
  std::memset(region + layout.sentinels, 0xff, layout.sentinel_ring_bytes());
}

/// How rank `rank` reaches a channel, where every arena lies at one address for all ranks.
template <int N>
rank_view<N> view_of_rank(std::byte* const (&arenas)[N], const channel_layout<N>& layout,
                          host_words* host, int rank) noexcept {
  rank_view<N> view;
  for (int step = 0; step < layout.ranks(); ++step) {
    const int to = step == 0 ? rank : rank_after<N>(layout, rank, step);
    view.region[step] = arenas[to] + layout.begin;
  }
  view.rank = rank;
  view.layout = layout;
  view.host = host;
  return view;
}

}  // namespace peerfold::sync
