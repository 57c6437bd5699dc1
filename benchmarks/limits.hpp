// What the machine allows: the floors that every figure stands beside.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "machine.hpp"

namespace bench {

// GB/s = 1e9 bytes a second, and the number of blocks that reached it (0: not SMs).
struct rate {
  double gigabytes_per_second = 0;
  int blocks = 0;
};

struct limits {
  int gpus = 0;                          // distinct ones; with one, flags pass between two blocks
  double launch_us = 0;                  // empty kernel after empty kernel in a graph
  std::optional<double> cooperative_us;  // the same, launched cooperatively
  double flag_relaxed_us = 0;            // one way: stored here, seen there
  double flag_ordered_us = 0;            // the same with st.release and ld.acquire
  // Between neighbours in a ring of the GPUs, all at once, each direction.
  std::optional<rate> stores;
  std::optional<rate> loads;
  std::optional<rate> copy_engine;
  std::optional<rate> stores_alone;  // the first GPU's to its neighbour while nothing comes back
  std::vector<rate> stores_by_blocks;
  std::vector<rate> loads_by_blocks;
  rate local_copy;           // bytes moved once
  std::size_t l2_bytes = 0;  // below this much traffic, local copies may be faster
};

limits measure_limits(const machine& where, const std::vector<int>& devices);

}  // namespace bench
