/// \file
/// Data-parallel training: what goes in, what comes out, and what both places share.
#pragma once

#include <peerfold/policy/policy.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data.hpp"
#include "progress.hpp"

namespace digits {

struct training_plan {
  int ranks;
  int epochs;
  std::uint64_t seed;
  peerfold::policy policy;
};

/// What the held-out hits are reduced by: a short message an epoch needs no choice of policies, and
/// every policy that a call could be given has to be compiled.
using one_short_message = peerfold::policies<peerfold::one_shot_packet>;

struct training_result {
  int correct = 0;              ///< held-out images recognised after the last epoch
  double seconds = 0;           ///< from the first epoch's start to the last one's end
  double all_reduce_share = 0;  ///< of the time spent in training steps; mean over the ranks
  bool identical = false;       ///< all ranks ended with the same bits
  std::uint64_t checksum = 0;   ///< of rank 0's parameters
};

/// Trains on CPU threads, one a rank. Throws where the team ran into a fault.
training_result train_on_threads(const training_plan& plan, const data_set& data,
                                 progress& progress);

/// Trains on GPUs, rank r on devices[r]; a device may be named for several ranks. Throws as above.
training_result train_on_gpus(const training_plan& plan, const std::vector<int>& devices,
                              const data_set& data, progress& progress);

/// The GPUs of this machine that can work together, and a few words on what was found.
struct gpu_search {
  std::vector<int> devices;
  std::string found;
};
[[nodiscard]] gpu_search find_gpus();

/// Calls train.operator()<N>() for the number of ranks, which is known at run time only.
template <class Train>
training_result with_rank_count(int ranks, const Train& train) {
  training_result result;
  const auto try_each = [&]<int... I>(std::integer_sequence<int, I...>) {
    return ((ranks == I + 1 && (result = train.template operator()<I + 1>(), true)) || ...);
  };
  if (!try_each(std::make_integer_sequence<int, 8>{})) {
    throw std::invalid_argument{"ranks is " + std::to_string(ranks) + "; it must be from 1 to 8"};
  }
  return result;
}

/// FNV-1a (64 bits) of the parameters, each as four bytes, the lowest first.
inline std::uint64_t checksum(const std::vector<float>& weights) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325u;
  for (const float weight : weights) {
    const auto bits = std::bit_cast<std::uint32_t>(weight);
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((bits >> shift) & 0xffu)) * 0x0000'0100'0000'01b3u;
    }
  }
  return hash;
}

/// Compares bits: 0 and -0 differ, a NaN equals itself.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

/// Looks at the parameters that every rank ended with.
inline void compare_ranks(const std::vector<std::vector<float>>& weights, training_result& result) {
  result.checksum = checksum(weights.front());
  result.identical = std::all_of(weights.begin(), weights.end(), [&](const auto& of_rank) {
    return same_bits(of_rank, weights.front());
  });
}

}  // namespace digits
