/// \file
/// Messages of several tiles: the pieces of one, and what peers sent of each.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::algorithm {

/// Calls visit(piece, index) for each tile of the message that begins with tile `first` of a block;
/// for one, where messages are single tiles.
template <bool Pieces, class Visit>
PEERFOLD_HD void for_each_piece(const transport::tiling& tiles, uint32_t first, uint32_t blocks,
                                Visit visit) {
  if constexpr (!Pieces) {
    visit(0u, first);
  } else {
    uint32_t index = first;
    PEERFOLD_NO_UNROLL
    for (uint32_t piece = 0; piece < tiles.pieces() && index < tiles.tiles(); ++piece) {
      visit(piece, index);
      index += blocks;
    }
  }
}

/// Whether this step only sends ahead. `ahead` is the tile that it sends, `idle` counts the steps
/// before the first that receives: what a block receives lags behind what it sends. Where the next
/// step has nothing to send (ahead + stride >= end), the idle ones are left out: ahead moves on to
/// where the first that receives has it, and the answer is no.
PEERFOLD_HD inline bool only_sends(uint32_t& idle, uint32_t& ahead, uint32_t stride,
                                   uint32_t end) noexcept {
  if (idle == 0) return false;
  if (ahead + stride < end) {
    --idle;
    return true;
  }
  ahead += idle * stride;
  idle = 0;
  return false;
}

/// send() of a message's tile.
template <bool Pieces, class Transport>
PEERFOLD_HD void send_piece(Transport& t, int step, const transport::tile& x,
                            const typename Transport::fragment_type& values, uint32_t piece) {
  if constexpr (!Pieces) {
    t.send(step, x, values);
  } else {
    t.send(step, x, values, piece);
  }
}

/// What the peers sent of a message's tile, where `theirs` is the message.
template <bool Pieces, class Transport, class Group>
[[nodiscard]] PEERFOLD_HD decltype(auto) arrivals_of(const typename Transport::arrivals& theirs,
                                                     uint32_t piece, const Group& group) {
  if constexpr (!Pieces) {
    return (theirs);
  } else {
    return theirs.at_piece(piece, group.width());
  }
}

}  // namespace peerfold::algorithm
