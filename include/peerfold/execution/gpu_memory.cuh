/// \file
/// Memory of GPUs, of their ranks, and words that GPU and host share.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/execution/cuda_error.cuh>
#include <peerfold/execution/device_list.hpp>
#include <peerfold/memory/provider.hpp>
#include <peerfold/sync/arena_setup.hpp>

#include <cuda_runtime.h>

#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::execution {

/// The devices of this machine.
class cuda_devices final : public device_layer {
 public:
  [[nodiscard]] int count() const override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return 0;
    }
    return devices;
  }
  [[nodiscard]] bool reaches(int device, int peer) const override {
    int can = 0;
    return cudaDeviceCanAccessPeer(&can, device, peer) == cudaSuccess && can != 0;
  }
  [[nodiscard]] int multiprocessors(int device) const override {
    int value = 0;
    static_cast<void>(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, device));
    return value;
  }
};

/// The name of a device, such as "NVIDIA H100 80GB HBM3"; empty where CUDA does not tell.
[[nodiscard, gnu::cold]] inline std::string name_of_device(int device) {
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, device) == cudaSuccess) return properties.name;
  static_cast<void>(cudaGetLastError());
  return {};
}

/// The devices, each with a peer, whose access to the peer's memory teams have had enabled. Whoever
/// enables or disables any holds the mutex meanwhile.
struct enabled_peers {
  std::mutex mutex;
  std::set<std::pair<int, int>> pairs;

  [[nodiscard]] static enabled_peers& of_process() {
    static enabled_peers all;
    return all;
  }
};

/// Lets kernels on `device`, the current one, reach memory of `peer`. Asks CUDA once a pair: asking
/// again counts as an error to tools that watch.
[[nodiscard]] inline cudaError_t enable_peer_access(int device, int peer) {
  enabled_peers& enabled = enabled_peers::of_process();
  const std::lock_guard lock{enabled.mutex};
  if (enabled.pairs.contains({device, peer})) return cudaSuccess;
  cudaError_t status = cudaDeviceEnablePeerAccess(peer, 0);
  if (status == cudaErrorPeerAccessAlreadyEnabled) {  // by somebody else
    static_cast<void>(cudaGetLastError());
    status = cudaSuccess;
  }
  if (status == cudaSuccess) enabled.pairs.emplace(device, peer);
  return status;
}

/// Plain device memory of each rank's device; peers reach it once peer access is enabled.
class device_provider final : public memory::provider {
 public:
  explicit device_provider(std::vector<int> devices) : devices_{std::move(devices)} {}

  [[nodiscard]] void* allocate(int rank, std::size_t bytes) noexcept override {
    device_guard guard;
    void* memory = nullptr;
    if (guard.set(devices_[static_cast<std::size_t>(rank)]) != cudaSuccess ||
        cudaMalloc(&memory, bytes) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return nullptr;
    }
    return memory;
  }
  void deallocate(int rank, void* memory) noexcept override {
    device_guard guard;
    static_cast<void>(guard.set(devices_[static_cast<std::size_t>(rank)]));
    static_cast<void>(cudaFree(memory));
  }
  [[nodiscard]] bool write(int rank, void* memory, const void* from,
                           std::size_t bytes) noexcept override {
    device_guard guard;
    // On a stream of its own: default ones wait for kernels, which may wait for other ranks.
    cudaStream_t stream = nullptr;
    const bool written =
        guard.set(devices_[static_cast<std::size_t>(rank)]) == cudaSuccess &&
        cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess &&
        cudaMemcpyAsync(memory, from, bytes, cudaMemcpyHostToDevice, stream) == cudaSuccess &&
        cudaStreamSynchronize(stream) == cudaSuccess;
    if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream));
    if (!written) static_cast<void>(cudaGetLastError());
    return written;
  }

 private:
  std::vector<int> devices_;
};

/// Writes what a rank's arena starts with, on its device, the current one, and waits.
template <int N>
[[nodiscard, gnu::cold]] cudaError_t clear_arena(std::byte* arena, const sync::arena_plan<N>& plan,
                                                 std::uint64_t first_sequence,
                                                 cudaStream_t stream) {
  cudaError_t status = cudaMemsetAsync(arena, 0, plan.bytes, stream);
  for (const auto& layout : plan.channels) {
    // An image of the whole arena would be large: only states and flags differ from zero.
    struct alignas(128) line {
      std::byte bytes[128];
    };
    std::vector<line> image(layout.packets / sizeof(line));
    sync::write_initial_state<N>(image.data()->bytes, layout, first_sequence);
    if (status == cudaSuccess) {
      status = cudaMemcpyAsync(arena + layout.begin, image.data(), layout.packets,
                               cudaMemcpyHostToDevice, stream);
    }
    if (status == cudaSuccess) {
      status = cudaMemsetAsync(arena + layout.begin + layout.sentinels, 0xff,
                               layout.sentinel_ring_bytes(), stream);
    }
    // Kernels of any stream come next, and the image goes.
    if (status == cudaSuccess) status = cudaStreamSynchronize(stream);
  }
  return status;
}

}  // namespace peerfold::execution
