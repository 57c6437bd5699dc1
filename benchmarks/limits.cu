#include "limits.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "runtime.hpp"
#include "stopwatch.hpp"

namespace bench {
namespace {

__global__ void empty() {}

struct flag_pair {
  std::uint32_t* words[2];  // one on each side
  unsigned* failures;       // on the first side
};

template <bool Ordered>
__device__ void store_flag(std::uint32_t* word, std::uint32_t value) {
  if constexpr (Ordered) {
    asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
  } else {
    asm volatile("st.relaxed.sys.global.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
  }
}

template <bool Ordered>
__device__ bool await_flag(const std::uint32_t* word, std::uint32_t value) {
  for (unsigned polls = 0; polls < (1u << 21); ++polls) {
    std::uint32_t seen;
    if constexpr (Ordered) {
      asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(seen) : "l"(word) : "memory");
    } else {
      asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(seen) : "l"(word) : "memory");
    }
    if (seen == value) return true;
  }
  return false;
}

// Each block is one side; the first block of the grid is side `first_side`.
template <bool Ordered>
__global__ void ping_pong(flag_pair flags, unsigned first_side, std::uint32_t rounds) {
  const unsigned side = first_side + blockIdx.x;
  std::uint32_t* const mine = flags.words[side];
  std::uint32_t* const theirs = flags.words[1 - side];
  for (std::uint32_t round = 1; round <= rounds; ++round) {
    if (side == 0) store_flag<Ordered>(theirs, round);
    if (!await_flag<Ordered>(mine, round)) {
      *static_cast<volatile unsigned*>(flags.failures) = 1;
      return;
    }
    if (side == 1) store_flag<Ordered>(theirs, round);
  }
}

// Eight 16-byte lines a thread in flight.
__global__ void __launch_bounds__(512) copy_lines(uint4* to, const uint4* from, std::size_t lines) {
  constexpr int unroll = 8;
  const std::size_t step = std::size_t(gridDim.x) * blockDim.x;
  std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i + (unroll - 1) * step < lines; i += unroll * step) {
    uint4 v[unroll];
#pragma unroll
    for (int u = 0; u < unroll; ++u) v[u] = from[i + u * step];
#pragma unroll
    for (int u = 0; u < unroll; ++u) to[i + u * step] = v[u];
  }
  for (; i < lines; i += step) to[i] = from[i];
}

void load_kernels(int device) {
  const on_device scope(device);
  cudaFuncAttributes a{};
  check(cudaFuncGetAttributes(&a, empty), "cudaFuncGetAttributes");
  check(cudaFuncGetAttributes(&a, ping_pong<false>), "cudaFuncGetAttributes");
  check(cudaFuncGetAttributes(&a, ping_pong<true>), "cudaFuncGetAttributes");
  check(cudaFuncGetAttributes(&a, copy_lines), "cudaFuncGetAttributes");
}

double time_in_graph(std::span<const lane> lanes, int calls, int replays,
                     const std::function<void(const lane&, std::size_t)>& enqueue) {
  const recording recorded(lanes, [&] {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const on_device scope(lanes[i].device);
      for (int call = 0; call < calls; ++call) enqueue(lanes[i], i);
    }
  });
  timing_plan plan;
  plan.calls = calls;
  plan.replays = replays;
  return time_launches(lanes, plan, [&] { recorded.launch(); });
}

double launch_gap_us(const lane& where, bool cooperative) {
  return time_in_graph(std::span(&where, 1), 100, 21, [&](const lane& l, std::size_t) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = 8;
    config.blockDim = 128;
    config.stream = l.stream;
    config.attrs = &attribute;
    config.numAttrs = cooperative ? 1 : 0;
    check(cudaLaunchKernelEx(&config, empty), "cudaLaunchKernelEx");
  });
}

