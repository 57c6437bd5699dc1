/// \file
/// The constants of the cost model (cost_model.hpp): plain values, fitted to measurements. With
/// what they say of nodes that are known without a graph: GPUs behind switches, all alike.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/transport/traits.hpp>

#include <array>

namespace peerfold {

/// What a policy takes beside the bytes of the busiest edge.
struct cost_constants {
  policy of;
  /// A call of next to nothing between two ranks on GPUs of their own, in microseconds; along
  /// chains, trees and rings, one of a single step.
  double start_us = 0;
  /// For each rank beyond two, or, along chains, trees and rings, for each further step, in
  /// microseconds.
  double step_us = 0;
  /// By how much moving takes longer than the busiest edge at the rate that plain stores reach.
  double wire = 1;
  /// Where a lane's part of the message is more than round_bytes it is exchanged in rounds, by as
  /// many lanes as sentinels have; for each round beyond the first, in microseconds.
  double round_us = 0;
  double round_bytes = 0;  ///< 0: it streams
  /// What one block sends one other rank, in 1e9 bytes/s: counts where there are few blocks.
  double block_gbps = 10;
  /// By how much steps and bytes take longer for each further rank on the same GPU.
  double crowding = 0;

  /// What a block exchanges in one round among `ranks` ranks, in bytes.
  [[nodiscard]] constexpr double block_round_bytes(int ranks) const noexcept {
    return round_bytes * transport::sentinel_lanes(ranks);
  }
  /// What steps and bytes are multiplied with where `sharing` ranks are on a GPU.
  [[nodiscard]] constexpr double crowded(int sharing) const noexcept {
    return 1 + crowding * (sharing - 1);
  }
};

/// Fitted by benchmarks/fit_cost_model.py to every second size of
/// benchmarks/results/2026-11-28-2xH100-ranks.json: every collective between two ranks, all-reduces
/// among four and eight, on two H100 with NVLink; block_gbps to calls of one to 16 blocks. Between
/// ranks of one GPU each, steps may take less; where there is NVLink of another generation or PCIe
/// between them, nothing was measured.
inline constexpr std::array fitted_costs{
    cost_constants{one_shot_packet, 2.28, 0.165, 1.06, 0, 0, 6.5},
    cost_constants{one_shot_sentinel, 2.39, 0.225, 1.03, 8.45, 64, 3.9},
    cost_constants{one_shot_store, 4.47, 0.545, 1.09, 0, 0, 10.5},
    cost_constants{two_shot_packet, 3.31, 0.64, 1.04, 0, 0, 5.7},
    cost_constants{two_shot_sentinel, 3.47, 0.74, 1.01, 6.8, 32, 4.0},
    cost_constants{two_shot_store, 7.52, 1.36, 1.05, 0, 0, 12.5},
    cost_constants{chain_packet, 2.33, 1.85, 1.04, 0, 0, 2.8, 0.12},
    cost_constants{chain_store, 4.17, 7.63, 1.00, 0, 0, 2.05, 0.05},
    cost_constants{tree_packet, 2.23, 2.05, 1.00, 0, 0, 2.5, 0.11},
    cost_constants{tree_store, 4.17, 7.65, 1.00, 0, 0, 2.0, 0.07},
    cost_constants{two_shot_relayed_store, 14.1, 3.94, 1.29, 0, 0, 10, 0.06},
    cost_constants{ring_packet, 2.70, 1.31, 1.00, 0, 0, 2.5, 0.18},
    cost_constants{ring_store, 4.33, 3.92, 1.25, 0, 0, 4, 0.13},
};
/// The same of policies that write straight into symmetric memory; of direct ones among two ranks.
inline constexpr std::array fitted_symmetric_costs{
    cost_constants{two_shot_store, 7.09, 0.61, 1.00, 0, 0, 12.5},
    cost_constants{direct_store, 6.84, 0.61, 1.03, 0, 0, 20},
    cost_constants{direct_bulk, 8.34, 0.61, 1.07, 0, 0, 40},
};

/// The constants of a policy, in symmetric memory where it needs that; null where it was not
/// measured.
[[nodiscard]] constexpr const cost_constants* constants_of(const policy& p,
                                                           bool symmetric) noexcept {
  const auto find = [&](const auto& costs) -> const cost_constants* {
    for (const cost_constants& c : costs) {
      if (c.of == p) return &c;
    }
    return nullptr;
  };
  const cost_constants* const in_any = find(fitted_costs);
  if (!symmetric && in_any != nullptr) return in_any;
  const cost_constants* const in_symmetric = find(fitted_symmetric_costs);
  return in_symmetric != nullptr ? in_symmetric : in_any;
}

/// What stores of kernels reach between two GPUs of Hopper with 18 NVLinks, and what blocks one has
/// for them: measured on two H100 (benchmarks/results), and as its maker describes it.
inline constexpr double hopper_stores_gbps = 365;
inline constexpr int hopper_multiprocessors = 132;

/// What the memory of a GPU moves between ranks that share it, in 1e9 bytes/s (two H100: 1497
/// copied).
inline constexpr double local_gbps = 1500;

/// The time that cost_model predicts for an all-reduce of `bytes` bytes, in microseconds, among
/// `ranks` ranks on such GPUs behind switches, `sharing` ranks on each: by a policy of one step or
/// two.
constexpr double all_reduce_us(const cost_constants& k, int ranks, int sharing,
                               double bytes) noexcept {
  const bool two_steps = k.of.algorithm == algorithm_id::two_shot;
  const double share = two_steps ? bytes / ranks : bytes;
  const double pair =
      share * (k.of.transport == transport_id::packet ? 2 : 1) * (two_steps ? 2 : 1);
  // Each rank of a GPU sends each rank of others, and of its own.
  const double link_us = pair * sharing * (ranks - sharing) / (hopper_stores_gbps * 1e3);
  const double local_us = pair * sharing * (sharing - 1) / (local_gbps * 1e3);
  const double wire_us = k.wire * (link_us > local_us ? link_us : local_us);
  double us = k.start_us + k.crowded(sharing) * (k.step_us * (ranks - 2) + wire_us);
  if (k.round_bytes > 0) {
    const double rounds = share / (k.block_round_bytes(ranks) * (hopper_multiprocessors / sharing));
    const auto whole = static_cast<double>(static_cast<uint64_t>(rounds));
    const double further = whole < rounds ? whole : whole - 1;
    if (further > 0) us += k.round_us * further;
  }
  return us;
}

}  // namespace peerfold
