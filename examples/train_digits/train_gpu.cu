#include <peerfold/all_reduce.hpp>

#include <cuda_runtime.h>

#include <chrono>
#include <memory>

#include "replica.hpp"
#include "train.hpp"

namespace digits {
namespace {

namespace pf = peerfold;

void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) {
    throw std::runtime_error{std::string{call} + ": " + cudaGetErrorString(status)};
  }
}

template <class Functor>
__global__ void apply_functor(int count, Functor functor) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < count) functor(index);
}

/// Where a rank's work is ordered.
struct rank_stream {
  int device;
  cudaStream_t stream;
};

/// An array in device memory; copies wait until the stream has done them.
template <class T>
class device_array {
 public:
  device_array(const rank_stream& at, std::size_t count) : at_{at}, count_{count} {
    check(cudaSetDevice(at_.device), "cudaSetDevice");
    T* memory = nullptr;
    check(cudaMalloc(&memory, count * sizeof(T)), "cudaMalloc");
    memory_.reset(memory);
  }
  void copy_from(std::span<const T> values) {
    copy(memory_.get(), values.data(), cudaMemcpyHostToDevice);
  }
  [[nodiscard]] std::vector<T> to_host() const {
    std::vector<T> values(count_);
    copy(values.data(), memory_.get(), cudaMemcpyDeviceToHost);
    return values;
  }
  [[nodiscard]] T* data() noexcept { return memory_.get(); }

 private:
  struct release {
    void operator()(T* memory) const noexcept { cudaFree(memory); }
  };

  void copy(T* to, const T* from, cudaMemcpyKind kind) const {
    check(cudaSetDevice(at_.device), "cudaSetDevice");
    check(cudaMemcpyAsync(to, from, count_ * sizeof(T), kind, at_.stream), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(at_.stream), "cudaStreamSynchronize");
  }

  rank_stream at_;
  std::size_t count_;
  std::unique_ptr<T, release> memory_;
};

/// Functors run as kernels in the order of the rank's stream.
struct device_place : rank_stream {
  template <class T>
  using array = device_array<T>;

  template <class Functor>
  void apply(int count, Functor functor) const {
    constexpr int threads = 128;
    if (count == 0) return;
    check(cudaSetDevice(device), "cudaSetDevice");
    apply_functor<<<(count + threads - 1) / threads, threads, 0, stream>>>(count, functor);
    check(cudaGetLastError(), "kernel launch");
  }
};

/// A point in the order of a stream, and its time.
class event {
 public:
  explicit event(const rank_stream& at) : at_{at} {
    check(cudaSetDevice(at_.device), "cudaSetDevice");
    cudaEvent_t made = nullptr;
    check(cudaEventCreate(&made), "cudaEventCreate");
    event_.reset(made);
  }
  void record() { check(cudaEventRecord(event_.get(), at_.stream), "cudaEventRecord"); }
  [[nodiscard]] double seconds_since(const event& earlier) const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, earlier.event_.get(), event_.get()),
          "cudaEventElapsedTime");
    return milliseconds / 1e3;
  }

 private:
  struct release {
    void operator()(cudaEvent_t event) const noexcept { cudaEventDestroy(event); }
  };
  rank_stream at_;
  std::unique_ptr<CUevent_st, release> event_;
};

/// Where one rank's time goes in an epoch: events around each all-reduce and around the whole.
/// Ranks of one device share a stream, so all ranks' events stand directly around the team's call.
class stopwatch {
 public:
  stopwatch(const rank_stream& at, std::size_t steps) : epoch_{event{at}, event{at}} {
    for (std::size_t i = 0; i < steps; ++i) steps_.push_back({event{at}, event{at}});
  }

  void start_epoch() { epoch_[0].record(); }
  void end_epoch() { epoch_[1].record(); }
  void start_all_reduce(std::size_t step) { steps_[step][0].record(); }
  void end_all_reduce(std::size_t step) { steps_[step][1].record(); }

  /// Adds up the epoch, which the stream has finished.
  void add() {
    training_ += epoch_[1].seconds_since(epoch_[0]);
    for (const auto& [start, end] : steps_) all_reduce_ += end.seconds_since(start);
  }
  [[nodiscard]] double all_reduce_share() const { return all_reduce_ / training_; }

 private:
  std::array<event, 2> epoch_;
  std::vector<std::array<event, 2>> steps_;
  double training_ = 0;
  double all_reduce_ = 0;
};

template <class Team>
void stop_on_fault(const Team& team) {
  if (const auto status = team.status(); !status) throw std::runtime_error{status.to_string()};
}

