/// \file
/// The kernel that runs a collective, and the list of all such kernels of the program.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/block_group.cuh>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/cuda_error.cuh>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/fault.hpp>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <vector>

namespace peerfold::execution {

/// The most threads of a block, so that the registers of one always fit a multiprocessor.
inline constexpr int most_threads = 512;

/// The most ranks of a device in a team that counts them at run time.
inline constexpr int most_together = 16;

/// `Count` ranks of one device, launched together: block (b, l) is block b of the l-th. The usual
/// case of one has a kernel of its own, that finds its arguments without an index.
template <int N, int Count, class Body>
struct kernel_arguments {
  // What a kernel reads first stands first: a line of arguments is read when it is first touched.
  // The very first is where its state lies (see kernel_entry::launch_idle).
  sync::rank_view<N> local[Count];
  Body body[Count];
  sync::channel_view<N> channel;
  call_signature call;  // for reports
};

/// The most ranks of one device that are launched together: all, or, where they are counted at run
/// time, as many as one launch has room for arguments.
inline constexpr std::size_t most_argument_bytes = 32'764;
template <int N, class Body>
inline constexpr int together_in = [] {
  if (counts_ranks_early<N>) return N;
  using one = kernel_arguments<N, 1, Body>;
  constexpr std::size_t room = most_argument_bytes - sizeof(one);
  constexpr auto more = room / (sizeof(sync::rank_view<N>) + sizeof(Body));
  return static_cast<int>(more + 1 < most_together ? more + 1 : most_together);
}();

/// Where those arguments lie, in bytes from the first: so that one launch in host code does for all
/// kernels.
struct argument_layout {
  std::size_t body;        ///< of the first rank
  std::size_t body_bytes;  ///< of one rank
  std::size_t channel;
  std::size_t call;
  std::size_t bytes;
};
template <int N, int Count, class Body>
inline constexpr argument_layout argument_layout_of = [] {
  using arguments = kernel_arguments<N, Count, Body>;
  constexpr auto align = [](std::size_t at, std::size_t to) { return (at + to - 1) / to * to; };
  argument_layout at{};
  at.body = align(sizeof(arguments::local), alignof(Body));
  at.body_bytes = sizeof(Body);
  at.channel = align(at.body + sizeof(arguments::body), alignof(sync::channel_view<N>));
  at.call = align(at.channel + sizeof(arguments::channel), alignof(call_signature));
  at.bytes = align(at.call + sizeof(arguments::call), alignof(arguments));
  static_assert(alignof(arguments) <= 128, "functors: aligned to 128 bytes at most");
  static_assert(sizeof(arguments) <= most_argument_bytes,
                "functors and arguments: too large for a kernel's parameters");
  return at;
}();

/// The most threads of a block that runs a body, whose registers suffice for what they hold.
template <int N, class Body>
inline constexpr int most_threads_of =
    Body::template transport_type<context<N, block_group>>::traits.most_lanes;

template <int N, int Count, class Body>
__global__ void __launch_bounds__(most_threads_of<N, Body>, 1)
    collective_kernel(const __grid_constant__ kernel_arguments<N, Count, Body> arguments) {
  static_assert(most_threads_of<N, Body> <= most_threads);
  static_assert((most_threads_of<N, Body> & (most_threads_of<N, Body> - 1)) == 0,
                "plans double the lanes of a block");
  static_assert(stl::is_trivially_copyable_v<kernel_arguments<N, Count, Body>>,
                "functors travel to GPUs as bytes: they must be trivially copyable");
  using context_type = context<N, block_group>;
  __shared__ alignas(16) stl::byte scratch[context_type::scratch_bytes];
  const int l = Count == 1 ? 0 : static_cast<int>(blockIdx.y);
  context_type c{arguments.channel,
                 arguments.local[l],
                 arch::optimization_barrier(static_cast<int>(blockIdx.x)),
                 static_cast<int>(gridDim.x),
                 block_group{},
                 scratch,
                 arguments.call};
  static_cast<void>(arguments.body[l](c));
}

/// Uses `Bytes` bytes of local memory a thread.
template <std::size_t Bytes>
__global__ void local_memory_kernel(volatile char* out) {
  volatile char bytes[Bytes];
#pragma unroll 1
  for (std::size_t i = 0; i < Bytes; ++i) bytes[i] = static_cast<char>(i);
  if (out != nullptr) *out = bytes[threadIdx.x];
}

/// The most local memory that a kernel may need, in bytes a thread.
inline constexpr std::size_t most_local_bytes = 4096;

/// Makes the current device hold local memory for kernels that need `bytes` a thread, at most
/// most_local_bytes. The launch of a kernel that needs more than any before waits for running
/// kernels, which may wait for it.
[[nodiscard, gnu::cold]] inline cudaError_t reserve_local_memory(std::size_t bytes) noexcept {
  if (bytes == 0) return cudaSuccess;
  if (bytes <= 128) {
    local_memory_kernel<128><<<1, 1, 0, cudaStreamPerThread>>>(nullptr);
  } else if (bytes <= 512) {
    local_memory_kernel<512><<<1, 1, 0, cudaStreamPerThread>>>(nullptr);
  } else {
    local_memory_kernel<most_local_bytes><<<1, 1, 0, cudaStreamPerThread>>>(nullptr);
  }
  const cudaError_t status = cudaGetLastError();
  return status == cudaSuccess ? cudaStreamSynchronize(cudaStreamPerThread) : status;
}

/// A kernel of this program, for teams of `ranks` ranks. Kernels enter the list before main() (or
/// when their library is loaded), so that a team can load all that it may launch: CUDA loads a
/// kernel at its first launch otherwise, which may wait for kernels that wait for that launch.
class kernel_entry {
 public:
  kernel_entry(const void* function, const argument_layout& arguments, std::size_t shared_bytes,
               int ranks, int together) noexcept
      : function_{function},
        arguments_{arguments},
        shared_bytes_{shared_bytes},
        ranks_{ranks},
        together_{together} {
    next_ = head().load(std::memory_order_relaxed);
    while (!head().compare_exchange_weak(next_, this, std::memory_order_release)) {
    }
  }
  kernel_entry(const kernel_entry&) = delete;
  kernel_entry& operator=(const kernel_entry&) = delete;

