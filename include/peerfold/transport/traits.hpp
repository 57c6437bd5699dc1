/// \file
/// What a transport says of itself at compile time.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold::transport {

/// Who drives a transport.
enum class driver : uint32_t {
  lanes,  ///< the lanes of a group, on a device or on threads
  host,   ///< the host, enqueuing on a stream (copy engines)
};

struct transport_traits {
  const char* name = "";
  driver driven_by = driver::lanes;
  bool exact_bits = true;         ///< every bit pattern arrives as it was sent
  bool needs_symmetric = false;   ///< source or destination must be symmetric memory
  bool folds_in_flight = false;   ///< what is received is already reduced, in no stated order
  bool publishes_writes = false;  ///< commit() also publishes plain writes to peers' memory
  int slots = 0;                  ///< messages that may be under way to a peer
  int most_pieces = 1;            ///< tiles that one message may carry
  int packs_a_lane = 4;           ///< that a lane should hold before plans add lanes
  int most_lanes = 512;           ///< of a block whose registers hold what is received
  int lag = 0;                    ///< messages that an algorithm should send ahead of receiving
};

/// The most lanes of a block that receives sentinels, or packets, of all of so many ranks at once.
/// Of 512 lanes each has 128 of a multiprocessor's registers, of 256 as many as instructions can
/// name; what those do not hold goes to local memory, which costs more than messages of half the
/// size (decision 23).
[[nodiscard]] PEERFOLD_HD constexpr int sentinel_lanes(int ranks) noexcept {
  return ranks < 4 ? 512 : 256;
}
[[nodiscard]] PEERFOLD_HD constexpr int packet_lanes(int ranks) noexcept {
  return ranks <= 4 ? 512 : 256;
}

}  // namespace peerfold::transport
