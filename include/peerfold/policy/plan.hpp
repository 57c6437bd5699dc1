/// \file
/// Plans: how a policy cuts a message into tiles and over how many blocks of how many lanes. A plan
/// depends on nothing but what all ranks agree on, so every rank makes the same.
#pragma once

#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/transport/tile.hpp>

#include <algorithm>
#include <cstdint>

namespace peerfold {

/// What one rank runs for one call.
struct launch_plan {
  int blocks = 1;
  int width = 1;  ///< lanes a block
  transport::tiling tiles;
  call_signature call;
};

namespace detail {

constexpr size_t divide_up(size_t a, size_t b) noexcept { return a / b + (a % b != 0 ? 1 : 0); }

/// A plan for `count` elements over `Transport`, in tiles of `parts` shares, for at most
/// `max_blocks` blocks of a power of two of lanes between `narrowest` and `widest`, and of no more
/// than the transport allows for. The fewest lanes that hold the message at once, with packs_a_lane
/// packs each where fragments have room for them (what a lane does once a tile costs as much as
/// several packs), but twice as many where that takes more than 64 blocks. Tiles too hold so many
/// packs a lane, but fewer (two, if they have room for two) where a message would not make four of
/// them: more blocks than that only wait for the slowest. Measured on 2 H200 and 2 H100
/// (docs/decisions/0008).
///
/// If `pieces`, a message of a transport that can carries several tiles where every block has many:
/// what is done once a message, above all the wait for stores to arrive, takes as long as moving a
/// tile. Where an algorithm sends several tiles in a message, `tiles_of_slot` of them fit into a
/// slot of stores.
template <class Transport>
constexpr launch_plan make_plan(size_t count, uint32_t parts, const sync::channel_shape& shape,
                                int max_blocks, int narrowest, int widest, bool pieces = false,
                                uint32_t tiles_of_slot = 1) noexcept {
  constexpr uint32_t pack = Transport::pack_type::size;
  constexpr size_t deep = std::min(Transport::traits.packs_a_lane, Transport::fragment_type::packs);
  constexpr size_t line = 8;  // packs of 16 bytes: shares start on a line of 128 bytes
  const size_t packs = std::max<size_t>(1, divide_up(divide_up(count, parts), pack));
  const auto blocks = static_cast<size_t>(max_blocks);
  widest = std::min(widest, Transport::traits.most_lanes);
  int width = std::min(narrowest, widest);
  // Of few lanes, half the blocks of twice as many are better.
  constexpr size_t many = 64;
  while (deep > 1 && width < widest / 2 && many * static_cast<size_t>(width) * deep < packs) {
    width *= 2;
  }
  while (width < widest && blocks * static_cast<size_t>(width) * deep < packs) width *= 2;

  const auto lanes = static_cast<size_t>(width);
  const size_t room = Transport::capacity(shape, width) / pack;
  const size_t of_slot = shape.store_bytes / sizeof(typename Transport::pack_type) / tiles_of_slot;
  const size_t capacity = tiles_of_slot == 1 ? room : std::clamp<size_t>(of_slot, 1, room);
  const size_t even = divide_up(packs, blocks);
  const size_t full =
      std::clamp(divide_up(packs, 4), std::min<size_t>(deep, 2) * lanes, deep * lanes);
  const size_t share = std::min(std::max(even, full), packs);

  launch_plan plan;
  plan.width = width;
  plan.tiles = {count,
                static_cast<uint32_t>(std::min(divide_up(share, line) * line, capacity)) * pack,
                parts};
  plan.blocks = static_cast<int>(std::min<size_t>(blocks, plan.tiles.tiles()));
  if constexpr (Transport::traits.most_pieces > 1) {
    const uint32_t of_a_block = plan.tiles.tiles() / static_cast<uint32_t>(plan.blocks);
    const uint32_t most = std::min(of_a_block / 4, Transport::most_pieces(shape, width));
    if (pieces && most > 1) plan.tiles = {count, plan.tiles.share(), parts, most};
  }
  return plan;
}

}  // namespace detail
}  // namespace peerfold
