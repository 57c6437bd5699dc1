/// \file
/// The GPU place, for the contract suite (see contract_run.hpp). The ranks of a team are divided
/// over as many GPUs as PEERFOLD_REQUIRED_GPUS asks for (2 for the label peer), or have one each
/// where there are fewer ranks than that; else all are on one.
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/sync/delay.hpp>

#include <support/contract_run.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::test {

/// Throws what CUDA says.
inline void must(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string{what} + ": " + cudaGetErrorString(status));
}

/// Over how many GPUs the ranks of a large team are divided.
inline int gpus_wanted() {
  const char* value = std::getenv("PEERFOLD_REQUIRED_GPUS");
  return value == nullptr ? 1 : std::max(1, std::atoi(value));
}

/// The devices of a team of `ranks` ranks: {0, 0, …}, {0, …, 1, …}, and so on.
inline std::vector<int> devices_of(int ranks) {
  const int gpus = std::min(gpus_wanted(), ranks);
  std::vector<int> devices;
  for (int r = 0; r < ranks; ++r) devices.push_back(r * gpus / ranks);
  return devices;
}

class gpu_place {
 public:
  template <int N>
  using team = gpu_team<N>;

#if defined(PEERFOLD_EXHAUSTIVE)
  using symmetric_policies = every_policy;
  using symmetric_copy_policies =
      policies<one_shot_packet, one_shot_store, direct_store, direct_bulk>;
  using symmetric_fold_policies = exchange_policies;
  static constexpr bool every_kernel = true;
  static constexpr int combined_ranks[max_ranks] = {1, 2, 3, 4, 5, 6, 7, 8};
#else
  // Kernels take long to compile, those of many ranks above all. Policies but this differ between
  // kinds of memory in nothing but the type of a functor, and six rows a type are enough for every
  // type to meet every operator.
  using symmetric_policies = policies<two_shot_store>;
  using symmetric_copy_policies = policies<direct_store, direct_bulk>;
  using symmetric_fold_policies = policies<one_shot_store>;
  static constexpr bool every_kernel = false;
  static constexpr int combined_ranks[max_ranks] = {2, 3, 4, 1, 2, 3, 0, 0};
#endif
  /// Days of compiling, for code that threads run too.
  static constexpr bool full_product = false;
  static constexpr std::chrono::milliseconds short_budget{400};
  static constexpr int most_workers = 1;  // lanes are many anyway
  static constexpr std::size_t large_count = 6'000'001;
  static constexpr errc too_many_blocks = errc::out_of_resources;

  /// Not a single rank where several GPUs are asked for: a run on one GPU has it.
  static bool has(int ranks) { return ranks > 1 || gpus_wanted() == 1; }
  /// A short run is one under compute-sanitizer, where long calls of ranks that share a GPU got
  /// stuck if each launched for itself; short ones go on being run there.
  static bool launches_apart(int ranks) { return !short_run() || ranks <= gpus_wanted(); }

  static std::vector<setting> settings(int ranks, bool thorough) {
    constexpr std::uint64_t half_lap = std::uint64_t{1} << 30;
    std::vector<setting> all;
    const auto add = [&](std::vector<channel_options> channels, std::uint64_t first_sequence,
                         caller who, std::size_t most_bytes) {
      setting next;
      next.name = "on " + std::to_string(gpus_wanted()) + " GPU(s), first sequence " +
                  std::to_string(first_sequence) +
                  (who == caller::team ? ", team calls" : ", rank calls");
      next.options.wait_budget = std::chrono::seconds{short_run() ? 300 : 20};
      next.options.channels = std::move(channels);
      next.options.staging_bytes = 1;
      next.options.first_sequence = first_sequence;
      next.options.delay_seed = PEERFOLD_DELAYS != 0 ? 17 + first_sequence : 0;
      next.who = who;
      next.most_bytes = most_bytes;
      all.push_back(std::move(next));
    };
    const std::size_t most = short_run() ? 20'000 : std::size_t{2} << 20;
    if (thorough) {
      add({{2}}, 0, caller::team, most);
      add({{3}, {2}}, 2 * half_lap - 3, launches_apart(ranks) ? caller::ranks : caller::team,
          most / 8);
      if (short_run()) return all;
      add({{1}}, half_lap - 3, caller::team, most / 8);
      // As teams are by default: all blocks that fit, large slots.
      add({{0}}, 4 * half_lap - 3, ranks % 2 == 0 ? caller::ranks : caller::team, most);
      all.back().options.staging_bytes = team_options{}.staging_bytes;
    } else {
      add({{2}}, 2 * half_lap - 3, caller::team, most / 8);
      if (short_run()) return all;
      add({{1}, {3}}, half_lap - 3, caller::ranks, most / 16);
    }
    return all;
  }

