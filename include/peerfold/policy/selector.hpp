/// \file
/// The selector: which policy `automatic` stands for.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/policy/policy.hpp>

namespace peerfold {

/// Upper ends, in bytes of the message, of the ranges in which a policy is the fastest, in this
/// order; above the last, two_shot/store.
struct all_reduce_crossover {
  size_t one_shot_packet;
  size_t two_shot_packet;
  size_t one_shot_store;
};

/// Measured on 2 H200 (benchmarks/results); for more ranks scaled by the bytes that each sends.
constexpr all_reduce_crossover all_reduce_crossover_of(int ranks) noexcept {
  constexpr size_t kib = 1024;
  if (ranks <= 2) return {512 * kib, 0, 4096 * kib};
  if (ranks <= 4) return {128 * kib, 1024 * kib, 0};
  if (ranks <= 8) return {64 * kib, 512 * kib, 0};
  return {512 * kib / static_cast<size_t>(ranks), 512 * kib, 0};
}

/// The policy for an all-reduce of `bytes` bytes among `ranks` ranks. All are reproducible, so the
/// choice never changes a bit of the result.
constexpr policy select_all_reduce(int ranks, size_t bytes) noexcept {
  const all_reduce_crossover limit = all_reduce_crossover_of(ranks);
  if (bytes <= limit.one_shot_packet) return one_shot_packet;
  if (bytes <= limit.two_shot_packet) return two_shot_packet;
  if (bytes <= limit.one_shot_store) return one_shot_store;
  return two_shot_store;
}

/// The policy for a collective beside all-reduce that moves `bytes` bytes from a rank to another;
/// `direct`, where outputs are in symmetric memory and nothing is folded. Measured on 2 H200; that
/// a broadcast or a reduce of more ranks takes two steps as soon as it is no matter of latency
/// follows from the bytes that the root's links carry: N - 1 times the message, or less than twice.
constexpr policy select_exchange(collective which, int ranks, size_t bytes, bool direct) noexcept {
  constexpr size_t kib = 1024;
  const size_t all = bytes * static_cast<size_t>(ranks);
  if (all <= 1024 * kib) return one_shot_packet;
  const bool has_two_steps = which == collective::broadcast || which == collective::reduce;
  if (has_two_steps && ranks > 2 && all > 4096 * kib) return two_shot_store;
  return direct && all > 8192 * kib ? direct_store : one_shot_store;
}

}  // namespace peerfold
