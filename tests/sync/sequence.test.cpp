#include "support/catch.hpp"

#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/sequence.hpp>

#include <rapidcheck/catch.h>

#include <cstdint>

namespace numbers = peerfold::sync;

namespace {

constexpr std::uint64_t wrap = std::uint64_t{1} << 15;  // wire numbers come round

// Fresh memory is all zeros and passes for no message.
static_assert(numbers::wire(0) != 0 && numbers::wire(wrap - 1) != 0 && numbers::wire(wrap) != 0);
static_assert(numbers::wire(wrap - 1) == 0xffff && numbers::wire(wrap) == 1);

/// Near a wrap of 14, 15, 31 or 32 bits.
std::uint64_t near_a_wrap() {
  const auto bits = *rc::gen::element(14, 15, 31, 32);
  return (*rc::gen::inRange<std::uint64_t>(1, 5) << bits) +
         *rc::gen::inRange<std::uint64_t>(0, 64) - 32;
}

peerfold::call_digest any_digest() {
  return {*rc::gen::inRange<std::uint32_t>(0, 1u << 16),
          *rc::gen::inRange<std::uint32_t>(0, 1u << 16)};
}

}  // namespace

TEST_CASE("wire numbers") {
  rc::prop("are never 0", [](std::uint64_t m) { RC_ASSERT(numbers::wire(m) != 0u); });

  rc::prop("come round after 2^15 messages and not before", [](std::uint64_t m) {
    const auto apart = *rc::gen::inRange<std::uint64_t>(1, wrap);
    RC_ASSERT(numbers::wire(m) == numbers::wire(m + wrap));
    RC_ASSERT(numbers::wire(m) != numbers::wire(m + apart));
  });
}

TEST_CASE("flags") {
  rc::prop("say which messages are complete, across the wrap", [](std::uint32_t call) {
    const std::uint64_t sent = near_a_wrap();
    const std::uint64_t flag = numbers::flag_of(sent, sent + 3, call, any_digest());
    const auto apart = *rc::gen::inRange<std::uint64_t>(0, 1000);
    RC_ASSERT(numbers::completes(flag, sent - apart));
    RC_ASSERT(numbers::completes(flag, sent + apart) == (apart == 0u));
  });

  rc::prop("carry credit, across the wrap", [](std::uint32_t call) {
    const std::uint64_t released = near_a_wrap();
    const auto ahead = *rc::gen::inRange<std::uint64_t>(0, 1000);
    const std::uint64_t flag = numbers::flag_of(released + 5, released, call, any_digest());
    RC_ASSERT(numbers::ahead_of(released + ahead, numbers::credit_of(flag)) == ahead);
  });

  rc::prop("tell calls apart, but for the next call's", [](std::uint32_t call) {
    const auto digest = any_digest();
    auto other = digest;
    (*rc::gen::arbitrary<bool>() ? other.low : other.high) ^= *rc::gen::inRange(1u, 1u << 16);
    const auto flag_of = [&](std::uint32_t number, const peerfold::call_digest& of) {
      return numbers::flag_of(7, 5, number, of);
    };
    RC_ASSERT(!numbers::of_another_call(flag_of(call, digest), call, digest));
    RC_ASSERT(numbers::of_another_call(flag_of(call, other), call, digest));
    RC_ASSERT(!numbers::of_another_call(flag_of(call + 1, other), call, digest));
  });
}

// A line that message m left untouched bears the mark of an earlier one, which comes round 2^15
// messages later: on the way there must be a lap that touches every slot, and one that does not
// depend on the rank's view: the low 32 bits of the number say the same as all 64.
TEST_CASE("scrub laps") {
  constexpr unsigned slots = peerfold::sync::packet_slots;

  rc::prop("every slot has one between a message and its namesake", [](std::uint64_t m) {
    const std::uint64_t slot = m % slots;
    bool touched = false;
    for (std::uint64_t lap = (m / numbers::scrub_period + 1) * numbers::scrub_period;
         lap < m + wrap; lap += numbers::scrub_period) {
      for (unsigned i = 0; i < slots; ++i) {
        RC_ASSERT(numbers::on_scrub_lap(lap + i, slots));
        touched = touched || ((lap + i) % slots == slot && lap + i < m + wrap);
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
           [](std::uint32_t message) {
             const auto digest = any_digest();
             const auto apart = *rc::gen::inRange<std::uint32_t>(1, 1u << 15);
             const auto mark = numbers::mark_of(message, digest);
             const auto other = numbers::mark_of(message + apart, digest);
             RC_ASSERT(mark.low != 0u && mark.high != 0u);
             RC_ASSERT(mark.low != other.low && mark.high != other.high);
             RC_ASSERT(!numbers::of_another_call(other.low, mark.low));
             RC_ASSERT(!numbers::of_another_call(mark.low, mark.low));
           });

  rc::prop("tell calls apart", [](std::uint32_t message) {
    const auto digest = any_digest();
    auto other = digest;
    (*rc::gen::arbitrary<bool>() ? other.low : other.high) ^= *rc::gen::inRange(1u, 1u << 16);
    const auto a = numbers::mark_of(message, digest);
    const auto b = numbers::mark_of(message, other);
    RC_ASSERT(numbers::of_another_call(b.low, a.low) || numbers::of_another_call(b.high, a.high));
  });
}
