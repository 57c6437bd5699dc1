/// \file
/// The GPU place: ranks are GPUs of this process, one or several to a device.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/block_group.cuh>
#include <peerfold/execution/channel_use.cuh>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/cuda_error.cuh>
#include <peerfold/execution/device_list.hpp>
#include <peerfold/execution/gpu_memory.cuh>
#include <peerfold/execution/kernel.cuh>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/plan.hpp>
#include <peerfold/sync/arena_setup.hpp>
#include <peerfold/transport/traits.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold::execution {

struct gpu_place {
  template <int N>
  using context = execution::context<N, block_group>;

  template <int N>
  class ranks;
};

/// The N ranks of one team on GPUs.
template <int N>
class gpu_place::ranks {
 public:
  /// Takes streams, memory and peer access; the error says what cannot be had.
  [[nodiscard, gnu::cold]] static error make(const std::vector<int>& devices,
                                             const team_options& options,
                                             std::unique_ptr<ranks>& made) {
    const cuda_devices layer;
    std::vector<int> blocks;
    if (error reason = check_devices(devices, layer, options.links)) return reason;
    if (error reason = check_sharing(devices, counts_ranks_early<N> ? N : most_together))
      return reason;
    if (error reason = divide_blocks(devices, layer, options.channels, blocks)) return reason;
    made.reset(new ranks{devices, blocks, options});
    return made->start(options);
  }

  ranks(const ranks&) = delete;
  ranks& operator=(const ranks&) = delete;

  /// Waits for running calls, at most the wait budget and a moment more; aborts them after the
  /// budget. Should a kernel not return even then, its memory is left to it.
  [[gnu::cold]] ~ranks() {
    device_guard guard;
    if (!drain(guard)) return;
    uses_.clear();
    for (int r = 0; r < size(); ++r) {
      const auto i = static_cast<std::size_t>(r);
      if (arenas_[i] != nullptr) provider_->deallocate(r, arenas_[i]);
      if (owns_stream(r) && guard.set(devices_[i]) == cudaSuccess) {
        if (streams_[i] != nullptr) static_cast<void>(cudaStreamDestroy(streams_[i]));
        if (aborts_[i] != nullptr) static_cast<void>(cudaStreamDestroy(aborts_[i]));
      }
    }
    if (words_ != nullptr) static_cast<void>(cudaFreeHost(words_));
  }

  [[nodiscard]] const std::shared_ptr<memory::provider>& provider() const noexcept {
    return provider_;
  }
  /// How many ranks.
  [[nodiscard]] int size() const noexcept { return plan_.extent.ranks(); }
  [[nodiscard]] int channels() const noexcept { return static_cast<int>(plan_.channels.size()); }
  [[nodiscard]] sync::channel_shape shape(int channel) const noexcept {
    return plan_.channels[static_cast<std::size_t>(channel)].shape();
  }
  [[nodiscard]] std::size_t staging_bytes() const noexcept { return plan_.bytes; }
  [[nodiscard]] sync::host_words& words(int rank) noexcept { return words_->of_rank[rank]; }
  [[nodiscard]] int narrowest() const noexcept { return 128; }
  [[nodiscard]] int widest() const noexcept { return most_threads; }
  [[nodiscard]] int device(int rank) const noexcept {
    return devices_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] std::string machine() const { return name_of_device(devices_[0]); }
  [[nodiscard]] cudaStream_t stream(int rank) const noexcept {
    return streams_[static_cast<std::size_t>(rank)];
  }

  /// What all ranks know of a channel.
  [[nodiscard]] sync::channel_view<N> view(int channel) const noexcept {
    sync::channel_view<N> view;
    view.layout = plan_.channels[static_cast<std::size_t>(channel)];
    view.wait_budget_ns = budget_ns_;
    view.delay_seed = delay_seed_;
    view.channel = channel;
    return view;
  }
  /// How rank `rank` reaches a channel: within one process, an arena has one address.
  [[nodiscard]] sync::rank_view<N> view_of(int rank, int channel) noexcept {
    auto view = sync::view_of_rank<N>(arenas_, plan_.channels[static_cast<std::size_t>(channel)],
                                      &words(rank), rank);
    for (int step = 1; step < size() && apart_.any(); ++step) {
      if (apart_.has(rank, rank_after(size(), rank, step))) view.region[step] = nullptr;
    }
    return view;
  }

