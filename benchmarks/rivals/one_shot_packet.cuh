// A one-shot all-reduce by packets, written by hand for two ranks and float sum: the yardstick
// for peerfold's one_shot/packet. It includes nothing of peerfold.
//
// A line of 16 bytes holds two 64-bit words of 4 bytes data and a mark: 16 bits of the message's
// number and half of a digest of the call, which tells the ranks that they make the same. Every
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

struct one_shot_packet_rank {
  int rank;
  const uint2* in;
  uint2* out;
  uint4* ring_here;      // that the other rank writes: [block][slot][line]
  uint4* ring_there;     // the other rank's
  std::uint32_t* state;  // [block]: the last message
  ushort2 digest;        // of the call
};

struct one_shot_packet_call {
  unsigned* failed;     // in host memory; set when a wait ran into its limit
  std::uint32_t lines;  // of 8 bytes, in the message
};

// One rank, or both where they share a GPU.
template <int Count>
struct one_shot_packet_arguments {
  one_shot_packet_call call;
  one_shot_packet_rank ranks[Count];
};

// Of a line's words.
inline __device__ uint2 marks_of(std::uint32_t message, ushort2 digest) {
  return make_uint2(message << 16 | digest.x, message << 16 | digest.y);
}

inline __device__ void send_line(uint4* line, uint2 data, uint2 marks) {
  asm volatile("st.relaxed.sys.global.v2.b64 [%0], {%1, %2};" ::"l"(line),
               "l"(std::uint64_t{marks.x} << 32 | data.x),
               "l"(std::uint64_t{marks.y} << 32 | data.y)
               : "memory");
}

inline __device__ uint2 receive_line(const uint4* line, uint2 marks, unsigned* failed) {
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
  } while (static_cast<std::uint32_t>(low >> 32) != marks.x ||
           static_cast<std::uint32_t>(high >> 32) != marks.y);
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
template <int Count>
__global__ void __launch_bounds__(packet_threads)
    one_shot_packet(const __grid_constant__ one_shot_packet_arguments<Count> a) {
  const one_shot_packet_rank& my = a.ranks[Count == 1 ? 0 : blockIdx.y];
  std::uint32_t message = my.state[blockIdx.x];
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (std::uint32_t begin = blockIdx.x * blockDim.x; begin < a.call.lines; begin += step) {
    const std::uint32_t i = begin + threadIdx.x;
    const bool inside = i < a.call.lines;
    uint2 mine;
    if (inside) mine = my.in[i];  // under way before the number is waited for
    asm volatile("" : "+r"(message));
    ++message;
    const std::uint32_t slot = (blockIdx.x * packet_slots + message % packet_slots) * packet_lines;
    if (inside) {
      const uint2 marks = marks_of(message, my.digest);
      send_line(my.ring_there + slot + threadIdx.x, mine, marks);
      const uint2 theirs = receive_line(my.ring_here + slot + threadIdx.x, marks, a.call.failed);
      my.out[i] = make_uint2(fold_in_rank_order(my.rank, mine.x, theirs.x),
                             fold_in_rank_order(my.rank, mine.y, theirs.y));
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) my.state[blockIdx.x] = message;
}

}  // namespace bench::rivals
