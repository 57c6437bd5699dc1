/// \file
/// Who used a channel last. One stream at a time uses a channel of a rank: a second one waits for
/// the first, or is refused where the order cannot be had.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/execution/cuda_error.cuh>

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::execution {

/// Which stream it is, and what it is capturing, if anything.
struct stream_state {
  cudaStream_t stream = nullptr;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long capture = 0;         ///< which one; 0 if none
  const cudaGraphNode_t* last = nullptr;  ///< the nodes that the next one would depend on
  std::size_t count = 0;

  [[nodiscard]] bool capturing() const noexcept { return status == cudaStreamCaptureStatusActive; }

  /// Asks CUDA, of that stream.
  [[nodiscard]] cudaError_t read(cudaStream_t of) noexcept {
    *this = {};
    stream = of;
    cudaGraph_t graph = nullptr;
#if CUDART_VERSION >= 13000
    const cudaGraphEdgeData* edges = nullptr;
    return cudaStreamGetCaptureInfo(stream, &status, &capture, &graph, &last, &edges, &count);
#else
    return cudaStreamGetCaptureInfo(stream, &status, &capture, &graph, &last, &count);
#endif
  }
};

/// Whether `node` is among `nodes` or among what they depend on.
[[nodiscard]] inline bool precedes(cudaGraphNode_t node, const cudaGraphNode_t* nodes,
                                   std::size_t count) {
  std::vector<cudaGraphNode_t> open(nodes, nodes + count);
  std::vector<cudaGraphNode_t> seen;
  while (!open.empty()) {
    const cudaGraphNode_t next = open.back();
    open.pop_back();
    if (next == node) return true;
    if (std::find(seen.begin(), seen.end(), next) != seen.end()) continue;
    seen.push_back(next);
    std::size_t edges = 0;
#if CUDART_VERSION >= 13000
    if (cudaGraphNodeGetDependencies(next, nullptr, nullptr, &edges) != cudaSuccess) continue;
#else
    if (cudaGraphNodeGetDependencies(next, nullptr, &edges) != cudaSuccess) continue;
#endif
    if (edges == 0) continue;
    const std::size_t first = open.size();
    open.resize(first + edges);
#if CUDART_VERSION >= 13000
    std::vector<cudaGraphEdgeData> data(edges);
    static_cast<void>(cudaGraphNodeGetDependencies(next, open.data() + first, data.data(), &edges));
#else
    static_cast<void>(cudaGraphNodeGetDependencies(next, open.data() + first, &edges));
#endif
  }
  return false;
}

/// The last use of one channel by the ranks of one launch on one device. Not thread-safe.
class channel_use {
 public:
  channel_use() = default;
  channel_use(channel_use&& other) noexcept : done_{std::exchange(other.done_, nullptr)} {}
  channel_use& operator=(channel_use&&) = delete;
  ~channel_use() {
    if (done_ != nullptr) static_cast<void>(cudaEventDestroy(done_));
  }

  /// Takes what it needs; on the current device.
  [[nodiscard]] cudaError_t make() noexcept {
    return cudaEventCreateWithFlags(&done_, cudaEventDisableTiming);
  }

  /// Whether the last launch into a stream of the caller's is still running, as far as is known.
  [[nodiscard]] bool busy() const noexcept {
    return marked_ && cudaEventQuery(done_) == cudaErrorNotReady;
  }

  /// How many launches there were.
  [[nodiscard]] std::uint64_t launches() const noexcept { return launches_; }

  /// Whether the last launch was one rank's own, into this stream, or the same capture of it.
  [[nodiscard]] bool alone_in(const stream_state& now) const noexcept {
    return alone_ && last_stream_ == now.stream && last_capture_ == now.capture;
  }

  /// What note() must know of a launch and its stream.
  struct launch {
    bool lasts;     ///< the stream lives as long as this object
    bool mark_now;  ///< its end is marked by an event now, not when another stream takes over
    bool alone;     ///< of one rank among several of its device
  };

  /// Before a launch into a stream: makes it wait for an earlier launch into another one.
  [[nodiscard]] error admit(const stream_state& now) {
    if (now.status == cudaStreamCaptureStatusInvalidated) {
      return {errc::cuda_failure, "options.stream: its capture was invalidated; end it first"};
    }
    if (now.capturing()) {
      if (captured_ == now.capture && captured_node_ != nullptr &&
          !precedes(captured_node_, now.last, now.count)) {
        return {errc::channel_conflict,
                "options.stream: this capture already uses the channel in a branch that nothing "
                "orders before this call; join the branches, or use another channel"};
      }
      return {};
    }
    if (!used_ || now.stream == eager_stream_) return {};
    cudaError_t status = cudaSuccess;
    if (lasts_) {
      stream_state before;
      status = before.read(eager_stream_);
      if (before.status != cudaStreamCaptureStatusNone) {
        return {errc::channel_conflict,
                "options.stream: the channel was last used on the team's own stream, which is "
                "being captured; end that capture first, or use another channel"};
      }
      if (status == cudaSuccess && !marked_) status = cudaEventRecord(done_, eager_stream_);
    }
    if (status == cudaSuccess) status = cudaStreamWaitEvent(now.stream, done_, 0);
    return cuda_failure(status, {"options.stream: waiting for the channel's other stream"});
  }

  /// After a launch into the stream that was admitted as `before`. Within a capture nothing needs
  /// marking: edges order it.
  [[nodiscard]] error note(const stream_state& before, const launch& how) {
    ++launches_;
    alone_ = how.alone;
    last_stream_ = before.stream;
    last_capture_ = before.capture;
    if (before.capturing()) {
      stream_state after;
      const cudaError_t status = after.read(before.stream);
      captured_ = before.capture;
      captured_node_ = status == cudaSuccess && after.count > 0 ? after.last[0] : nullptr;
      return cuda_failure(status, {"options.stream: reading its capture"});
    }
    used_ = true;
    eager_stream_ = before.stream;
    lasts_ = how.lasts;
    // A caller's stream may be gone when the next one comes.
    marked_ = how.mark_now || !how.lasts;
    if (!marked_) return {};
    return cuda_failure(cudaEventRecord(done_, eager_stream_),
                        {"options.stream: recording an event"});
  }

 private:
  cudaEvent_t done_ = nullptr;
  std::uint64_t launches_ = 0;
  cudaStream_t last_stream_ = nullptr;   ///< of the last launch
  unsigned long long last_capture_ = 0;  ///< of it; 0 if it was eager
  bool alone_ = false;
  cudaStream_t eager_stream_ = nullptr;  ///< of the last launch outside captures
  bool used_ = false;                    ///< there was one
  bool lasts_ = false;
  bool marked_ = false;
  unsigned long long captured_ = 0;          ///< the last capture that used the channel
  cudaGraphNode_t captured_node_ = nullptr;  ///< its last node here
};

}  // namespace peerfold::execution