  template <int N>
  static gpu_team<N> make_team(const team_options& options, int ranks = N) {
    return gpu_team<N>::on_devices(devices_of(ranks), options);
  }
  static std::vector<int> run_time_counts() {
    if (short_run()) return {9};
    return gpus_wanted() == 1 ? std::vector{1, 2, 9, 16} : std::vector{2, 9, 17, 32};
  }

  template <class Team>
  explicit gpu_place(Team& team) {
    for (int r = 0; r < team.rank_count(); ++r) devices_.push_back(team.device(r));
    // All streams are made before a kernel waits for another.
    for (int r = 0; r < team.rank_count(); ++r) {
      for (int channel = 0; channel < team.channels(); ++channel) stream(r, channel);
    }
  }
  gpu_place(const gpu_place&) = delete;
  gpu_place& operator=(const gpu_place&) = delete;
  ~gpu_place() {
    for (const auto& [key, stream] : streams_) {
      static_cast<void>(cudaSetDevice(device(key.first)));
      static_cast<void>(cudaStreamDestroy(stream));
    }
    for (const auto& [device, memory] : owned_) {
      static_cast<void>(cudaSetDevice(device));
      static_cast<void>(cudaFree(memory));
    }
  }

  template <class Team>
  std::byte* allocate(Team& /*team*/, int rank, std::size_t bytes) {
    select(rank);
    void* memory = nullptr;
    must(cudaMalloc(&memory, bytes), "memory for a test");
    owned_.emplace_back(device(rank), memory);
    return static_cast<std::byte*>(memory);
  }
  void upload(int rank, std::byte* to, const std::vector<std::byte>& from) {
    select(rank);
    must(cudaMemcpy(to, from.data(), from.size(), cudaMemcpyHostToDevice), "upload");
  }
  std::vector<std::byte> download(int rank, const std::byte* from, std::size_t bytes) {
    select(rank);
    std::vector<std::byte> to(bytes);
    must(cudaMemcpy(to.data(), from, bytes, cudaMemcpyDeviceToHost), "download");
    return to;
  }

  /// The stream of a rank on a channel: ranks of one GPU, and channels, need streams of their own
  /// to run beside each other.
  cudaStream_t stream(int rank, int channel) {
    const std::lock_guard lock{mutex_};
    cudaStream_t& stream = streams_[{rank, channel}];
    if (stream == nullptr) {
      select(rank);
      must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream for a test");
    }
    return stream;
  }
  call_options rank_options(call_options options, int rank) {
    options.stream = stream(rank, options.channel);
    return options;
  }

  /// Streams whose kernels wait for those of other streams keep one call in flight each, but for
  /// one stream a GPU: see docs/decisions/0009.
  void after_rank_call(int rank, int channel) {
    const bool alone = std::count(devices_.begin(), devices_.end(), device(rank)) == 1;
    if (alone && channel == 0) return;
    must(cudaStreamSynchronize(stream(rank, channel)), "waiting for a rank's call");
  }

  /// Waits for all work of all devices.
  std::string wait() {
    for (std::size_t r = 0; r < devices_.size(); ++r) {
      select(static_cast<int>(r));
      const cudaError_t status = cudaDeviceSynchronize();
      if (status != cudaSuccess) return cudaGetErrorString(status);
    }
    return {};
  }

 private:
  [[nodiscard]] int device(int rank) const { return devices_[static_cast<std::size_t>(rank)]; }
  void select(int rank) const { must(cudaSetDevice(device(rank)), "selecting a device"); }

  std::vector<int> devices_;
  std::mutex mutex_;
  std::map<std::pair<int, int>, cudaStream_t> streams_;
  std::vector<std::pair<int, void*>> owned_;
};

using contract_place = gpu_place;

}  // namespace peerfold::test
