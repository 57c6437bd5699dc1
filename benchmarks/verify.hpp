// Fresh inputs, poisoned outputs and the count of wrong elements, all on the GPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collective.hpp"
#include "element.hpp"

namespace bench {

enum class placement { out_of_place, in_place };

struct rank_pointers {
  std::vector<int> devices;  // of each rank
  std::vector<void*> in;     // message::given() elements
  std::vector<void*> out;    // message::got()

  // What rank r's call reads and writes. In place that is in the larger of its two buffers.
  void* input(const message& m, std::size_t r, placement where) const;
  void* output(const message& m, std::size_t r, placement where) const;
};

enum class values {
  integers,  // small enough that sums are exact in any order
  reals,     // of all sizes: only the fold in rank order gives the same bits
};

struct problem {
  message call;
  reduction op = reduction::sum;
  values kind = values::integers;
  std::uint32_t seed = 0;
};

// Loads this file's kernels on a device, before anything there waits for another GPU.
void load_verification(int device);

// Writes every rank's values for the seed where its call reads them, and waits.
void fill_inputs(const problem& what, const rank_pointers& at, placement where);

// Overwrites the outputs with a pattern that results do not have, and waits.
void poison_outputs(const problem& what, const rank_pointers& at);

// Elements of all ranks' outputs whose bits are not those that were given, or of a fold in rank
// order that starts from the first rank's value, in float for 16-bit types, rounded once.
std::uint64_t count_wrong(const problem& what, const rank_pointers& at, placement where);

}  // namespace bench
