/// \file
/// What a team is made with, and what a call may choose.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/policy/policy.hpp>

#include <chrono>
#include <optional>
#include <vector>

struct CUstream_st;  // what a cudaStream_t points to; known here without CUDA's headers

namespace peerfold {

/// One channel of a team: calls on different channels may overlap where their streams do. (Calls of
/// the team share its streams, and so run one after another.) Where ranks call for themselves on
/// several channels at once, all channels but one keep one call in flight: a GPU may hold a
/// stream's kernel back behind another stream's second one, and two ranks then wait crosswise.
struct channel_options {
  /// Blocks a rank may use at once; 0: an equal part of what fits. The blocks of all channels and
  /// of all ranks of a device are resident together: more than fit are refused.
  int blocks = 0;
};

/// What a team is made with. All ranks of a team must be given the same.
struct team_options {
  /// How long a rank waits for another before it reports a fault; half as long again, but at most a
  /// second more, if that one has been heard of in the call and so may wait for a third.
  std::chrono::nanoseconds wait_budget = std::chrono::minutes{10};
  std::vector<channel_options> channels = {channel_options{}};
  /// Where not all GPUs are linked: who passes messages on, and orders that follow links
  /// (topology/routes.hpp makes them of the node's graph).
  link_routes links = {};
  /// Lanes (threads) of a rank; threads place only.
  int workers = 1;
  /// Bytes a rank that a channel should take for its rings of stores, divided among its blocks and
  /// peers into slots of at least 1 KiB. Rings of packets and of sentinels come on top, on GPUs
  /// up to 82 KiB for each block and peer; team.staging_bytes() tells the whole.
  std::size_t staging_bytes = std::size_t{96} << 20;
  /// For tests: the number of messages that count as exchanged already.
  std::uint64_t first_sequence = 0;
  /// For tests: the seed of the delays of builds with PEERFOLD_DELAYS; 0: none.
  std::uint64_t delay_seed = 0;
};

/// What one call may choose. Ranks must choose the same, but for the stream.
struct call_options {
  peerfold::policy policy = automatic;
  int channel = 0;
  int max_blocks = 0;  ///< at most so many blocks a rank; 0: as many as the channel has
  /// GPU places: the stream of a rank's call; unset: the team's own stream of the rank, which ranks
  /// of one device share: those must each name another, and make the next call in it when the last
  /// one has ended, as CUDA need not run streams beside each other. Team calls use the team's.
  std::optional<CUstream_st*> stream{};
};

}  // namespace peerfold
