/// \file
/// Tiles: the ranges of elements that one message carries.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::transport {

/// Elements begin … begin + count - 1 of a message.
struct tile {
  size_t begin = 0;
  uint32_t count = 0;
};

/// A message of `count` elements cut into tiles of `parts` shares of `share` elements each, the
/// last ones clipped. Block b of B takes the tiles b, b + B, b + 2B, …
struct tiling {
  size_t count = 0;    ///< elements of the message
  uint32_t share = 1;  ///< elements of a share
  uint32_t parts = 1;  ///< shares of a tile: 1, or the rank count where every rank folds its own
  uint32_t tiles = 0;

  /// Share `part` of tile `index`; empty where it lies past the end.
  [[nodiscard]] PEERFOLD_HD constexpr tile at(uint32_t index, uint32_t part = 0) const noexcept {
    const size_t begin = (static_cast<size_t>(index) * parts + part) * share;
    if (begin >= count) return {count, 0};
    const size_t rest = count - begin;
    return {begin, rest < share ? static_cast<uint32_t>(rest) : share};
  }
};

}  // namespace peerfold::transport
