/// \file
/// A crew: the persistent threads that are one rank on one channel of the threads place.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>

#include <cfenv>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace peerfold::execution {

/// `width` threads that run one task at a time, each as one lane.
class crew {
 public:
  static constexpr int scratch_bytes = 2048;

  /// What the threads run: run(job, lane's group, scratch memory of the group).
  struct task {
    void (*run)(const void* job, const thread_group& group, void* scratch) = nullptr;
    const void* job = nullptr;
  };

  explicit crew(int width) : barrier_{width} {
    threads_.reserve(static_cast<std::size_t>(width));
#if PEERFOLD_EXCEPTIONS
    try {
#endif
      for (int lane = 0; lane < width; ++lane) {
        threads_.emplace_back([this, lane, width] { work(thread_group{barrier_, lane, width}); });
      }
#if PEERFOLD_EXCEPTIONS
    } catch (...) {  // the system has no more threads; those that run must end
      stop();
      throw;
    }
#endif
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  ~crew() { stop(); }

  /// Held by a caller from before start() until after finish().
  [[nodiscard]] std::mutex& turn() noexcept { return turn_; }

  void start(const task& next) {
    {
      const std::lock_guard lock{mutex_};
      task_ = next;
      running_ = threads_.size();
      ++round_;
    }
    wake_.notify_all();
  }

  void finish() {
    std::unique_lock lock{mutex_};
    done_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  void stop() noexcept {
    {
      const std::lock_guard lock{mutex_};
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void work(const thread_group& group) {
    // The caller's program may have been built to flush subnormals; results here must not depend
    // on it.
    std::fesetenv(FE_DFL_ENV);
    std::uint64_t seen = 0;
    for (;;) {
      task current;
      {
        std::unique_lock lock{mutex_};
        wake_.wait(lock, [&] { return stop_ || round_ != seen; });
        if (stop_) return;
        seen = round_;
        current = task_;
      }
      current.run(current.job, group, scratch_);
      {
        const std::lock_guard lock{mutex_};
        if (--running_ == 0) done_.notify_all();
      }
    }
  }

  voting_barrier barrier_;
  alignas(16) std::byte scratch_[scratch_bytes];
  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  task task_;
  std::uint64_t round_ = 0;
  std::size_t running_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace peerfold::execution
