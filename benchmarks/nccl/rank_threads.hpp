// One persistent thread a rank, for libraries whose calls wait for one another across ranks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bench {

class rank_threads {
 public:
  explicit rank_threads(int ranks);
  ~rank_threads();
  rank_threads(const rank_threads&) = delete;
  rank_threads& operator=(const rank_threads&) = delete;

  // Calls f(rank) on every rank's thread and waits for all of them. Rethrows the first rank's
  // exception; gives up where a thread has not returned after limit_seconds.
  void run(const std::function<void(int)>& f, double limit_seconds = 60);

 private:
  void serve(int rank);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void(int)> work_;
  std::uint64_t round_ = 0;
  int running_ = 0;
  bool stopping_ = false;
  std::vector<std::exception_ptr> errors_;
  std::vector<std::thread> threads_;
};

}  // namespace bench
