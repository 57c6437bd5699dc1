/// \file
/// Message numbers. Every channel numbers the messages of each ordered pair of ranks 1, 2, 3, …
/// in 64 bits; the number picks the slot of the ring, and its wire form marks the data.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::sync {

/// The 32 bits that stand for message number m in memory that ranks share: the low half of
/// 2m + 1. Odd, so never 0, which is what fresh memory holds.
PEERFOLD_HD constexpr uint32_t wire(uint64_t message) noexcept {
  return static_cast<uint32_t>(2 * message + 1);
}

/// Whether the wire number `seen` is at `expected` or past it, across the wrap of 32 bits. Right as
/// long as the two are less than 2^30 messages apart.
PEERFOLD_HD constexpr bool reached(uint32_t seen, uint32_t expected) noexcept {
  return static_cast<int32_t>(seen - expected) >= 0;
}

/// How many messages lie between two wire numbers, the later first.
PEERFOLD_HD constexpr int32_t distance(uint32_t later, uint32_t earlier) noexcept {
  return static_cast<int32_t>(later - earlier) / 2;
}

/// The marks of packets: in each half of a line the low 16 bits of the wire number, odd too, and
/// half of the digest of the call. So data of a call that its receiver did not make are never taken
/// for those it waits for.
struct packet_mark {
  uint32_t low;
  uint32_t high;
};
PEERFOLD_HD constexpr packet_mark mark_of(uint32_t message, uint32_t digest) noexcept {
  const uint32_t number = wire(message) << 16;
  return {number | (digest & 0xffffu), number | digest >> 16};
}

/// Whether a word bears the number that is awaited, but the digest of another call.
PEERFOLD_HD constexpr bool of_another_call(uint32_t seen, uint32_t expected) noexcept {
  return seen != expected && (seen ^ expected) >> 16 == 0;
}

/// Packets' numbers come round after 2^15 messages. A line of a slot that nobody rewrote since
/// would then pass for fresh, so the first lap of a ring after each multiple of 2^14 wipes what its
/// messages leave untouched.
inline constexpr uint64_t scrub_period = uint64_t{1} << 14;

/// What the first store message of a call says of it: the digest, mixed with the message's number,
/// so that what an earlier message left there never fits.
PEERFOLD_HD constexpr uint32_t greeting_of(uint32_t message, uint32_t digest) noexcept {
  return digest + message * 0x9e37'79b1u;
}
/// Whether message m lies on such a lap of a ring of `slots` slots.
PEERFOLD_HD constexpr bool on_scrub_lap(uint64_t message, unsigned slots) noexcept {
  return message % scrub_period < slots;
}

}  // namespace peerfold::sync