  [[nodiscard]] const void* function() const noexcept { return function_; }
  [[nodiscard]] const argument_layout& arguments() const noexcept { return arguments_; }
  /// The most ranks of one launch.
  [[nodiscard]] int together() const noexcept { return together_; }

  /// Loads the kernel on a device, once, with the local memory that it needs, and launches it:
  /// whatever a first launch waits for has been then.
  [[nodiscard]] error load(int device, device_guard& guard) {
    const uint64_t bit = uint64_t{1} << (device % 64);
    if ((loaded_.load(std::memory_order_acquire) & bit) != 0) return {};
    cudaFuncAttributes attributes;
    cudaError_t status = guard.set(device);
    if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, function_);
    if (status == cudaSuccess && attributes.localSizeBytes > most_local_bytes) {
      return {errc::out_of_resources,
              detail::text_of({"functors: a kernel needs ", attributes.localSizeBytes,
                               " bytes of local memory a thread; ", most_local_bytes,
                               " are the most"})};
    }
    if (status == cudaSuccess) status = reserve_local_memory(attributes.localSizeBytes);
    const std::size_t shared = shared_bytes_on(device);
    if (status == cudaSuccess && shared != 0) {
      status = cudaFuncSetAttribute(function_, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shared));
    }
    if (status == cudaSuccess) status = launch_idle(shared);
    if (status == cudaSuccess) loaded_.fetch_or(bit, std::memory_order_release);
    return cuda_failure(status, {"loading kernels on device ", device,
                                 " (is the program built for its architecture?)"});
  }

  /// The dynamic shared memory of a block: that of bulk copies, where the device has them.
  [[nodiscard]] std::size_t shared_bytes_on(int device) const noexcept {
    if (shared_bytes_ == 0) return 0;
    int major = 0;
    static_cast<void>(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    return major >= 9 ? shared_bytes_ : 0;
  }

  /// Loads all kernels for teams of `ranks` ranks on these devices.
  [[nodiscard, gnu::cold]] static error load_all(int ranks, const std::vector<int>& devices) {
    device_guard guard;
    for (kernel_entry* entry = head().load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next_) {
      if (entry->ranks_ != ranks) continue;
      for (const int device : devices) {
        if (error reason = entry->load(device, guard)) return reason;
      }
    }
    return {};
  }

 private:
  /// Launches the kernel on a message of no tiles, all zeros but for a state, which it looks at.
  [[nodiscard, gnu::cold]] cudaError_t launch_idle(std::size_t shared) const {
    void* state = nullptr;
    cudaError_t status = idle_state(state);
    std::vector<std::byte> bytes(arguments_.bytes);
    std::memcpy(bytes.data(), &state, sizeof state);
    void* arguments[] = {bytes.data()};
    if (status == cudaSuccess) {
      status =
          cudaLaunchKernel(function_, dim3(1), dim3(32), arguments, shared, cudaStreamPerThread);
    }
    return status == cudaSuccess ? cudaStreamSynchronize(cudaStreamPerThread) : status;
  }

  /// Memory that stands for the state of a block wherever nothing is to be done; kept for ever.
  [[nodiscard, gnu::cold]] static cudaError_t idle_state(void*& state) {
    static std::mutex mutex;
    static void* kept = nullptr;
    const std::lock_guard lock{mutex};
    if (kept == nullptr) {
      constexpr std::size_t bytes = sizeof(sync::block_state<run_time_ranks>);
      const cudaError_t status =
          cudaHostAlloc(&kept, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
      if (status != cudaSuccess) return status;
      std::memset(kept, 0, bytes);
    }
    state = kept;
    return cudaSuccess;
  }

  static std::atomic<kernel_entry*>& head() noexcept {
    static std::atomic<kernel_entry*> first{nullptr};
    return first;
  }

  const void* function_;
  argument_layout arguments_;
  std::size_t shared_bytes_;  ///< dynamic, a block
  int ranks_;
  int together_;
  kernel_entry* next_ = nullptr;
  std::atomic<uint64_t> loaded_{0};
};

/// The entry of a collective kernel; naming it puts the kernel on the list.
template <int N, int Count, class Body>
struct kernel_of {
  static_assert(argument_layout_of<N, Count, Body>.bytes ==
                sizeof(kernel_arguments<N, Count, Body>));

  static inline kernel_entry entry{
      reinterpret_cast<const void*>(&collective_kernel<N, Count, Body>),
      argument_layout_of<N, Count, Body>, Body::shared_bytes, N, Count};
};

}  // namespace peerfold::execution
