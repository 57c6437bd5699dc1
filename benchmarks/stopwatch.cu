#include "stopwatch.hpp"

#include <cuda.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace bench {
namespace {

__device__ std::uint64_t nanoseconds() {
  std::uint64_t now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

__global__ void hold(const std::uint32_t* word, std::uint32_t ticket) {
  constexpr std::uint64_t limit = 2'000'000'000;
  const std::uint64_t begin = nanoseconds();
  std::uint32_t seen;
  do {
    asm volatile("ld.relaxed.sys.u32 %0, [%1];" : "=r"(seen) : "l"(word) : "memory");
  } while (seen != ticket && nanoseconds() - begin < limit);
}

// The driver's function reads any kernel's node, that of NCCL's own runtime too.
std::optional<launch_shape> shape_of(cudaGraph_t graph) {
  std::size_t count = 0;
  if (cudaGraphGetNodes(graph, nullptr, &count) != cudaSuccess || count == 0) return {};
  std::vector<cudaGraphNode_t> nodes(count);
  check(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found{};
  constexpr const char* name = "cuGraphKernelNodeGetParams";
#if CUDART_VERSION >= 12050
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &entry, 12000, cudaEnableDefault, &found);
#else
  const cudaError_t error = cudaGetDriverEntryPoint(name, &entry, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess) {
    cudaGetLastError();
    return {};
  }
  const auto get_params =
      reinterpret_cast<CUresult (*)(CUgraphNode, CUDA_KERNEL_NODE_PARAMS*)>(entry);
  for (cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    check(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
    if (type != cudaGraphNodeTypeKernel) continue;
    CUDA_KERNEL_NODE_PARAMS params{};
    if (get_params(node, &params) != CUDA_SUCCESS) return {};
    return launch_shape{params.gridDimX * params.gridDimY * params.gridDimZ,
                        params.blockDimX * params.blockDimY * params.blockDimZ};
  }
  return {};
}

// Keeps the first failure of several calls that must all be made.
class first_failure {
 public:
  bool operator()(cudaError_t error) {
    if (error != cudaSuccess) cudaGetLastError();
    if (first_ == cudaSuccess) first_ = error;
    return error == cudaSuccess;
  }
  cudaError_t get() const { return first_; }

 private:
  cudaError_t first_ = cudaSuccess;
};

}  // namespace

void wait_for(std::span<const lane> lanes, double limit_seconds) {
  const auto begin = std::chrono::steady_clock::now();
  for (const lane& where : lanes) {
    const on_device scope(where.device);
    for (;;) {
      const cudaError_t state = cudaStreamQuery(where.stream);
      if (state == cudaSuccess) break;
      if (state != cudaErrorNotReady) check(state, "cudaStreamQuery");
      cudaGetLastError();  // forgets "not ready"
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
      if (waited.count() > limit_seconds) {
        give_up("GPU " + std::to_string(where.device) + " did not finish within " +
                std::to_string(static_cast<int>(limit_seconds)) + " s");
      }
    }
  }
}

recording::recording(std::span<const lane> lanes, const std::function<void()>& enqueue)
    : lanes_(lanes.begin(), lanes.end()) {
  std::size_t begun = 0;
  first_failure failure;
  std::vector<cudaGraph_t> captured;
  const auto end_all = [&] {
    for (std::size_t i = 0; i < begun; ++i) {
      const on_device scope(lanes_[i].device);
      cudaGraph_t graph = nullptr;
      failure(cudaStreamEndCapture(lanes_[i].stream, &graph));
      captured.push_back(graph);
    }
  };
  const auto destroy_captured = [&] {
    for (cudaGraph_t graph : captured) {
      if (graph != nullptr) cudaGraphDestroy(graph);
    }
  };
  try {
    for (; begun < lanes_.size(); ++begun) {
      const on_device scope(lanes_[begun].device);
      check(cudaStreamBeginCapture(lanes_[begun].stream, cudaStreamCaptureModeRelaxed),
            "cudaStreamBeginCapture");
    }
    enqueue();
  } catch (...) {
    end_all();
    destroy_captured();
    throw;
  }
  end_all();
  for (std::size_t i = 0; i < captured.size(); ++i) {
    if (captured[i] == nullptr) continue;
    const on_device scope(lanes_[i].device);
    if (!shape_) shape_ = shape_of(captured[i]);
    cudaGraphExec_t executable = nullptr;
    if (!failure(cudaGraphInstantiate(&executable, captured[i], 0))) continue;
    graphs_.push_back(executable);
    failure(cudaGraphUpload(executable, lanes_[i].stream));
  }
  destroy_captured();
  if (failure.get() != cudaSuccess) {
    for (cudaGraphExec_t graph : graphs_) cudaGraphExecDestroy(graph);
    check(failure.get(), "capturing a graph");
  }
  wait_for(lanes_);
}

recording::~recording() {
  for (cudaGraphExec_t graph : graphs_) cudaGraphExecDestroy(graph);
}

void recording::launch() const {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const on_device scope(lanes_[i].device);
    check(cudaGraphLaunch(graphs_[i], lanes_[i].stream), "cudaGraphLaunch");
  }
}

start_gate::start_gate(std::span<const lane> lanes) {
  void* word = nullptr;
  check(cudaHostAlloc(&word, 64, cudaHostAllocPortable | cudaHostAllocMapped), "cudaHostAlloc");
  word_ = static_cast<std::uint32_t*>(word);
  *word_ = 0;
  for (const lane& where : lanes) {  // loads the kernel before anything waits
    const on_device scope(where.device);
    cudaFuncAttributes attributes{};
    check(cudaFuncGetAttributes(&attributes, hold), "cudaFuncGetAttributes");
  }
}

start_gate::~start_gate() { cudaFreeHost(word_); }

void start_gate::close(const lane& lane) {
  hold<<<1, 1, 0, lane.stream>>>(word_, ticket_);
  check(cudaGetLastError(), "launching the gate");
}

void start_gate::open() {
  std::atomic_ref<std::uint32_t>(*word_).store(ticket_, std::memory_order_release);
  ++ticket_;
}

double time_launches(std::span<const lane> lanes, const timing_plan& plan,
                     const std::function<void()>& launch) {
  start_gate gate(lanes);
  std::vector<event> starts;
  std::vector<event> stops;
  double ranks = 0;
  for (const lane& where : lanes) {
    starts.emplace_back(where.device);
    stops.emplace_back(where.device);
    ranks += where.ranks;
  }
  std::vector<double> samples;
  for (int replay = -plan.warm_up; replay < plan.replays; ++replay) {
    if (plan.before_each) plan.before_each();
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const on_device scope(lanes[i].device);
      // No gate in the first warm-up, which may still load kernels.
      if (plan.gated && (replay >= 0 || replay > -plan.warm_up)) gate.close(lanes[i]);
      check(cudaEventRecord(starts[i].get(), lanes[i].stream), "cudaEventRecord");
    }
    launch();
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const on_device scope(lanes[i].device);
      check(cudaEventRecord(stops[i].get(), lanes[i].stream), "cudaEventRecord");
    }
    gate.open();
    wait_for(lanes);
    double mean = 0;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, starts[i].get(), stops[i].get()),
            "cudaEventElapsedTime");
      mean += milliseconds * 1e3 / plan.calls * lanes[i].ranks / ranks;
    }
    if (replay >= 0) samples.push_back(mean);
  }
  return median(std::move(samples));
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

}  // namespace bench
