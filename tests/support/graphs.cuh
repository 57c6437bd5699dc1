/// \file
/// Streams and CUDA graphs of tests.
#pragma once

#include <support/contract_gpu.cuh>

#include <cuda_runtime.h>

#include <set>

namespace peerfold::test::detail {

/// A stream, a graph: destroyed where they end.
struct owned_stream {
  explicit owned_stream(int device) {
    must(cudaSetDevice(device), "selecting a device");
    must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  }
  owned_stream(const owned_stream&) = delete;
  owned_stream& operator=(const owned_stream&) = delete;
  ~owned_stream() { static_cast<void>(cudaStreamDestroy(stream)); }
  cudaStream_t stream = nullptr;
};

struct owned_graph {
  owned_graph() = default;
  owned_graph(const owned_graph&) = delete;
  owned_graph& operator=(const owned_graph&) = delete;
  ~owned_graph() {
    if (executable != nullptr) static_cast<void>(cudaGraphExecDestroy(executable));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }
  void end(cudaStream_t stream) {
    must(cudaStreamEndCapture(stream, &graph), "ending a capture");
    must(cudaGraphInstantiate(&executable, graph, 0), "instantiating a graph");
  }
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
};

inline void begin_capture(cudaStream_t stream) {
  must(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning a capture");
}

/// Lets `later` wait for what is in `earlier`, in captures too. Each stream lives on its device.
inline void order(cudaStream_t earlier, int device, cudaStream_t later) {
  must(cudaSetDevice(device), "selecting a device");
  cudaEvent_t event = nullptr;
  must(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "an event");
  must(cudaEventRecord(event, earlier), "recording an event");
  must(cudaStreamWaitEvent(later, event, 0), "waiting for an event");
  must(cudaEventDestroy(event), "destroying an event");
}

/// Captures f(), which calls on all ranks of the team, from its streams.
template <class Team, class F>
void capture_team(Team& team, owned_graph& graph, F&& f) {
  std::set<cudaStream_t> joined{team.stream(0)};
  begin_capture(team.stream(0));
  for (int r = 1; r < Team::size; ++r) {
    if (joined.insert(team.stream(r)).second) order(team.stream(0), team.device(0), team.stream(r));
  }
  f();
  for (int r = 1; r < Team::size; ++r) {
    if (joined.erase(team.stream(r)) == 1 && team.stream(r) != team.stream(0)) {
      order(team.stream(r), team.device(r), team.stream(0));
    }
  }
  graph.end(team.stream(0));
}

}  // namespace peerfold::test::detail
