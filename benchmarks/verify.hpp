// Fresh inputs, poisoned outputs and the count of wrong elements, all on the GPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "element.hpp"

namespace bench {

struct rank_pointers {
  std::vector<int> devices;  // of each rank
  std::vector<void*> in;
  std::vector<void*> out;
};

enum class values {
  integers,  // small enough that sums are exact in any order
  reals,     // of all sizes: only the fold in rank order gives the same bits
};

struct problem {
  element type = element::float32;
  reduction op = reduction::sum;
  std::size_t count = 0;
  int ranks = 0;
  values kind = values::integers;
  std::uint32_t seed = 0;
};

// Loads this file's kernels on a device, before anything there waits for another GPU.
void load_verification(int device);

// Writes every rank's values for the seed to `to` and waits.
void fill_inputs(const problem& what, const rank_pointers& at, const std::vector<void*>& to);

// Overwrites the outputs with a pattern that results do not have, and waits.
void poison_outputs(const problem& what, const rank_pointers& at);

// Elements of all ranks' outputs whose bits are not those of a fold in rank order that
// starts from rank 0's value, in float for 16-bit types, rounded once.
std::uint64_t count_wrong(const problem& what, const rank_pointers& at);

}  // namespace bench
