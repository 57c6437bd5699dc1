// Recording calls in CUDA graphs and timing their replays on several GPUs at once.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime.hpp"

namespace bench {

// A stream that the calls of one or more ranks are enqueued on: a GPU's share of a measurement.
struct lane {
  int device = 0;
  cudaStream_t stream = nullptr;
  int ranks = 1;
};

// Blocks x threads of the first kernel that a recorded call launches on a lane. With several
// ranks on one GPU the blocks are those of all of them.
struct launch_shape {
  unsigned blocks = 0;
  unsigned threads = 0;
};

// Polls until the lanes' streams are empty. Gives up after limit_seconds.
void wait_for(std::span<const lane> lanes, double limit_seconds = 30);

// One graph a lane, holding what `enqueue` put on the lanes' streams.
class recording {
 public:
  // Captures in relaxed mode, so that enqueue may use other threads.
  recording(std::span<const lane> lanes, const std::function<void()>& enqueue);
  recording(recording&&) = default;
  recording& operator=(recording&&) = delete;
  ~recording();

  void launch() const;  // on every lane
  std::optional<launch_shape> shape() const { return shape_; }

 private:
  std::vector<lane> lanes_;
  std::vector<cudaGraphExec_t> graphs_;
  std::optional<launch_shape> shape_;
};

// Holds every lane back until all of them have their work, then lets them start within about a
// microsecond of one another: a lane that started early would count its wait for the others.
class start_gate {
 public:
  explicit start_gate(std::span<const lane> lanes);
  ~start_gate();
  start_gate(const start_gate&) = delete;
  start_gate& operator=(const start_gate&) = delete;

  void close(const lane& lane);  // enqueues the wait, at most two seconds long
  void open();                   // releases every lane closed so far

 private:
  std::uint32_t* word_ = nullptr;  // in host memory
  std::uint32_t ticket_ = 1;
};

struct timing_plan {
  int calls = 1;                      // that one launch makes
  int warm_up = 3;                    // launches not counted
  int replays = 21;                   // launches counted
  bool gated = true;                  // false where the host's own time counts (eager)
  std::function<void()> before_each;  // outside the timed part, such as refilling inputs
};

// Times what `launch` enqueues on the lanes, plan.calls calls: the microseconds of one call, as
// the median over the replays of the mean over the ranks.
double time_launches(std::span<const lane> lanes, const timing_plan& plan,
                     const std::function<void()>& launch);

double median(std::vector<double> values);

}  // namespace bench