template <bool Ordered>
double flag_us(std::span<const lane> pair, const flag_pair& flags,
               const std::array<device_memory, 2>& words) {
  constexpr std::uint32_t rounds = 1000;
  std::vector<double> samples;
  for (int repeat = 0; repeat < 7; ++repeat) {
    for (const device_memory& word : words) word.fill(0);
    timing_plan plan;
    plan.calls = 2 * static_cast<int>(rounds);  // one-way trips
    plan.warm_up = 0;
    plan.replays = 1;
    const auto launch = [&] {
      for (std::size_t i = 0; i < pair.size(); ++i) {
        const on_device scope(pair[i].device);
        const unsigned sides = pair.size() == 1 ? 2 : 1;
        ping_pong<Ordered>
            <<<sides, 1, 0, pair[i].stream>>>(flags, static_cast<unsigned>(i), rounds);
        check(cudaGetLastError(), "launching ping_pong");
      }
    };
    const double sample = time_launches(pair, plan, launch);
    if (repeat >= 2) samples.push_back(sample);
    unsigned failures = 0;
    check(cudaMemcpy(&failures, flags.failures, sizeof failures, cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    if (failures != 0) throw std::runtime_error("measuring the flag latency: a flag never came");
  }
  return median(std::move(samples));
}

void measure_flags(limits& result, std::span<const lane> lanes) {
  const std::span<const lane> pair = lanes.first(std::min<std::size_t>(lanes.size(), 2));
  std::array<device_memory, 2> words;
  words[0] = device_memory(pair.front().device, 256);
  words[1] = device_memory(pair.back().device, 256);
  flag_pair flags{};
  flags.words[0] = words[0].as<std::uint32_t>();
  flags.words[1] = words[1].as<std::uint32_t>();
  flags.failures = words[0].as<unsigned>() + 32;  // its own 128-byte line
  result.flag_relaxed_us = flag_us<false>(pair, flags, words);
  result.flag_ordered_us = flag_us<true>(pair, flags, words);
}

double gigabytes_per_second(std::size_t bytes, double us) {
  return static_cast<double>(bytes) / us * 1e-3;
}

void measure_traffic(limits& result, std::span<const lane> lanes, int multiprocessors) {
  constexpr std::size_t bytes = std::size_t{256} << 20;
  constexpr int calls = 4;
  std::vector<device_memory> from;
  std::vector<device_memory> to;
  for (const lane& l : lanes) {
    from.emplace_back(l.device, bytes);
    to.emplace_back(l.device, bytes);
    from.back().fill(0x3c);
  }
  const auto next = [&](std::size_t i) { return (i + 1) % lanes.size(); };
  const auto by_engine = [&](bool local) {
    return gigabytes_per_second(
        bytes, time_in_graph(lanes, calls, 7, [&](const lane& l, std::size_t i) {
          check(cudaMemcpyAsync(to[local ? i : next(i)].data(), from[i].data(), bytes,
                                cudaMemcpyDeviceToDevice, l.stream),
                "cudaMemcpyAsync");
        }));
  };
  result.local_copy = {by_engine(true), 0};
  if (lanes.size() < 2) return;

  result.copy_engine = rate{by_engine(false), 0};
  const auto by_blocks = [&](std::span<const lane> senders, int blocks, bool store) {
    const double us = time_in_graph(senders, calls, 7, [&](const lane& l, std::size_t i) {
      uint4* const target = to[store ? next(i) : i].as<uint4>();
      const uint4* const source = from[store ? i : next(i)].as<uint4>();
      copy_lines<<<static_cast<unsigned>(blocks), 512, 0, l.stream>>>(target, source, bytes / 16);
      check(cudaGetLastError(), "launching copy_lines");
    });
    return rate{gigabytes_per_second(bytes, us), blocks};
  };
  const auto best = [](const std::vector<rate>& rates) {
    return *std::ranges::max_element(rates, {}, &rate::gigabytes_per_second);
  };
  std::vector<rate> alone;
  for (const int blocks : {24, 48, multiprocessors}) {
    result.stores_by_blocks.push_back(by_blocks(lanes, blocks, true));
    result.loads_by_blocks.push_back(by_blocks(lanes, blocks, false));
    alone.push_back(by_blocks(lanes.first(1), blocks, true));
  }
  result.stores_alone = best(alone);
  result.stores = best(result.stores_by_blocks);
  result.loads = best(result.loads_by_blocks);
}

}  // namespace

limits measure_limits(const machine& where, const std::vector<int>& devices) {
  std::vector<stream> streams;
  std::vector<lane> lanes;
  for (const int device : distinct(devices)) {
    load_kernels(device);
    streams.emplace_back(device);
    lanes.push_back({device, streams.back().get(), 1});
  }
  const gpu& first = where.gpus[static_cast<std::size_t>(lanes.front().device)];
  limits result;
  result.gpus = static_cast<int>(lanes.size());
  result.l2_bytes = first.l2_bytes;
  result.launch_us = launch_gap_us(lanes.front(), false);
  int cooperative = 0;
  check(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, first.index),
        "cudaDeviceGetAttribute");
  if (cooperative != 0) result.cooperative_us = launch_gap_us(lanes.front(), true);
  measure_flags(result, lanes);
  measure_traffic(result, lanes, first.multiprocessors);
  return result;
}

}  // namespace bench
