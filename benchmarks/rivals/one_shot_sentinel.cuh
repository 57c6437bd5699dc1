// A one-shot all-reduce by sentinels, written by hand for two ranks and float sum: the yardstick
// for peerfold's one_shot/sentinel. It includes nothing of peerfold.
//
// Slots are all ones where nothing has come; words of 64 bits that are all ones (two NaNs) travel
// without their top bit. A message begins with a line that bears its number and a digest of the
// call. Every block owns four slots in its peer's ring; while it waits for message m it wipes what
// it read of m - 1. A call has at most two messages a block: the end of the kernel orders wipes
// before the messages that take their slots.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench::rivals {

inline constexpr int sentinel_slots = 4;
inline constexpr int sentinel_threads = 512;  // at most, in a block
inline constexpr int sentinel_unroll = 2;
inline constexpr int sentinel_lines = 8 + sentinel_threads * sentinel_unroll;  // of a slot
inline constexpr unsigned sentinel_poll_limit = 1u << 22;

struct one_shot_sentinel_rank {
  int rank;
  const uint4* in;
  uint4* out;
  uint4* ring_here;   // that the other rank writes: [block][slot][line]
  uint4* ring_there;  // the other rank's
  uint2* state;       // [block]: the last message, and its lines
  ushort2 digest;     // of the call
};

struct one_shot_sentinel_call {
  unsigned* failed;     // in host memory; set when a wait ran into its limit
  std::uint32_t lines;  // of 16 bytes, in the message
  std::uint32_t tile;   // lines of a tile, at most sentinel_unroll for each thread of a block
};

// One rank, or both where they share a GPU.
template <int Count>
struct one_shot_sentinel_arguments {
  one_shot_sentinel_call call;
  one_shot_sentinel_rank ranks[Count];
};

struct sentinel_line {
  std::uint64_t low;
  std::uint64_t high;
};

inline __device__ void store_line(uint4* line, sentinel_line values) {
  asm volatile("st.relaxed.sys.global.v2.b64 [%0], {%1, %2};" ::"l"(line), "l"(values.low),
               "l"(values.high)
               : "memory");
}
inline __device__ sentinel_line load_line(const uint4* line) {
  sentinel_line values;
  asm volatile("ld.relaxed.sys.global.v2.b64 {%0, %1}, [%2];"
               : "=l"(values.low), "=l"(values.high)
               : "l"(line)
               : "memory");
  return values;
}
inline __device__ bool has_come(sentinel_line values) {
  return values.low != ~0ull && values.high != ~0ull;
}

inline __device__ std::uint64_t fit_to_travel(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t word = std::uint64_t{high} << 32 | low;
  return word == ~0ull ? ~0ull >> 1 : word;
}
inline __device__ std::uint64_t sum_of_two(std::uint64_t first, std::uint64_t second) {
  const auto add = [](std::uint64_t a, std::uint64_t b) {
    return __float_as_uint(__fadd_rn(__uint_as_float(static_cast<std::uint32_t>(a)),
                                     __uint_as_float(static_cast<std::uint32_t>(b))));
  };
  return std::uint64_t{add(first >> 32, second >> 32)} << 32 | add(first, second);
}

// A rank's blocks lie along x; with both ranks on one GPU the second lies along y.
template <int Count>
__global__ void __launch_bounds__(sentinel_threads)
    one_shot_sentinel(const __grid_constant__ one_shot_sentinel_arguments<Count> a) {
  const one_shot_sentinel_rank& my = a.ranks[Count == 1 ? 0 : blockIdx.y];
  uint2 before = my.state[blockIdx.x];
  const std::uint32_t ring = blockIdx.x * sentinel_slots * sentinel_lines;
  const auto slot_of = [&](std::uint32_t message) {
    return ring + message % sentinel_slots * sentinel_lines;
  };
  const sentinel_line nothing{~0ull, ~0ull};
  bool first = true;
  for (std::uint32_t begin = blockIdx.x * a.call.tile; begin < a.call.lines;
       begin += gridDim.x * a.call.tile) {
    const std::uint32_t left = a.call.lines - begin;
    const std::uint32_t lines = left < a.call.tile ? left : a.call.tile;
    sentinel_line mine[sentinel_unroll];
#pragma unroll
    for (int u = 0; u < sentinel_unroll; ++u) {
      const std::uint32_t i = u * blockDim.x + threadIdx.x;
      if (i >= lines) continue;
      const uint4 v = my.in[begin + i];
      mine[u] = {fit_to_travel(v.x, v.y), fit_to_travel(v.z, v.w)};
    }
    const std::uint32_t message = before.x + 1;
    const sentinel_line header{std::uint64_t{message << 16 | my.digest.x} << 32,
                               std::uint64_t{message << 16 | my.digest.y} << 32};
    uint4* const there = my.ring_there + slot_of(message);
    uint4* const here = my.ring_here + slot_of(message);
#pragma unroll
    for (int u = 0; u < sentinel_unroll; ++u) {
      const std::uint32_t i = u * blockDim.x + threadIdx.x;
      if (i < lines) store_line(there + 8 + i, mine[u]);
    }
    if (threadIdx.x == 0) store_line(there, header);
    if (first) __syncthreads();  // all threads have read the state
    first = false;
    uint4* const old = my.ring_here + slot_of(before.x);
    for (std::uint32_t i = threadIdx.x; i < before.y; i += blockDim.x)
      store_line(old + 8 + i, nothing);
    before = make_uint2(message, lines);
    if (threadIdx.x == 0) {
      store_line(old, nothing);
      my.state[blockIdx.x] = before;
    }
    if (threadIdx.x < lines) {
      sentinel_line head;
      sentinel_line theirs[sentinel_unroll];
      unsigned polls = 0;
      bool all;
      do {
        head = load_line(here);
#pragma unroll
        for (int u = 0; u < sentinel_unroll; ++u) {
          const std::uint32_t i = u * blockDim.x + threadIdx.x;
          theirs[u] = i < lines ? load_line(here + 8 + i) : sentinel_line{0, 0};
        }
        all = head.low == header.low && head.high == header.high;
#pragma unroll
        for (int u = 0; u < sentinel_unroll; ++u) all = all && has_come(theirs[u]);
        if (++polls == sentinel_poll_limit) {
          *static_cast<volatile unsigned*>(a.call.failed) = 1;
          break;
        }
      } while (!all);
#pragma unroll
      for (int u = 0; u < sentinel_unroll; ++u) {
        const std::uint32_t i = u * blockDim.x + threadIdx.x;
        if (i >= lines) continue;
        const sentinel_line& one = my.rank == 0 ? mine[u] : theirs[u];
        const sentinel_line& two = my.rank == 0 ? theirs[u] : mine[u];
        const std::uint64_t low = sum_of_two(one.low, two.low);
        const std::uint64_t high = sum_of_two(one.high, two.high);
        my.out[begin + i] =
            make_uint4(static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
                       static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32));
      }
    }
    __syncthreads();
  }
}

}  // namespace bench::rivals
