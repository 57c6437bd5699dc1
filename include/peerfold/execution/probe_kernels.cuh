/// \file
/// Kernels that move a pattern between GPUs and look whether it has come, and that pass a flag back
/// and forth.
#pragma once

#include <peerfold/arch/clock.hpp>
#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>

#include <cstddef>
#include <cstdint>

namespace peerfold::execution {

/// Sixteen bytes, which one access moves.
using probe_line = arch::pack<std::uint32_t, 16>;

/// Line number `line` of the pattern `seed`. No two lines of a pattern are equal, so lines that
/// come to a wrong place are found, and patterns of other seeds are others, so are lines that have
/// been there before.
[[nodiscard]] PEERFOLD_HD inline probe_line pattern_line(std::uint32_t line,
                                                         std::uint32_t seed) noexcept {
  probe_line made;
  std::uint32_t word = (line ^ seed * 0x27d4'eb2fu) * 0x9e37'79b1u;
  for (std::uint32_t& each : made.word) {
    word ^= word >> 15;
    word *= 0x85eb'ca77u;
    word += seed;
    each = word;
  }
  return made;
}

/// Fills `lines` lines with a pattern, `passes` times over.
template <class Line>
__global__ void __launch_bounds__(512)
    store_pattern(Line* to, std::uint32_t lines, std::uint32_t seed, int passes) {
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (int pass = 0; pass < passes; ++pass) {
    for (std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < lines; i += step) {
      arch::store_vector(to + i, pattern_line(i, seed));
    }
  }
}

/// Adds the lines that are not of the pattern to `wrong`, a word of the own GPU's memory.
template <class Line>
__global__ void __launch_bounds__(512)
    check_pattern(const Line* from, std::uint32_t lines, std::uint32_t seed, std::uint32_t* wrong) {
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < lines; i += step) {
    const auto found = arch::load_vector<Line>(from + i);
    const Line wanted = pattern_line(i, seed);
    std::uint32_t differs = 0;
    for (int w = 0; w < 4; ++w) differs |= found.word[w] ^ wanted.word[w];
    if (differs != 0) atomicAdd(wrong, 1u);
  }
}

/// One side of a ping-pong; one thread. Each side polls a word of its own GPU's memory, 0 at first,
/// into which the other stores: the numbers 1 to rounds. Puts the nanoseconds of all rounds but the
/// first, which waits for the other side's start, into `ns`, or 0 once a number has not come after
/// `polls` looks.
template <class Word>
__global__ void ping_pong(Word* mine, Word* theirs, bool serves, std::uint32_t rounds,
                          std::uint32_t polls, std::uint64_t* ns) {
  std::uint64_t begin = 0;
  for (Word round = 1; round <= rounds; ++round) {
    if (serves) arch::store_relaxed(theirs, round);
    std::uint32_t looks = 0;
    while (arch::load_relaxed(mine) != round) {
      if (++looks == polls) {
        *ns = 0;
        return;
      }
    }
    if (!serves) arch::store_relaxed(theirs, round);
    if (round == 1) begin = arch::now_ns();
  }
  *ns = arch::now_ns() - begin;
}

}  // namespace peerfold::execution