  [[nodiscard]] error synchronize() {
    device_guard guard;
    for (int r = 0; r < size(); ++r) {
      const auto i = static_cast<std::size_t>(r);
      cudaError_t status = guard.set(devices_[i]);
      if (status == cudaSuccess) status = cudaStreamSynchronize(streams_[i]);
      if (error reason = cuda_failure(status, {"synchronize: rank ", r})) {
        return reason;
      }
    }
    return {};
  }

  /// Enqueues bodies[r] for every rank r of [first, last): one launch a device, all or none of
  /// them.
  template <class Body>
  [[nodiscard]] error launch(int channel, const launch_plan& plan,
                             const std::array<Body, N>& bodies, int first, int last,
                             const call_options& options) {
    static_assert(std::is_trivially_copyable_v<Body>, "functors travel to kernels by value");
    return launch_kernels(channel, plan, kernel_of<N, 1, Body>::entry,
                          kernel_of<N, together_in<N, Body>, Body>::entry,
                          reinterpret_cast<const std::byte*>(bodies.data()), first, last, options);
  }

  /// Makes running calls return, and those that have not begun.
  void abort() noexcept {
    for (int r = 0; r < size(); ++r) arch::store_relaxed(&words(r).abort, std::uint32_t{1});
    poison_all();
  }

  /// Tells kernels that have not begun to wait. Copied, so that it needs no multiprocessor.
  void poison_all() noexcept {
    device_guard guard;
    for (int r = 0; r < size(); ++r) {
      const auto i = static_cast<std::size_t>(r);
      if (guard.set(devices_[i]) != cudaSuccess) continue;
      auto* poison = &reinterpret_cast<sync::poison_words*>(arenas_[i])->poison;
      static_cast<void>(cudaMemcpyAsync(poison, &words_->poisoned, sizeof words_->poisoned,
                                        cudaMemcpyHostToDevice, aborts_[i]));
    }
  }

 private:
  /// Ranks of one device, and where they are launched together.
  struct ranks_together {
    int rank[N] = {};
    int count = 0;
    stream_state stream;
  };

  struct shared_words {
    sync::host_words of_rank[N];
    std::uint32_t poisoned = sync::poisoned;
  };

  ranks(const std::vector<int>& devices, const std::vector<int>& blocks,
        const team_options& options)
      : devices_{devices},
        apart_{devices, cuda_devices{}},
        links_{options.links},
        plan_{rank_extent<N>::of(static_cast<int>(devices.size()))},
        provider_{std::make_shared<device_provider>(devices)},
        budget_ns_{static_cast<std::uint64_t>(options.wait_budget.count())},
        delay_seed_{options.delay_seed} {
    for (const int count : blocks) {
      plan_.add(sync::shape_channel(
          plan_.extent, count, static_cast<std::uint32_t>(most_threads * block_group::packet_packs),
          static_cast<std::uint32_t>(transport::sentinel_lanes(N) * block_group::sentinel_packs),
          options.staging_bytes));
    }
  }

  [[nodiscard, gnu::cold]] error start(const team_options& options) {
    device_guard guard;
    void* words = nullptr;
    if (error reason = cuda_failure(cudaHostAlloc(&words, sizeof(shared_words),
                                                  cudaHostAllocPortable | cudaHostAllocMapped),
                                    {"pinned memory for the words of faults"})) {
      return reason;
    }
    words_ = ::new (words) shared_words{};
    for (int r = 0; r < size(); ++r) {
      if (error reason = start_rank(r, options, guard)) return reason;
    }
    return kernel_entry::load_all(N, devices_);
  }

