// A two-shot all-reduce by pushes, written by hand for two ranks and float sum: the yardstick
// for peerfold's two_shot/store in symmetric memory. It includes nothing of peerfold.
//
// Each rank folds one half of the message. A block pushes a tile of the other half into a slot of
// its peer's ring and raises a flag; two tiles later it acquires the peer's flag, folds the tile
// of its own half and writes the result to both outputs. A slot is free when it is reused: before
// it pushes tile k a block has folded k - 3, so the peer had pushed k - 3 and, before that, folded
// k - 6; the ring has eight slots. One last flag says that all results are written.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench::rivals {

inline constexpr int push_slots = 8;
inline constexpr int push_threads = 512;  // at most, in a block
inline constexpr int push_unroll = 4;
inline constexpr int push_lines = push_threads * push_unroll;  // of a slot: 32 KiB
inline constexpr std::uint32_t push_lag = 2;
inline constexpr int push_flag_stride = 32;  // words: a line of 128 bytes a flag
inline constexpr unsigned push_poll_limit = 1u << 21;

struct two_shot_push_rank {
  int rank;
  const uint4* keep;         // the half of this rank's input that it folds,
  const uint4* give;         // and the other one
  uint4* out_here;           // where its results belong in its own output,
  uint4* out_there;          // and in the other rank's
  uint4* ring_here;          // that the other rank writes: [block][slot][line]
  uint4* ring_there;         // the other rank's
  std::uint32_t* flag_here;  // that the other rank writes: [block][stride], its last message
  std::uint32_t* flag_there;
  std::uint32_t* state;  // [block]: the last message
};

struct two_shot_push_call {
  unsigned* failed;     // in host memory; set when a wait ran into its limit
  std::size_t half;     // lines of 16 bytes that each rank folds
  std::uint32_t tile;   // lines of a tile, at most push_unroll for each thread of a block
  std::uint32_t tiles;  // of a half
};

// One rank, or both where they share a GPU.
template <int Count>
struct two_shot_push_arguments {
  two_shot_push_call call;
  two_shot_push_rank ranks[Count];
};

inline __device__ void raise_flag(std::uint32_t* flag, std::uint32_t message) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(flag), "r"(message) : "memory");
}

inline __device__ bool await_flag(const std::uint32_t* flag, std::uint32_t message) {
  for (unsigned polls = 0; polls < push_poll_limit; ++polls) {
    std::uint32_t seen;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(seen) : "l"(flag) : "memory");
    if (static_cast<std::int32_t>(seen - message) >= 0) return true;
  }
  return false;
}

inline __device__ uint4 add_in_order(uint4 first, uint4 second) {
  const auto add = [](std::uint32_t a, std::uint32_t b) {
    return __float_as_uint(__fadd_rn(__uint_as_float(a), __uint_as_float(b)));
  };
  return make_uint4(add(first.x, second.x), add(first.y, second.y), add(first.z, second.z),
                    add(first.w, second.w));
}

// A rank's blocks lie along x; with both ranks on one GPU the second lies along y.
template <int Count>
__global__ void __launch_bounds__(push_threads)
    two_shot_push(const __grid_constant__ two_shot_push_arguments<Count> a) {
  const two_shot_push_rank& my = a.ranks[Count == 1 ? 0 : blockIdx.y];
  const std::size_t ring_begin = std::size_t{blockIdx.x} * push_slots * push_lines;
  const uint4* const ring_here = my.ring_here + ring_begin;
  uint4* const ring_there = my.ring_there + ring_begin;
  const std::uint32_t* const flag_here = my.flag_here + blockIdx.x * push_flag_stride;
  std::uint32_t* const flag_there = my.flag_there + blockIdx.x * push_flag_stride;

  const std::uint32_t before = my.state[blockIdx.x];
  std::uint32_t sent = before;
  std::uint32_t received = before;
  bool waiting = true;  // until a wait has failed
  const auto publish = [&] {
    __syncthreads();
    ++sent;
    if (threadIdx.x == 0) raise_flag(flag_there, sent);
  };
  const auto await = [&] {
    ++received;
    if (threadIdx.x == 0 && waiting && !await_flag(flag_here, received)) {
      *static_cast<volatile unsigned*>(a.call.failed) = 1;
      waiting = false;
    }
    __syncthreads();
  };

  std::uint32_t ahead = blockIdx.x;
  for (std::uint32_t step = 0;; ++step, ahead += gridDim.x) {
    if (ahead < a.call.tiles) {
      const std::size_t begin = std::size_t{ahead} * a.call.tile;
      uint4* const slot = ring_there + (sent + 1) % push_slots * push_lines;
      uint4 v[push_unroll];
#pragma unroll
      for (int u = 0; u < push_unroll; ++u) {
        const std::uint32_t i = static_cast<unsigned>(u) * blockDim.x + threadIdx.x;
        if (i < a.call.tile && begin + i < a.call.half) v[u] = my.give[begin + i];
      }
#pragma unroll
      for (int u = 0; u < push_unroll; ++u) {
        const std::uint32_t i = static_cast<unsigned>(u) * blockDim.x + threadIdx.x;
        if (i < a.call.tile && begin + i < a.call.half) slot[i] = v[u];
      }
      publish();
    }
    if (step < push_lag) continue;
    const std::uint32_t behind = ahead - push_lag * gridDim.x;
    if (behind >= a.call.tiles) break;

    await();
    const std::size_t begin = std::size_t{behind} * a.call.tile;
    const uint4* const slot = ring_here + received % push_slots * push_lines;
    uint4 mine[push_unroll];
    uint4 theirs[push_unroll];
#pragma unroll
    for (int u = 0; u < push_unroll; ++u) {
      const std::uint32_t i = static_cast<unsigned>(u) * blockDim.x + threadIdx.x;
      if (i < a.call.tile && begin + i < a.call.half) {
        mine[u] = my.keep[begin + i];
        theirs[u] = slot[i];
      }
    }
#pragma unroll
    for (int u = 0; u < push_unroll; ++u) {
      const std::uint32_t i = static_cast<unsigned>(u) * blockDim.x + threadIdx.x;
      if (i < a.call.tile && begin + i < a.call.half) {
        const uint4 folded =
            my.rank == 0 ? add_in_order(mine[u], theirs[u]) : add_in_order(theirs[u], mine[u]);
        my.out_there[begin + i] = folded;
        my.out_here[begin + i] = folded;
      }
    }
  }
  publish();
  await();
  if (threadIdx.x == 0) my.state[blockIdx.x] = sent;
}

}  // namespace bench::rivals
