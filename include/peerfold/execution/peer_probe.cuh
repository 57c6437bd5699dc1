/// \file
/// Whether GPUs reach each other's memory, found by moving data: some machines say that they do and
/// lose or garble what is stored (IOMMUs, access control on PCIe switches).
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/cuda_error.cuh>
#include <peerfold/execution/gpu_memory.cuh>
#include <peerfold/execution/probe_kernels.cuh>
#include <peerfold/topology/facts.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::execution {

struct probe_options {
  bool measure = true;                       ///< bandwidth and latency too
  std::chrono::milliseconds patience{2000};  ///< for one kernel
};

/// Moves data between devices, a pair at a time, on streams of its own. While it lives, no team
/// enables peer access. It takes 33 MB on each device that it uses; allocating them, and giving
/// them back, waits for what the device has to do.
///
/// Bounded: should a kernel not end in time, the probe stops for good, and leaves memory, streams
/// and peer access as they are, since giving them back would wait for the kernel.
class peer_probe {
 public:
  /// `devices`: numbers of CUDA, which may repeat (a device is its own peer then).
  explicit peer_probe(const std::vector<int>& devices, const probe_options& options = {})
      : options_{options}, turn_{enabled_peers::of_process().mutex} {
    for (const int device : devices) sides_.push_back(std::make_unique<side>(device));
  }
  peer_probe(const peer_probe&) = delete;
  peer_probe& operator=(const peer_probe&) = delete;
  ~peer_probe() {
    if (is_stuck_) {
      for (auto& s : sides_) static_cast<void>(s.release());
    }
    device_guard guard;
    for (auto& s : sides_) {
      if (s && guard.set(s->device) == cudaSuccess) s->give_back();
    }
    static_cast<void>(cudaGetLastError());
  }

  /// Between two of the devices, by their places in the list, a != b: fills in carries_data and
  /// trouble of both directions and, where asked and data come through, what was measured. Where
  /// CUDA denies access nothing is tried.
  void examine(std::size_t a, std::size_t b, topology::pair_facts& there,
               topology::pair_facts& back) {
    if (there.can_access == false && back.can_access == false) return;
    const std::string reason = prepare(a, b);
    if (!reason.empty()) {
      there.trouble = back.trouble = reason + "; not tried";
      return;
    }
    std::optional<borrowed_access> forth_access;
    std::optional<borrowed_access> back_access;
    if (there.can_access != false) {
      forth_access.emplace(sides_[a]->device, sides_[b]->device, is_stuck_);
      move_data(a, b, forth_access->status(), there);
    }
    if (back.can_access != false && !is_stuck_) {  // to enable access would wait
      back_access.emplace(sides_[b]->device, sides_[a]->device, is_stuck_);
      move_data(b, a, back_access->status(), back);
    }
    if ((is_stuck_ || is_broken_) && !back.carries_data && back.trouble.empty()) {
      back.trouble = "not tried, as the other direction ended the probe";
    }
    if (!options_.measure || is_stuck_ || is_broken_) return;
    if (there.carries_data == true) there.measured_gbps = bandwidth(a, b);
    if (back.carries_data == true) back.measured_gbps = bandwidth(b, a);
    if (there.carries_data == true && back.carries_data == true) {
      there.latency_us = back.latency_us = latency(a, b);
    }
    if (is_stuck_ || is_broken_) there.trouble = "measuring ended the probe";
  }

  /// Whether memory of a device can be given to other processes: whether a handle of plain device
  /// memory can be had. (Whether another process can open it, only that process can find out.)
  /// Nothing: it has no memory to try it with.
  [[nodiscard]] std::optional<bool> shares(std::size_t a) {
    device_guard guard;
    int device_shares = 0;
    if (cudaDeviceGetAttribute(&device_shares, cudaDevAttrIpcEventSupport, sides_[a]->device) ==
            cudaSuccess &&
        device_shares == 0) {
      return false;
    }
    if (guard.set(sides_[a]->device) != cudaSuccess || sides_[a]->take() != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return {};
    }
    cudaIpcMemHandle_t handle;
    const bool has_handle = cudaIpcGetMemHandle(&handle, sides_[a]->lines) == cudaSuccess;
    static_cast<void>(cudaGetLastError());
    return has_handle;
  }