  [[nodiscard, gnu::cold]] error start_rank(int r, const team_options& options,
                                            device_guard& guard) {
    const auto i = static_cast<std::size_t>(r);
    const std::string rank = detail::text_of({"rank ", r});
    if (error reason = cuda_failure(guard.set(devices_[i]), {rank, ": its device"})) return reason;
    for (int q = 0; q < size(); ++q) {
      if (device(q) == devices_[i] || apart_.has(r, q)) continue;
      if (error reason =
              cuda_failure(enable_peer_access(devices_[i], device(q)), {rank, ": peer access"})) {
        return reason;
      }
    }
    if (owns_stream(r)) {
      cudaError_t status = cudaStreamCreateWithFlags(&streams_[i], cudaStreamNonBlocking);
      if (status == cudaSuccess) {
        status = cudaStreamCreateWithFlags(&aborts_[i], cudaStreamNonBlocking);
      }
      if (error reason = cuda_failure(status, {rank, ": a stream"})) return reason;
    } else {
      streams_[i] = streams_[first_on_device(r)];
      aborts_[i] = aborts_[first_on_device(r)];
    }
    arenas_[i] = static_cast<std::byte*>(provider_->allocate(r, plan_.bytes));
    if (arenas_[i] == nullptr) {
      return {errc::out_of_resources,
              detail::text_of({"staging_bytes: ", rank, " has no memory for an arena of ",
                               staging_bytes(), " bytes"})};
    }
    for (int channel = 0; channel < channels(); ++channel) {
      if (error reason = cuda_failure(uses_.emplace_back(std::make_unique<use>())->last.make(),
                                      {rank, ": an event"})) {
        return reason;
      }
    }
    return cuda_failure(clear_arena(arenas_[i], plan_, options.first_sequence, streams_[i]),
                        {rank, ": its arena"});
  }

  /// Whether these launches may be made; makes their streams wait for the channel's last uses.
  [[nodiscard]] error admit(int channel, std::array<ranks_together, N>& launches, std::size_t count,
                            device_guard& guard) {
    int captured = 0;
    for (std::size_t i = 0; i < count; ++i) {
      ranks_together& together = launches[i];
      const int rank = together.rank[0];
      stream_state& now = together.stream;
      cudaError_t status = guard.set(device(rank));
      if (status == cudaSuccess) status = now.read(now.stream);
      if (error reason = cuda_failure(status, {"options.stream: not a usable stream"}))
        return reason;
      captured += now.capturing() ? 1 : 0;
      for (int l = 0; l < together.count; ++l) {
        if (error reason = use_of(channel, together.rank[l]).last.admit(now)) return reason;
      }
    }
    if (captured != 0 && captured != static_cast<int>(count)) {
      return {errc::channel_conflict,
              "team: some of its streams are being captured, others are not; capture the streams "
              "of all ranks, or none"};
    }
    return {};
  }

