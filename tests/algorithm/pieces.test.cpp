#include <peerfold/algorithm/pieces.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace algorithm = peerfold::algorithm;

namespace {

/// What a block sends, and then receives, at each step: tile numbers, or -1.
using steps = std::vector<std::pair<std::int64_t, std::int64_t>>;

steps without_idle_steps(std::uint32_t tiles, std::uint32_t first, std::uint32_t stride,
                         std::uint32_t lag) {
  steps all;
  std::uint32_t idle = lag;
  for (std::uint32_t ahead = first;; ahead += stride) {
    std::int64_t sent = -1;
    if (ahead < tiles) sent = ahead;
    if (algorithm::only_sends(idle, ahead, stride, tiles)) {
      all.emplace_back(sent, -1);
      continue;
    }
    const std::uint32_t behind = ahead - lag * stride;
    all.emplace_back(sent, behind);
    if (behind + stride >= tiles) return all;
  }
}

}  // namespace

TEST_CASE("a block receives what it sent, no further behind than the lag, and never idles") {
  for (const std::uint32_t lag : {0u, 1u, 2u, 5u}) {
    for (const std::uint32_t stride : {1u, 3u, 132u}) {
      for (const std::uint32_t first : {0u, stride - 1}) {
        for (std::uint32_t tiles = first + 1; tiles < first + 9 * stride; ++tiles) {
          INFO(lag << " lag, " << stride << " stride, first " << first << ", " << tiles);
          const std::uint32_t count = (tiles - first - 1) / stride + 1;
          std::uint32_t sent = 0;
          std::uint32_t received = 0;
          for (const auto& [sends, receives] : without_idle_steps(tiles, first, stride, lag)) {
            CHECK((sends >= 0 || receives >= 0));
            if (sends >= 0) CHECK(sends == first + sent++ * stride);
            if (receives < 0) continue;
            CHECK(receives == first + received * stride);
            CHECK(sent == std::min(received + lag + 1, count));
            ++received;
          }
          CHECK(sent == count);
          CHECK(received == count);
        }
      }
    }
  }
}