 private:
  static constexpr std::uint32_t lines_stored = 1u << 21;   ///< 32 MiB, to measure
  static constexpr std::uint32_t lines_checked = 1u << 18;  ///< 4 MiB
  static constexpr std::uint32_t rounds = 1000;
  static constexpr std::uint32_t polls = 1u << 20;  ///< a second or less

  /// Words beside the lines, each in a part of the memory of its own.
  struct words {
    alignas(256) std::uint32_t flag;
    alignas(256) std::uint32_t wrong;
    alignas(256) std::uint64_t ns;
  };

  /// A device in its part as one end of a pair.
  struct side {
    explicit side(int on) noexcept : device{on} {}

    /// Takes what it needs, once; the device is the current one.
    [[nodiscard]] cudaError_t take() {
      if (is_ready) return cudaSuccess;
      cudaError_t status =
          cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
      const auto then = [&](auto call) {
        if (status == cudaSuccess) status = call();
      };
      // Kernels are loaded before one waits for another.
      cudaFuncAttributes loaded{};
      then([&] { return cudaFuncGetAttributes(&loaded, store_pattern<probe_line>); });
      then([&] { return cudaFuncGetAttributes(&loaded, check_pattern<probe_line>); });
      then([&] { return cudaFuncGetAttributes(&loaded, ping_pong<std::uint32_t>); });
      then([&] { return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking); });
      then([&] { return cudaEventCreate(&begin); });
      then([&] { return cudaEventCreate(&end); });
      then([&] { return cudaHostAlloc(&seen, sizeof *seen, cudaHostAllocDefault); });
      void* memory = nullptr;
      const std::size_t bytes = lines_stored * sizeof(probe_line);
      then([&] { return cudaMalloc(&memory, bytes + sizeof(words)); });
      if (status != cudaSuccess) {
        give_back();
        return status;
      }
      lines = static_cast<probe_line*>(memory);
      local = reinterpret_cast<words*>(static_cast<std::byte*>(memory) + bytes);
      is_ready = true;
      return cudaSuccess;
    }
    void give_back() noexcept {
      if (lines != nullptr) static_cast<void>(cudaFree(lines));
      if (seen != nullptr) static_cast<void>(cudaFreeHost(seen));
      if (begin != nullptr) static_cast<void>(cudaEventDestroy(begin));
      if (end != nullptr) static_cast<void>(cudaEventDestroy(end));
      if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream));
      *this = side{device};
    }

    int device;
    bool is_ready = false;
    int multiprocessors = 0;
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    probe_line* lines = nullptr;
    words* local = nullptr;  ///< behind the lines
    words* seen = nullptr;   ///< of the host: what was found in `local`
  };

  /// Access of a device to a peer's memory, which ends with this unless somebody had it before.
  class borrowed_access {
   public:
    borrowed_access(int device, int peer, const bool& is_stuck)
        : device_{device}, peer_{peer}, is_stuck_{is_stuck} {
      if (device == peer || enabled_peers::of_process().pairs.contains({device, peer})) return;
      device_guard guard;
      status_ = guard.set(device);
      if (status_ == cudaSuccess) status_ = cudaDeviceEnablePeerAccess(peer, 0);
      is_own_ = status_ == cudaSuccess;
      if (status_ == cudaErrorPeerAccessAlreadyEnabled) status_ = cudaSuccess;
      static_cast<void>(cudaGetLastError());
    }
    borrowed_access(const borrowed_access&) = delete;
    borrowed_access& operator=(const borrowed_access&) = delete;
    ~borrowed_access() {
      if (!is_own_ || is_stuck_) return;
      device_guard guard;
      if (guard.set(device_) == cudaSuccess) static_cast<void>(cudaDeviceDisablePeerAccess(peer_));
      static_cast<void>(cudaGetLastError());
    }
    [[nodiscard]] cudaError_t status() const noexcept { return status_; }

   private:
    int device_;
    int peer_;
    const bool& is_stuck_;
    bool is_own_ = false;
    cudaError_t status_ = cudaSuccess;
  };

  [[nodiscard]] static std::string text_of(cudaError_t status) {
    return peerfold::detail::text_of({cudaGetErrorName(status), ", ", cudaGetErrorString(status)});
  }

  /// Why there can be no probe; empty: there can.
  [[nodiscard]] std::string prepare(std::size_t a, std::size_t b) {
    if (is_stuck_) return "an earlier probe did not end";
    if (is_broken_) return "an earlier probe broke this process's use of CUDA";
    device_guard guard;
    for (const std::size_t s : {a, b}) {
      cudaError_t status = guard.set(sides_[s]->device);
      if (status == cudaSuccess) status = sides_[s]->take();
      if (status == cudaSuccess) continue;
      static_cast<void>(cudaGetLastError());
      return peerfold::detail::text_of(
          {"device ", sides_[s]->device, " has no room for a probe (", text_of(status), ")"});
    }
    return {};
  }

  /// Calls enqueue(side) with its device current, and waits for the side's stream.
  template <class Enqueue>
  [[nodiscard]] cudaError_t run(side& on, const Enqueue& enqueue) {
    const cudaError_t status = start(on, enqueue);
    return status == cudaSuccess ? await(on) : status;
  }
  template <class Enqueue>
  [[nodiscard]] static cudaError_t start(side& on, const Enqueue& enqueue) {
    device_guard guard;
    if (const cudaError_t status = guard.set(on.device); status != cudaSuccess) return status;
    enqueue(on);
    return cudaGetLastError();
  }
  /// cudaErrorNotReady once patience has run out.
  [[nodiscard]] cudaError_t await(side& on) {
    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    for (;;) {
      const cudaError_t status = cudaStreamQuery(on.stream);
      if (status == cudaSuccess) return status;
      if (status != cudaErrorNotReady) {
        is_broken_ = true;  // what a kernel did wrong stays with the process
        static_cast<void>(cudaGetLastError());
        return status;
      }
      if (clock::now() - begin > options_.patience) {
        is_stuck_ = true;
        return status;
      }
      std::this_thread::yield();
    }
  }

  /// Lines of `memory` that are not of the pattern, as `on` sees them.
  [[nodiscard]] cudaError_t count_wrong(side& on, const probe_line* memory, std::uint32_t seed,
                                        std::uint32_t& wrong) {
    const cudaError_t status = run(on, [&](side& s) {
      cudaMemsetAsync(&s.local->wrong, 0, sizeof s.local->wrong, s.stream);
      check_pattern<probe_line>
          <<<64, 512, 0, s.stream>>>(memory, lines_checked, seed, &s.local->wrong);
      cudaMemcpyAsync(&s.seen->wrong, &s.local->wrong, sizeof wrong, cudaMemcpyDeviceToHost,
                      s.stream);
    });
    wrong = on.seen->wrong;
    return status;
  }
  [[nodiscard]] cudaError_t fill(side& on, probe_line* memory, std::uint32_t seed) {
    return run(on, [&](side& s) {
      store_pattern<probe_line><<<64, 512, 0, s.stream>>>(memory, lines_checked, seed, 1);
    });
  }

  /// Loads and stores of `from` in memory of `to`: what `to` has stored is loaded; what `from`
  /// stores then is looked at by both.
  void move_data(std::size_t from, std::size_t to, cudaError_t access,
                 topology::pair_facts& facts) {
    if (is_stuck_ || is_broken_) return;
    if (access != cudaSuccess) {
      facts.trouble = "peer access cannot be enabled (" + text_of(access) + ")";
      // The room for peers is used up, which says nothing of this one.
      if (access != cudaErrorTooManyPeers) facts.carries_data = false;
      return;
    }
    side& near = *sides_[from];
    side& far = *sides_[to];
    const std::uint32_t first = ++seed_;
    const std::uint32_t second = ++seed_;
    std::array<std::uint32_t, 3> wrong{};
    cudaError_t status = fill(far, far.lines, first);
    const auto then = [&](auto step) {
      if (status == cudaSuccess) status = step();
    };
    then([&] { return count_wrong(near, far.lines, first, wrong[0]); });
    then([&] { return fill(near, far.lines, second); });
    then([&] { return count_wrong(far, far.lines, second, wrong[1]); });
    then([&] { return count_wrong(near, far.lines, second, wrong[2]); });
    facts.carries_data = status == cudaSuccess && wrong == std::array<std::uint32_t, 3>{};
    if (status == cudaErrorNotReady) {
      facts.trouble =
          peerfold::detail::text_of({"data did not come in ", options_.patience.count(), " ms"});
    } else if (status != cudaSuccess) {
      facts.trouble = "moving data failed (" + text_of(status) + ")";
    } else if (wrong[0] != 0) {
      facts.trouble = lines_text(wrong[0], "that it loaded");
    } else if (wrong[1] != 0) {
      facts.trouble = lines_text(wrong[1], "that it stored");
    } else if (wrong[2] != 0) {
      facts.trouble = lines_text(wrong[2], "that it stored and loaded again");
    }
  }
  [[nodiscard]] static std::string lines_text(std::uint32_t wrong, const char* which) {
    return peerfold::detail::text_of(
        {wrong, " of ", lines_checked, " lines of 16 bytes ", which, " were wrong"});
  }

  /// Of stores, in 1e9 bytes/s: the best of a few times, each long enough for a launch not to
  /// count.
  [[nodiscard]] std::optional<double> bandwidth(std::size_t from, std::size_t to) {
    side& near = *sides_[from];
    const side& far = *sides_[to];
    double best = 0;
    int passes = 1;
    for (int repeat = 0; repeat < 4; ++repeat) {
      const cudaError_t status = run(near, [&](side& s) {
        cudaEventRecord(s.begin, s.stream);
        store_pattern<probe_line><<<static_cast<unsigned>(s.multiprocessors), 512, 0, s.stream>>>(
            far.lines, lines_stored, seed_, passes);
        cudaEventRecord(s.end, s.stream);
      });
      float ms = 0;
      if (status != cudaSuccess || cudaEventElapsedTime(&ms, near.begin, near.end) != cudaSuccess ||
          !(ms > 0)) {
        static_cast<void>(cudaGetLastError());
        return {};
      }
      const double bytes = 1.0 * passes * lines_stored * sizeof(probe_line);
      best = std::max(best, bytes / (1e6 * ms));
      constexpr float long_enough = 1.5f;
      if (ms < long_enough) {
        passes =
            std::clamp(static_cast<int>(static_cast<float>(passes) * long_enough / ms), passes, 64);
      }
    }
    return best;
  }

  /// Of a store and the poll that sees it, in microseconds: half of what a flag needs there and
  /// back, the best of a few times.
  [[nodiscard]] std::optional<double> latency(std::size_t a, std::size_t b) {
    std::optional<double> best;
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (const std::size_t i : {a, b}) {
        const cudaError_t status = run(
            *sides_[i], [](side& s) { cudaMemsetAsync(s.local, 0, sizeof *s.local, s.stream); });
        if (status != cudaSuccess) return {};
      }
      cudaError_t status = cudaSuccess;
      for (const auto& [i, j] : {std::pair{b, a}, std::pair{a, b}}) {
        if (status != cudaSuccess) break;
        words* const theirs = sides_[j]->local;
        status = start(*sides_[i], [&, serves = i == a](side& s) {
          ping_pong<std::uint32_t><<<1, 1, 0, s.stream>>>(&s.local->flag, &theirs->flag, serves,
                                                          rounds, polls, &s.local->ns);
          cudaMemcpyAsync(&s.seen->ns, &s.local->ns, sizeof s.seen->ns, cudaMemcpyDeviceToHost,
                          s.stream);
        });
      }
      // Both, whatever happened: either one may run.
      const cudaError_t server = await(*sides_[a]);
      const cudaError_t other = await(*sides_[b]);
      if (status != cudaSuccess || server != cudaSuccess || other != cudaSuccess) return {};
      const std::uint64_t ns = sides_[a]->seen->ns;
      if (ns == 0) return {};
      const double us = 1e-3 * static_cast<double>(ns) / (2.0 * (rounds - 1));
      best = best ? std::min(*best, us) : us;
    }
    return best;
  }

  probe_options options_;
  std::unique_lock<std::mutex> turn_;
  std::vector<std::unique_ptr<side>> sides_;
  std::uint32_t seed_ = 0x5eed;
  bool is_stuck_ = false;   ///< a kernel did not end
  bool is_broken_ = false;  ///< a kernel failed, and all later calls of CUDA do
};

}  // namespace peerfold::execution