  /// launch() for any kernel: `one` of one rank of a device, and `several` of more.
  [[nodiscard]] error launch_kernels(int channel, const launch_plan& plan, kernel_entry& one,
                                     kernel_entry& several, const std::byte* bodies, int first,
                                     int last, const call_options& options) {
    if (error reason = apart_.check(plan.call, links_)) return reason;
    device_guard guard;
    for (const int device : devices_) {
      if (error reason = one.load(device, guard)) return reason;
      if (error reason = several.load(device, guard)) return reason;
    }
    const bool team_call = last - first == size() && size() > 1;
    if (team_call && options.stream) {
      return {errc::invalid_argument,
              "options.stream: a team's call runs on the team's own streams; leave it unset, or "
              "call for each rank"};
    }
    // Calls of the team are launched one after another, so that all devices see them in one order.
    std::unique_lock<std::shared_mutex> alone{launching_, std::defer_lock};
    std::shared_lock<std::shared_mutex> beside{launching_, std::defer_lock};
    team_call ? alone.lock() : beside.lock();
    std::unique_lock<std::mutex> turn;
    if (!team_call) {
      if (error reason = check_shared_device(channel, first, options)) return reason;
      turn = std::unique_lock{use_of(channel, first).turn};
    }

    std::array<ranks_together, N> launches;
    std::size_t devices = 0;
    for (int r = first; r < last; ++r) {
      const auto same = std::find_if(launches.begin(), launches.begin() + devices,
                                     [&](const auto& l) { return device(l.rank[0]) == device(r); });
      if (same == launches.begin() + devices) {
        same->stream.stream = options.stream ? *options.stream : stream(r);
        ++devices;
      }
      same->rank[same->count++] = r;
    }
    const int most = several.together();
    for (std::size_t i = 0; i < devices; ++i) {
      if (launches[i].count <= most) continue;
      return {errc::invalid_argument,
              detail::text_of(
                  {"functors and arguments: ", one.arguments().body_bytes, " bytes a rank; ", most,
                   " ranks of a device have room in one launch, not ", launches[i].count})};
    }
    if (error reason = admit(channel, launches, devices, guard)) return reason;
    for (std::size_t i = 0; i < devices; ++i) {
      error reason = cuda_failure(guard.set(device(launches[i].rank[0])), {"selecting a device"});
      bool enqueued = i > 0;
      if (!reason) {
        reason = launch_together(channel, plan, launches[i].count == 1 ? one : several, bodies,
                                 launches[i], enqueued);
      }
      if (reason) {
        // What runs already would wait for the rest of this call.
        if (enqueued && !launches[i].stream.capturing()) abort();
        return reason;
      }
    }
    return {};
  }

  /// Enqueues ranks of one device as one kernel.
  [[nodiscard]] error launch_together(int channel, const launch_plan& plan,
                                      const kernel_entry& kernel, const std::byte* bodies,
                                      const ranks_together& together, bool& enqueued) {
    const argument_layout& at = kernel.arguments();
    alignas(128) std::byte bytes[most_argument_bytes];
    const auto put = [&](std::size_t offset, const void* value, std::size_t size) {
      std::memcpy(bytes + offset, value, size);
    };
    for (int l = 0; l < together.count; ++l) {
      const auto q = static_cast<std::size_t>(together.rank[l]);
      const auto i = static_cast<std::size_t>(l);
      sync::rank_view<N> local = view_of(together.rank[l], channel);
      local.digest = digest_of(plan.call);
      put(i * sizeof local, &local, sizeof local);
      put(at.body + i * at.body_bytes, bodies + q * at.body_bytes, at.body_bytes);
    }
    const sync::channel_view<N> shared = view(channel);
    put(at.channel, &shared, sizeof shared);
    put(at.call, &plan.call, sizeof plan.call);
    void* arguments[] = {bytes};
    cudaLaunchConfig_t config{};
    config.gridDim =
        dim3(static_cast<unsigned>(plan.blocks), static_cast<unsigned>(together.count));
    config.blockDim = dim3(static_cast<unsigned>(plan.width));
    config.dynamicSmemBytes = kernel.shared_bytes_on(device(together.rank[0]));
    config.stream = together.stream.stream;
    if (error reason = cuda_failure(cudaLaunchKernelExC(&config, kernel.function(), arguments),
                                    {"launching a collective"})) {
      return reason;
    }
    enqueued = true;
    for (int l = 0; l < together.count; ++l) {
      const int q = together.rank[l];
      const int sharing = ranks_on_device(q);
      // A stream may share a hardware queue with that of a rank that waits: marked at once, it need
      // not be asked while one does.
      const channel_use::launch how{.lasts = together.stream.stream == stream(q),
                                    .mark_now = sharing > 1,
                                    .alone = together.count < sharing};
      if (error reason = use_of(channel, q).last.note(together.stream, how)) return reason;
    }
    return {};
  }