/// Where the training ends early, ends the waits of kernels for kernels that will never be
/// launched, before the memory that they use is freed.
template <class Team>
class abort_unless_finished {
 public:
  explicit abort_unless_finished(Team& team) : team_{team} {}
  ~abort_unless_finished() {
    if (!is_finished_) team_.abort();
  }
  abort_unless_finished(const abort_unless_finished&) = delete;
  abort_unless_finished& operator=(const abort_unless_finished&) = delete;
  void finish() noexcept { is_finished_ = true; }

 private:
  Team& team_;
  bool is_finished_ = false;
};

template <int N>
training_result train(const training_plan& plan, const std::vector<int>& devices,
                      const data_set& data, progress& progress) {
  auto team = pf::gpu_team<N>::on_devices(devices);
  pf::symmetric_buffer<float, N> gradients{team, layout::size};
  const pf::call_options options{.policy = plan.policy};
  const std::vector<float> start_weights = initial_weights(plan.seed);
  const std::vector<range> steps = batches(data.train);

  std::vector<replica<device_place>> networks;
  std::vector<stopwatch> watches;
  std::array<const float*, N> own_hits;
  std::array<float*, N> all_hits;
  for (int r = 0; r < N; ++r) {
    const device_place place{{team.device(r), team.stream(r)}};
    networks.emplace_back(place, data, start_weights, gradients.data(r));
    watches.emplace_back(place, steps.size());
    own_hits[r] = all_hits[r] = networks.back().hits();
  }

  abort_unless_finished running{team};
  training_result result;
  const auto start = std::chrono::steady_clock::now();
  for (int epoch = 1; epoch <= plan.epochs; ++epoch) {
    const std::vector<int> order = epoch_order(data, plan.seed, epoch);
    for (auto& network : networks) network.set_order(order);
    for (auto& watch : watches) watch.start_epoch();
    for (std::size_t step = 0; step < steps.size(); ++step) {
      for (int r = 0; r < N; ++r) networks[r].compute_gradient(steps[step].share(r, N));
      for (auto& watch : watches) watch.start_all_reduce(step);
      // Sum, not average: shares may differ in size, so the update divides by the whole batch's.
      pf::all_reduce<pf::floating_policies>(team, gradients, pf::sum{}, options);
      for (auto& watch : watches) watch.end_all_reduce(step);
      for (auto& network : networks) network.update(steps[step].size());
    }
    for (auto& watch : watches) watch.end_epoch();

    for (int r = 0; r < N; ++r) networks[r].judge(r, N);
    pf::all_reduce<one_short_message>(team, own_hits, all_hits, data.held_out(), pf::sum{});
    team.synchronize();
    stop_on_fault(team);
    for (auto& watch : watches) watch.add();
    result.correct = networks.front().count_hits();
    progress.show(epoch, result.correct, data.held_out());
  }
  result.seconds = std::chrono::duration<double>{std::chrono::steady_clock::now() - start}.count();

  std::vector<std::vector<float>> end_weights;
  for (int r = 0; r < N; ++r) {
    result.all_reduce_share += watches[r].all_reduce_share() / N;
    end_weights.push_back(networks[r].weights());
  }
  stop_on_fault(team);
  running.finish();
  compare_ranks(end_weights, result);
  return result;
}

/// Why this program cannot use a device; empty where it can.
std::string obstacle(int device) {
  cudaFuncAttributes attributes;
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) {
    status = cudaFuncGetAttributes(&attributes, apply_functor<descend>);
  }
  if (status == cudaSuccess) return {};
  cudaGetLastError();  // or the next launch would report it
  return cudaGetErrorString(status);
}

bool reach_each_other(int a, int b) {
  int forth = 0;
  int back = 0;
  check(cudaDeviceCanAccessPeer(&forth, a, b), "cudaDeviceCanAccessPeer");
  check(cudaDeviceCanAccessPeer(&back, b, a), "cudaDeviceCanAccessPeer");
  return forth != 0 && back != 0;
}

}  // namespace

gpu_search find_gpus() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) {
    return {{}, "no GPU: no driver is installed"};  // what follows would call it too old
  }
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    cudaGetLastError();
    return {{}, std::string{"no GPU: "} + cudaGetErrorString(status)};
  }
  gpu_search search;
  std::string left_out;
  for (int device = 0; device < count; ++device) {
    std::string reason = obstacle(device);
    for (const int other : search.devices) {
      if (reason.empty() && !reach_each_other(device, other)) {
        reason = "GPU " + std::to_string(other) + " cannot be reached from it";
      }
    }
    if (reason.empty()) {
      search.devices.push_back(device);
    } else {
      left_out += "; not GPU " + std::to_string(device) + ": " + reason;
    }
  }
  search.found = "GPUs found: " + std::to_string(count) + left_out;
  return search;
}

training_result train_on_gpus(const training_plan& plan, const std::vector<int>& devices,
                              const data_set& data, progress& progress) {
  return with_rank_count(plan.ranks,
                         [&]<int N>() { return train<N>(plan, devices, data, progress); });
}

}  // namespace digits
