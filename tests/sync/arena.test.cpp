#include <support/catch.hpp>

#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/arena_setup.hpp>
#include <peerfold/sync/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace words = peerfold::sync;

namespace {

/// A piece of an arena, and how it must be aligned.
struct piece {
  std::size_t begin;
  std::size_t bytes;
  std::size_t alignment;
};

/// All that rank `rank` keeps in its arena, or that its peers write there.
template <int N>
std::vector<piece> pieces_of(const words::arena_plan<N>& plan, int rank) {
  // Addresses are computed, never used.
  auto* const base = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 20);
  const auto at = [&](const void* address) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(address) - base);
  };
  std::vector<piece> pieces{{0, sizeof(words::poison_words), 128}};
  for (const auto& layout : plan.channels) {
    auto* const region = base + layout.begin;
    for (int block = 0; block < layout.blocks; ++block) {
      pieces.push_back({at(layout.state(region, block)), sizeof(words::block_state<N>), 64});
      for (int peer = 0; peer < N; ++peer) {
        pieces.push_back({at(layout.flag(region, block, peer)), 8, 8});
        if (peer == rank) continue;
        for (std::uint64_t m = 0; m < words::packet_slots; ++m) {
          pieces.push_back(
              {at(region + layout.packet_ring(block, rank, peer) + layout.packet_slot(m)),
               std::size_t{layout.packet_lines} * 16, 16});
        }
        for (std::uint64_t m = 0; m < words::store_slots; ++m) {
          pieces.push_back(
              {at(region + layout.store_ring(block, rank, peer) + layout.store_slot(m)),
               layout.store_bytes, 16});
        }
        if (layout.sentinel_bytes == 0) continue;
        for (std::uint64_t m = 0; m < words::sentinel_slots; ++m) {
          pieces.push_back(
              {at(region + layout.sentinel_ring(block, rank, peer) + layout.sentinel_slot(m)),
               layout.sentinel_bytes, 128});
        }
      }
    }
  }
  return pieces;
}

template <int N>
void check_layout(const std::vector<words::channel_shape>& shapes) {
  words::arena_plan<N> plan;
  for (const auto& shape : shapes) plan.add(shape);
  for (int rank = 0; rank < N; ++rank) {
    auto pieces = pieces_of(plan, rank);
    std::sort(pieces.begin(), pieces.end(),
              [](const piece& a, const piece& b) { return a.begin < b.begin; });
    std::size_t end = 0;
    bool apart = true;
    bool aligned = true;
    for (const piece& next : pieces) {
      apart = apart && next.begin >= end;
      aligned = aligned && next.begin % next.alignment == 0;
      end = next.begin + next.bytes;
    }
    INFO("rank " << rank << " of " << N);
    CHECK(apart);
    CHECK(aligned);
    CHECK(end <= plan.bytes);
  }
}

}  // namespace

TEST_CASE("nothing in an arena overlaps, and all is aligned") {
  const std::vector<words::channel_shape> shapes{
      {1, 256, 1024, 8}, {7, 513, 2048, 104}, {132, 16, 32768}};
  check_layout<1>(shapes);
  check_layout<2>(shapes);
  check_layout<3>(shapes);
  check_layout<5>(shapes);
  check_layout<8>(shapes);
}

TEST_CASE("slots are taken in turn, also when message numbers pass 32 bits") {
  const words::channel_layout<3> layout{{2, 64, 1024, 16}, 128};
  CHECK(layout.shape().sentinel_lines == 16);
  for (const std::uint64_t m : {std::uint64_t{0}, (std::uint64_t{1} << 32) - 1}) {
    CHECK(layout.packet_slot(m) == layout.packet_slot(m + words::packet_slots));
    CHECK(layout.packet_slot(m) != layout.packet_slot(m + 1));
    CHECK(layout.store_slot(m) == layout.store_slot(m + words::store_slots));
    CHECK(layout.store_slot(m) != layout.store_slot(m + 7));
    CHECK(layout.sentinel_slot(m) == layout.sentinel_slot(m + words::sentinel_slots));
    CHECK(layout.sentinel_slot(m) != layout.sentinel_slot(m + 3));
  }
}

TEST_CASE("a channel's rings take about as much as they may") {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{1} << 20, std::size_t{96} << 20, std::size_t{1} << 40}) {
    for (const int blocks : {1, 16, 132}) {
      const auto shape = words::shape_channel(peerfold::rank_extent<8>{}, blocks, 512, 100, bytes);
      INFO(bytes << " bytes, " << blocks << " blocks");
      CHECK(shape.blocks == blocks);
      CHECK(shape.packet_lines == 512);
      CHECK(shape.sentinel_lines == 104);
      CHECK(shape.store_bytes >= 1024);
      CHECK(shape.store_bytes <= 128 * 1024);
      CHECK((shape.store_bytes & (shape.store_bytes - 1)) == 0);
      const std::size_t ring =
          static_cast<std::size_t>(blocks) * 7 * words::store_slots * shape.store_bytes;
      CHECK((ring <= bytes || shape.store_bytes == 1024));
    }
  }
}

TEST_CASE("a fresh arena counts some messages as exchanged") {
  constexpr std::uint64_t first = (std::uint64_t{1} << 31) - 3;
  const words::channel_layout<3> layout{{2, 16, 1024, 8}, 0};
  struct alignas(128) line {
    std::byte bytes[128];
  };
  std::vector<line> image(layout.end / sizeof(line));
  auto* base = image.data()->bytes;
  words::initialise_region<3>(base, layout, first);
  const std::uint64_t flag = words::flag_of(first, first, 0, {});
  for (int block = 0; block < 2; ++block) {
    const auto* state = layout.state(base, block);
    CHECK(state->sentinel.last == first);
    CHECK(state->sentinel.lines == 0);
    CHECK(base[layout.sentinel_ring(block, 0, 1)] == std::byte{0xff});
    for (int j = 0; j < 2; ++j) {
      CHECK(state->packet[j].sent == first);
      CHECK(state->packet[j].received == first);
      CHECK(state->store[j].sent == first);
      CHECK(state->store[j].received == first);
      CHECK(state->store[j].calls == 0);
      CHECK(words::ahead_of(first + 2, state->store[j].credit) == 2);
    }
    for (int peer = 0; peer < 3; ++peer) {
      CHECK(*layout.flag(base, block, peer) == flag);
    }
    CHECK(state->busy == 0);
  }
}

TEST_CASE("views of channels travel to kernels") {
  STATIC_REQUIRE(std::is_trivially_copyable_v<words::channel_view<8>>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<words::channel_layout<1>>);
  STATIC_REQUIRE(std::is_standard_layout_v<words::block_state<8>>);
}
