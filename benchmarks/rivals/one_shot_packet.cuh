// A one-shot all-reduce by packets, written by hand for two ranks and float sum: the yardstick
// for peerfold's one_shot/packet. It includes nothing of peerfold.
//
// A line of 16 bytes holds two 64-bit words of 4 bytes data and 4 bytes sequence number. Every
// block owns two slots of lines in its peer's ring, taken in turn. A slot is free when it is
// reused: a block sends message m + 1 after all its threads have received m, and the peer sent m
// after all its threads had read m - 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench::rivals {

inline constexpr int packet_slots = 2;
inline constexpr int packet_threads = 512;           // at most, in a block
inline constexpr int packet_lines = packet_threads;  // of a slot
inline constexpr unsigned packet_poll_limit = 1u << 22;

struct one_shot_packet_arguments {
  const uint2* in[2];  // of each rank
  uint2* out[2];
  uint4* ring[2];           // that the other rank writes: [block][slot][line]
  std::uint32_t* state[2];  // [block]: the last message; its own rank's alone
  unsigned* failed;         // in host memory; set when a wait ran into its limit
  std::uint32_t lines;      // of 8 bytes, in the message
};

inline __device__ void send_line(uint4* line, uint2 data, std::uint32_t message) {
  const std::uint64_t mark = std::uint64_t{message} << 32;
  asm volatile("st.relaxed.sys.global.v2.b64 [%0], {%1, %2};" ::"l"(line), "l"(mark | data.x),
               "l"(mark | data.y)
               : "memory");
}

inline __device__ uint2 receive_line(const uint4* line, std::uint32_t message, unsigned* failed) {
  std::uint64_t low;
  std::uint64_t high;
  unsigned polls = 0;
  do {
    asm volatile("ld.relaxed.sys.global.v2.b64 {%0, %1}, [%2];"
                 : "=l"(low), "=l"(high)
                 : "l"(line)
                 : "memory");
    if (++polls == packet_poll_limit) {
      *static_cast<volatile unsigned*>(failed) = 1;
      break;
    }
  } while (static_cast<std::uint32_t>(low >> 32) != message ||
           static_cast<std::uint32_t>(high >> 32) != message);
  return make_uint2(static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(high));
}

// Rank 0's value first.
inline __device__ std::uint32_t fold_in_rank_order(int rank, std::uint32_t mine,
                                                   std::uint32_t theirs) {
  const float first = __uint_as_float(rank == 0 ? mine : theirs);
  const float second = __uint_as_float(rank == 0 ? theirs : mine);
  return __float_as_uint(__fadd_rn(first, second));
}

// A rank's blocks lie along x; with both ranks on one GPU the second lies along y.
static __global__ void __launch_bounds__(packet_threads)
    one_shot_packet(const __grid_constant__ one_shot_packet_arguments a, int first_rank) {
  const int rank = first_rank + static_cast<int>(blockIdx.y);
  const int peer = 1 - rank;
  std::uint32_t message = a.state[rank][blockIdx.x];
  const std::uint32_t tiles = (a.lines + blockDim.x - 1) / blockDim.x;
  for (std::uint32_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    ++message;
    const std::uint32_t slot = (blockIdx.x * packet_slots + message % packet_slots) * packet_lines;
    const std::uint32_t i = tile * blockDim.x + threadIdx.x;
    if (i < a.lines) {
      const uint2 mine = a.in[rank][i];
      send_line(a.ring[peer] + slot + threadIdx.x, mine, message);
      const uint2 theirs = receive_line(a.ring[rank] + slot + threadIdx.x, message, a.failed);
      a.out[rank][i] = make_uint2(fold_in_rank_order(rank, mine.x, theirs.x),
                                  fold_in_rank_order(rank, mine.y, theirs.y));
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) a.state[rank][blockIdx.x] = message;
}

}  // namespace bench::rivals
