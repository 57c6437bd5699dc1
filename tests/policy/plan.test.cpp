#include <support/catch.hpp>

#include <peerfold/core/element.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>
#include <peerfold/policy/plan.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/sentinel.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <rapidcheck/catch.h>

#include <cstddef>
#include <cstdint>

namespace pf = peerfold;

namespace {

using context = pf::execution::context<3, pf::execution::thread_group>;

/// Lanes that hold as little as those of a GPU.
struct small_group : pf::execution::thread_group {
  static constexpr int packet_packs = 1;
  static constexpr int store_packs = 4;
  static constexpr int sentinel_packs = 2;
};
using small_context = pf::execution::context<3, small_group>;
using many_context = pf::execution::context<5, small_group>;

struct shape {
  pf::sync::channel_shape channel;
  int max_blocks;
  int narrowest;
  int widest;
};

shape any_shape() {
  shape any{};
  any.channel.blocks = *rc::gen::inRange(1, 200);
  any.channel.packet_lines = *rc::gen::inRange<std::uint32_t>(16, 2048);
  any.channel.store_bytes = 1024u << *rc::gen::inRange(0, 6);
  any.channel.sentinel_lines = 8 * *rc::gen::inRange<std::uint32_t>(1, 200);
  any.max_blocks = *rc::gen::inRange(1, any.channel.blocks + 1);
  any.narrowest = 1 << *rc::gen::inRange(0, 8);
  any.widest = any.narrowest << *rc::gen::inRange(0, 4);
  return any;
}

template <class Transport>
void check_plan(std::size_t count, std::uint32_t parts, const shape& s) {
  constexpr std::uint32_t pack = Transport::pack_type::size;
  const pf::launch_plan plan = pf::detail::make_plan<Transport>(
      count, parts, s.channel, s.max_blocks, s.narrowest, s.widest);
  const auto& tiles = plan.tiles;
  // Calls of more tiles are refused: 32 bits number them.
  RC_PRE(count / tiles.share() < std::size_t{1} << 31);
  RC_ASSERT(plan.blocks >= 1);
  RC_ASSERT(plan.blocks <= s.max_blocks);
  RC_ASSERT(static_cast<std::uint32_t>(plan.blocks) <= tiles.tiles());
  RC_ASSERT(plan.width >= std::min(s.narrowest, Transport::traits.most_lanes));
  RC_ASSERT(plan.width <= std::min(s.widest, Transport::traits.most_lanes));
  RC_ASSERT(tiles.share() > 0u);
  RC_ASSERT(tiles.share() % pack == 0u);
  RC_ASSERT(tiles.share() <= Transport::capacity(s.channel, plan.width));

  // Shares follow each other without a gap, from the first element to the last: here on the first
  // tiles, the last ones and some between.
  const std::uint32_t some = *rc::gen::inRange<std::uint32_t>(0, tiles.tiles());
  for (const std::uint32_t middle : {std::uint32_t{0}, some, tiles.tiles() - 1}) {
    const std::uint32_t first = middle < 2 ? 0 : middle - 2;
    std::size_t next = static_cast<std::size_t>(first) * parts * tiles.share();
    for (std::uint32_t i = first; i < tiles.tiles() && i < middle + 3; ++i) {
      RC_ASSERT(tiles.at(i).count > 0u);  // no tile without anything
      for (std::uint32_t part = 0; part < parts; ++part) {
        const auto x = tiles.at(i, part);
        if (x.count > 0u) RC_ASSERT(x.begin == next);
        RC_ASSERT(x.count <= tiles.share());
        next += x.count;
      }
      if (i + 1 == tiles.tiles()) RC_ASSERT(next == count);
    }
  }
}

std::size_t any_count() {
  const auto most = std::size_t{1} << *rc::gen::inRange(1, 36);
  return *rc::gen::inRange<std::size_t>(1, most + 1);
}

}  // namespace

TEST_CASE("a plan covers every element once, within what messages and lanes hold") {
  const auto check = []<class... Transports>(const char* name, pf::type_list<Transports...>) {
    rc::prop(name, [] {
      const std::size_t count = any_count();
      const shape s = any_shape();
      const auto parts = *rc::gen::element(1u, 2u, 3u, 5u, 8u);
      (check_plan<Transports>(count, parts, s), ...);
    });
  };
  check("packets", pf::type_list<pf::transport::packet<float, context>,
                                 pf::transport::packet<double, small_context>,
                                 pf::transport::packet<std::int8_t, small_context>>{});
  check("sentinels", pf::type_list<pf::transport::sentinel<float, context>,
                                   pf::transport::sentinel<double, small_context>,
                                   pf::transport::sentinel<float, many_context>>{});
  check("stores", pf::type_list<pf::transport::store_flag<float, context>,
                                pf::transport::store_flag<std::int64_t, small_context>,
                                pf::transport::store_flag<std::uint8_t, small_context>>{});
}

TEST_CASE("a plan depends on nothing but its arguments") {
  const pf::sync::channel_shape shape{4, 512, 4096};
  using transport = pf::transport::packet<float, context>;
  const auto a = pf::detail::make_plan<transport>(12345, 3, shape, 4, 2, 8);
  const auto b = pf::detail::make_plan<transport>(12345, 3, shape, 4, 2, 8);
  CHECK(a.blocks == b.blocks);
  CHECK(a.width == b.width);
  CHECK(a.tiles.share() == b.tiles.share());
  CHECK(a.tiles.tiles() == b.tiles.tiles());
}

TEST_CASE("blocks have no more lanes than their transport") {
  const pf::sync::channel_shape shape{4, 2048, 4096, 1024};
  const auto width = [&]<int N>(int narrowest, int widest) {
    using transport = pf::transport::sentinel<float, pf::execution::context<N, small_group>>;
    return pf::detail::make_plan<transport>(1'000'000, 1, shape, 4, narrowest, widest).width;
  };
  CHECK(width.operator()<3>(128, 512) == 512);
  CHECK(width.operator()<4>(128, 512) == 256);
  CHECK(width.operator()<4>(512, 512) == 256);
}

TEST_CASE("small messages over stores: two packs a lane, then four tiles, then more packs") {
  using transport = pf::transport::store_flag<float, small_context>;
  const pf::sync::channel_shape shape{132, 2048, 1u << 16};
  constexpr int lanes = 8;
  const auto check = [&](std::size_t packs, std::uint32_t share, std::uint32_t tiles) {
    CAPTURE(packs);
    const auto plan = pf::detail::make_plan<transport>(packs * transport::pack_type::size, 1, shape,
                                                       132, lanes, 8 * lanes);
    CHECK(plan.width == lanes);
    CHECK(plan.tiles.share() == share * transport::pack_type::size);
    CHECK(plan.tiles.tiles() == tiles);
    CHECK(plan.blocks == static_cast<int>(tiles));
  };
  check(8, 8, 1);
  check(16, 16, 1);
  check(32, 16, 2);
  check(64, 16, 4);
  check(128, 32, 4);
  check(256, 32, 8);
}
