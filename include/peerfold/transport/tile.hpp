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

/// The `count` elements of a call, or none, cut into tiles of `parts` shares of `share` elements
/// each: 1, or the rank count where every rank folds its own. Block b of B takes the tiles b, b +
/// B, b + 2B, …, and sends `pieces` of them in a message, or in its last message fewer. Shares are
/// numbered through: share p of tile i is share i * parts + p.
class tiling {
 public:
  tiling() = default;

  /// `share`, `parts` and `pieces` are positive, and there are less than 2^32 shares. Transports
  /// take shares of whole packs (Transport::pack_type::size elements), so that tiles begin on one.
  PEERFOLD_HD constexpr tiling(size_t count, uint32_t share, uint32_t parts,
                               uint32_t pieces = 1) noexcept
      : share_{share},
        parts_{parts},
        whole_{static_cast<uint32_t>(count / share)},
        rest_{static_cast<uint32_t>(count % share)},
        pieces_{pieces} {
    const uint32_t shares = whole_ + (rest_ != 0 ? 1 : 0);
    tiles_ = shares / parts + (shares % parts != 0 || shares == 0 ? 1 : 0);
  }

  /// How many tiles there are: where there is no element one, which is empty.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t tiles() const noexcept { return tiles_; }
  /// Elements of a whole share.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t share() const noexcept { return share_; }
  /// Tiles of a message.
  [[nodiscard]] PEERFOLD_HD constexpr uint32_t pieces() const noexcept { return pieces_; }

  /// Share `part` of tile `index`; the last one may be short, and empty ones may follow it.
  [[nodiscard]] PEERFOLD_HD constexpr tile at(uint32_t index, uint32_t part = 0) const noexcept {
    const uint32_t number = index * parts_ + part;
    const uint32_t last = number > whole_ ? 0 : rest_;
    return {static_cast<size_t>(number) * share_, number < whole_ ? share_ : last};
  }

 private:
  uint32_t share_ = 1;
  uint32_t parts_ = 1;
  uint32_t whole_ = 0;  ///< shares of full length
  uint32_t rest_ = 0;   ///< elements of the share after those
  uint32_t tiles_ = 0;
  uint32_t pieces_ = 1;
};

}  // namespace peerfold::transport
