#include "rank_threads.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "../runtime.hpp"

namespace bench {

rank_threads::rank_threads(int ranks) : errors_(static_cast<std::size_t>(ranks)) {
  for (int rank = 0; rank < ranks; ++rank) threads_.emplace_back([this, rank] { serve(rank); });
}

rank_threads::~rank_threads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void rank_threads::run(const std::function<void(int)>& f, double limit_seconds) {
  std::unique_lock lock(mutex_);
  work_ = f;
  running_ = static_cast<int>(threads_.size());
  ++round_;
  changed_.notify_all();
  const std::chrono::duration<double> limit(limit_seconds);
  if (!changed_.wait_for(lock, limit, [this] { return running_ == 0; })) {
    give_up("a rank's thread did not return within " +
            std::to_string(static_cast<int>(limit_seconds)) + " s");
  }
  for (std::exception_ptr& error : errors_) {
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }
}

void rank_threads::serve(int rank) {
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    const std::function<void(int)> work = work_;
    lock.unlock();
    std::exception_ptr error;
    try {
      work(rank);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    errors_[static_cast<std::size_t>(rank)] = error;
    if (--running_ == 0) changed_.notify_all();
  }
}

}  // namespace bench