  /// Ranks that share a device and launch for themselves wait for each other, so each needs a
  /// stream of its own: behind the other's call in one stream, its own would never start. Behind an
  /// earlier call, which this rank has made too, it does: streams may be swapped, or come again.
  [[nodiscard]] error check_shared_device(int channel, int rank, const call_options& options) {
    if (ranks_on_device(rank) == 1) return {};
    stream_state now;
    if (options.stream) {
      if (error reason =
              cuda_failure(now.read(*options.stream), {"options.stream: not a usable stream"})) {
        return reason;
      }
    }
    std::uint64_t made = 0;
    {
      use& own = use_of(channel, rank);
      const std::lock_guard lock{own.turn};
      made = own.last.launches();
    }
    for (int q = 0; q < size(); ++q) {
      if (q == rank || device(q) != device(rank)) continue;
      if (!options.stream) {
        return {errc::invalid_argument,
                detail::text_of(
                    {"options.stream: ranks ", rank, " and ", q, " share device ", device(rank),
                     "; give each rank's calls a stream of its own, or call for the team"})};
      }
      // Not waited for: a rank in the middle of its call may be held up until this one's comes.
      use& other = use_of(channel, q);
      const std::unique_lock<std::mutex> lock{other.turn, std::try_to_lock};
      if (lock && other.last.alone_in(now) && other.last.launches() > made) {
        return {errc::channel_conflict,
                detail::text_of({"options.stream: rank ", q,
                                 " of the same device uses it; ranks "
                                 "that share a device need a stream each"})};
      }
    }
    return {};
  }

  /// Whether all work of the team has ended; see the destructor.
  [[nodiscard, gnu::cold]] bool drain(device_guard& guard) noexcept {
    using clock = std::chrono::steady_clock;
    const auto idle = [&] {
      for (const auto& u : uses_) {
        if (u->last.busy()) return false;
      }
      for (int r = 0; r < size(); ++r) {
        const auto i = static_cast<std::size_t>(r);
        for (const cudaStream_t stream : {streams_[i], aborts_[i]}) {
          if (stream == nullptr || guard.set(devices_[i]) != cudaSuccess) continue;
          if (cudaStreamQuery(stream) == cudaErrorNotReady) return false;
        }
      }
      return true;
    };
    const auto wait_for = [&](std::chrono::nanoseconds limit) {
      const auto begin = clock::now();
      while (!idle()) {
        if (clock::now() - begin >= limit) return false;
        std::this_thread::sleep_for(std::chrono::microseconds{50});
      }
      return true;
    };
    bool ended = wait_for(std::chrono::nanoseconds{budget_ns_});
    if (!ended && words_ != nullptr) {
      abort();
      ended = wait_for(std::chrono::seconds{5});
    }
    static_cast<void>(cudaGetLastError());
    return ended;
  }

  struct use {
    std::mutex turn;
    channel_use last;
  };

  [[nodiscard]] use& use_of(int channel, int rank) noexcept {
    return *uses_[static_cast<std::size_t>(rank * channels() + channel)];
  }
  [[nodiscard]] std::size_t first_on_device(int rank) const noexcept {
    return static_cast<std::size_t>(std::find(devices_.begin(), devices_.end(), device(rank)) -
                                    devices_.begin());
  }
  [[nodiscard]] int ranks_on_device(int rank) const noexcept {
    return static_cast<int>(std::count(devices_.begin(), devices_.end(), device(rank)));
  }
  [[nodiscard]] bool owns_stream(int rank) const noexcept {
    return first_on_device(rank) == static_cast<std::size_t>(rank);
  }

  std::vector<int> devices_;
  ranks_apart apart_;
  link_routes links_;
  sync::arena_plan<N> plan_;
  std::shared_ptr<memory::provider> provider_;
  std::byte* arenas_[N] = {};
  std::array<cudaStream_t, N> streams_{};
  std::array<cudaStream_t, N> aborts_{};
  std::vector<std::unique_ptr<use>> uses_;  ///< by rank, then channel
  std::shared_mutex launching_;             ///< held alone by calls of the team
  shared_words* words_ = nullptr;           ///< pinned and mapped: one address on host and devices
  std::uint64_t budget_ns_;
  std::uint64_t delay_seed_;
};

}  // namespace peerfold::execution
