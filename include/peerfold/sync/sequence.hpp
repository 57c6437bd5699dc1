/// \file
/// Message numbers. Every channel numbers the messages of each ordered pair of ranks 1, 2, 3, …
/// in 64 bits; the number picks the slot of the ring, and its wire form marks the data.
#pragma once

#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>

namespace peerfold::sync {

/// The 16 bits that stand for message number m in memory that ranks share: the low ones of 2m + 1.
/// Odd, so never 0, which is what fresh memory holds. They come round after 2^15 messages.
PEERFOLD_HD constexpr uint32_t wire(uint64_t message) noexcept {
  return static_cast<uint32_t>(2 * message + 1) & 0xffffu;
}

/// The marks of packets: in each half of a line the wire number and half of the digest of the call.
/// So data of a call that its receiver did not make are never taken for those it waits for.
struct packet_mark {
  uint32_t low;
  uint32_t high;
};
PEERFOLD_HD constexpr packet_mark mark_of(uint32_t message, const call_digest& digest) noexcept {
  const uint32_t number = wire(message) << 16;
  return {number | digest.low, number | digest.high};
}

/// A word of a sentinel slot to which nothing has come.
inline constexpr uint64_t nothing_yet = ~uint64_t{0};

/// Whether the marks of two words are of different messages, and whether they are of one message of
/// different calls.
PEERFOLD_HD constexpr bool another_number(uint32_t a, uint32_t b) noexcept {
  return (a ^ b) >> 16 != 0;
}
PEERFOLD_HD constexpr bool of_another_call(uint32_t a, uint32_t b) noexcept {
  return a != b && !another_number(a, b);
}

/// Packets' numbers come round after 2^15 messages. A line of a slot that nobody rewrote since
/// would then pass for fresh, so the first lap of a ring after each multiple of 2^14 wipes what its
/// messages leave untouched.
inline constexpr uint64_t scrub_period = uint64_t{1} << 14;

/// Whether message m lies on such a lap of a ring of `slots` slots.
PEERFOLD_HD constexpr bool on_scrub_lap(uint64_t message, unsigned slots) noexcept {
  return message % scrub_period < slots;
}

/// What a rank tells a peer by a flag, in one word of 64 bits:
///   0 … 15   the wire number of the last message that is complete
///   16 … 17  the number of the call that it belongs to
///   18 … 31  the number of the last message that was released: the credit
///   32 … 63  the digest of the call
/// Ranks are never more messages apart than a ring has slots, nor more than one call.
PEERFOLD_HD constexpr uint64_t flag_of(uint64_t sent, uint64_t released, uint32_t call,
                                       const call_digest& digest) noexcept {
  const uint32_t low = wire(sent) | (call & 3u) << 16 | static_cast<uint32_t>(released) << 18;
  return static_cast<uint64_t>(digest.whole()) << 32 | low;
}

/// Whether a flag says that `message`, or a later one, is complete.
PEERFOLD_HD constexpr bool completes(uint64_t flag, uint64_t message) noexcept {
  return static_cast<int32_t>((static_cast<uint32_t>(flag) - wire(message)) << 16) >= 0;
}

/// Whether two flags say the same but for their credits.
PEERFOLD_HD constexpr bool same_but_credit(uint64_t a, uint64_t b) noexcept {
  return ((a ^ b) & 0xffff'ffff'0003'ffffu) == 0;
}

/// Whether a flag is of this call, which is number `call`, but has another digest. A flag of the
/// next call is right: who is there has found that it agreed with this rank in this one.
PEERFOLD_HD constexpr bool of_another_call(uint64_t flag, uint32_t call,
                                           const call_digest& digest) noexcept {
  return ((static_cast<uint32_t>(flag) >> 16 ^ call) & 3u) == 0 &&
         static_cast<uint32_t>(flag >> 32) != digest.whole();
}

/// The credit of a flag, and how many messages `message` lies ahead of one.
PEERFOLD_HD constexpr uint32_t credit_of(uint64_t flag) noexcept {
  return static_cast<uint32_t>(flag) >> 18;
}
PEERFOLD_HD constexpr uint32_t ahead_of(uint64_t message, uint32_t credit) noexcept {
  return (static_cast<uint32_t>(message) - credit) & 0x3fffu;
}

}  // namespace peerfold::sync
