#include "support/catch.hpp"

#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/sequence.hpp>

#include <rapidcheck/catch.h>

#include <cstdint>

namespace numbers = peerfold::sync;

namespace {

constexpr std::uint64_t wrap = std::uint64_t{1} << 31;  // wire numbers come round

// Fresh memory is all zeros and passes for no message.
static_assert(numbers::wire(0) != 0 && numbers::wire(wrap - 1) != 0 && numbers::wire(wrap) != 0);
static_assert(numbers::wire(wrap - 1) == 0xffff'ffffu && numbers::wire(wrap) == 1);
static_assert(numbers::reached(numbers::wire(wrap), numbers::wire(wrap - 1)));
static_assert(!numbers::reached(numbers::wire(wrap - 1), numbers::wire(wrap)));
static_assert(numbers::distance(numbers::wire(wrap + 3), numbers::wire(wrap - 4)) == 7);

}  // namespace

TEST_CASE("wire numbers") {
  rc::prop("are never 0", [](std::uint64_t m) { RC_ASSERT(numbers::wire(m) != 0); });

  rc::prop("come round after 2^31 messages and not before", [](std::uint64_t m) {
    const auto apart = *rc::gen::inRange<std::uint64_t>(1, wrap);
    RC_ASSERT(numbers::wire(m) == numbers::wire(m + wrap));
    RC_ASSERT(numbers::wire(m) != numbers::wire(m + apart));
  });
}

TEST_CASE("the order of wire numbers is that of their messages, across the wrap") {
  const auto near_a_wrap = [] {
    return *rc::gen::inRange<std::uint64_t>(1, 5) * wrap + *rc::gen::inRange<std::uint64_t>(0, 64) -
           32;
  };
  rc::prop("near a wrap", [&] {
    const std::uint64_t a = near_a_wrap();
    const auto apart = *rc::gen::inRange<std::uint64_t>(0, 64);
    RC_ASSERT(numbers::reached(numbers::wire(a + apart), numbers::wire(a)));
    RC_ASSERT(numbers::reached(numbers::wire(a), numbers::wire(a + apart)) == (apart == 0));
    RC_ASSERT(numbers::distance(numbers::wire(a + apart), numbers::wire(a)) ==
              static_cast<std::int32_t>(apart));
  });

  rc::prop("anywhere, up to 2^30 messages apart", [](std::uint64_t a) {
    const auto apart = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 30);
    RC_ASSERT(numbers::reached(numbers::wire(a + apart), numbers::wire(a)));
    RC_ASSERT(numbers::reached(numbers::wire(a), numbers::wire(a + apart)) == (apart == 0));
    RC_ASSERT(numbers::distance(numbers::wire(a + apart), numbers::wire(a)) ==
              static_cast<std::int32_t>(apart));
    RC_ASSERT(numbers::distance(numbers::wire(a), numbers::wire(a + apart)) ==
              -static_cast<std::int32_t>(apart));
  });
}

// A line that message m left untouched bears the mark of an earlier one, which comes round 2^15
// messages later: on the way there must be a lap that touches every slot, and one that does not
// depend on the rank's view: the low 32 bits of the number say the same as all 64.
TEST_CASE("scrub laps") {
  constexpr unsigned slots = peerfold::sync::packet_slots;
  constexpr std::uint64_t packet_wrap = std::uint64_t{1} << 15;

  rc::prop("every slot has one between a message and its namesake", [](std::uint64_t m) {
    const std::uint64_t slot = m % slots;
    bool touched = false;
    for (std::uint64_t lap = (m / numbers::scrub_period + 1) * numbers::scrub_period;
         lap < m + packet_wrap; lap += numbers::scrub_period) {
      for (unsigned i = 0; i < slots; ++i) {
        RC_ASSERT(numbers::on_scrub_lap(lap + i, slots));
        touched = touched || ((lap + i) % slots == slot && lap + i < m + packet_wrap);
      }
      RC_ASSERT(!numbers::on_scrub_lap(lap + slots, slots));
      RC_ASSERT(!numbers::on_scrub_lap(lap - 1, slots));
    }
    RC_ASSERT(touched);
  });

  rc::prop("are told by the low half of the number", [](std::uint64_t m) {
    const auto lap = *rc::gen::inRange<std::uint64_t>(0, 1 << 30) * numbers::scrub_period;
    for (std::uint64_t at : {m, lap, lap + 1, lap + slots}) {
      RC_ASSERT(numbers::on_scrub_lap(at, slots) ==
                numbers::on_scrub_lap(static_cast<std::uint32_t>(at), slots));
    }
  });
}

TEST_CASE("marks of packets") {
  rc::prop("differ between messages less than 2^15 apart, and are never 0",
           [](std::uint32_t message, std::uint32_t digest) {
             const auto apart = *rc::gen::inRange<std::uint32_t>(1, 1u << 15);
             const auto mark = numbers::mark_of(message, digest);
             const auto other = numbers::mark_of(message + apart, digest);
             RC_ASSERT(mark.low != 0u && mark.high != 0u);
             RC_ASSERT(mark.low != other.low && mark.high != other.high);
             RC_ASSERT(!numbers::of_another_call(other.low, mark.low));
             RC_ASSERT(!numbers::of_another_call(mark.low, mark.low));
           });

  rc::prop("tell calls apart", [](std::uint32_t message, std::uint32_t digest) {
    const auto other = *rc::gen::distinctFrom(digest);
    const auto a = numbers::mark_of(message, digest);
    const auto b = numbers::mark_of(message, other);
    RC_ASSERT(numbers::of_another_call(b.low, a.low) || numbers::of_another_call(b.high, a.high));
  });
}
