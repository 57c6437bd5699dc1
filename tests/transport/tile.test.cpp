#include "support/catch.hpp"

#include <peerfold/transport/tile.hpp>

#include <rapidcheck/catch.h>

#include <cstddef>
#include <cstdint>
#include <limits>

using peerfold::transport::tile;
using peerfold::transport::tiling;

TEST_CASE("the shares of a tiling are the message, end to end") {
  rc::prop("any count, share and number of parts", [] {
    const auto count = *rc::gen::inRange<std::size_t>(0, 5000);
    const auto share = *rc::gen::inRange<std::uint32_t>(1, 700);
    const auto parts = *rc::gen::inRange<std::uint32_t>(1, 9);
    const tiling tiles{count, share, parts};
    std::size_t next = 0;
    RC_ASSERT(tiles.tiles() > 0u);  // empty messages are sent too
    for (std::uint32_t i = 0; i < tiles.tiles(); ++i) {
      RC_ASSERT(tiles.at(i).count > 0u || count == 0u);
      for (std::uint32_t part = 0; part < parts; ++part) {
        const tile x = tiles.at(i, part);
        RC_ASSERT(x.begin == next || x.count == 0u);
        RC_ASSERT(x.count <= share);
        RC_ASSERT(x.count == share || next + x.count == count);  // short or empty: the end
        next += x.count;
      }
    }
    RC_ASSERT(next == count);
  });

  rc::prop("counts that only 64 bits hold", [] {
    constexpr auto most = std::numeric_limits<std::size_t>::max() / 4;
    const auto count = *rc::gen::inRange<std::size_t>(most / 2, most);
    const std::uint32_t parts = *rc::gen::inRange<std::uint32_t>(1, 9);
    const std::uint32_t share = (std::uint32_t{1} << 31) + *rc::gen::inRange<std::uint32_t>(0, 99);
    const tiling tiles{count, share, parts};
    const std::uint32_t i = *rc::gen::inRange<std::uint32_t>(0, tiles.tiles());
    RC_ASSERT(tiles.at(i).begin == static_cast<std::size_t>(i) * parts * share);
    std::size_t last = tiles.at(tiles.tiles() - 1).begin;
    for (std::uint32_t p = 0; p < parts; ++p) last += tiles.at(tiles.tiles() - 1, p).count;
    RC_ASSERT(last == count);
  });
}

TEST_CASE("past the end of a message there is nothing") {
  constexpr tiling tiles{10, 4, 2};
  static_assert(tiles.at(1, 0).begin == 8 && tiles.at(1, 0).count == 2);
  static_assert(tiles.at(1, 1).count == 0 && tiles.at(7, 1).count == 0);
  static_assert(tiling{}.at(0).count == 0);
  SUCCEED();
}
