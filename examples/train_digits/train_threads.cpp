#include <peerfold/all_reduce.hpp>

#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "replica.hpp"
#include "train.hpp"

namespace digits {
namespace {

namespace pf = peerfold;
using clock = std::chrono::steady_clock;

/// Arrays in the process's memory; functors run in a loop of the calling thread.
struct host_place {
  template <class T>
  class array {
   public:
    array(const host_place&, std::size_t count) : values_(count) {}
    void copy_from(std::span<const T> values) { values_.assign(values.begin(), values.end()); }
    [[nodiscard]] std::vector<T> to_host() const { return values_; }
    [[nodiscard]] T* data() noexcept { return values_.data(); }

   private:
    std::vector<T> values_;
  };

  template <class Functor>
  void apply(int count, Functor functor) const {
    for (int index = 0; index < count; ++index) functor(index);
  }
};

/// The first exception of several threads.
class first_exception {
 public:
  void keep(std::exception_ptr exception) {
    const std::lock_guard lock{mutex_};
    if (!first_) first_ = std::move(exception);
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

/// Where one rank's time went.
struct stopwatch {
  clock::duration training{};
  clock::duration all_reduce{};
};

template <int N>
training_result train(const training_plan& plan, const data_set& data, progress& progress) {
  auto team = pf::thread_team<N>::on_threads();
  pf::symmetric_buffer<float, N> gradients{team, layout::size};
  const pf::call_options options{.policy = plan.policy};
  const std::vector<float> start_weights = initial_weights(plan.seed);
  std::array<std::vector<float>, N> end_weights;
  std::array<stopwatch, N> watches;
  first_exception failure;
  int correct = 0;  // rank 0's thread writes it

  const auto run_rank = [&](int r) {
    const auto rank = team.rank(r);
    replica<host_place> network{host_place{}, data, start_weights, gradients.data(r)};
    stopwatch watch;
    for (int epoch = 1; epoch <= plan.epochs && team.status(); ++epoch) {
      network.set_order(epoch_order(data, plan.seed, epoch));
      const auto epoch_start = clock::now();
      for (const range batch : batches(data.train)) {
        network.compute_gradient(batch.share(r, N));
        const auto start = clock::now();
        // Sum, not average: shares may differ in size, so the update divides by the whole batch's.
        pf::all_reduce<pf::floating_policies>(rank, gradients, gradients, pf::sum{}, options);
        watch.all_reduce += clock::now() - start;
        network.update(batch.size());
      }
      watch.training += clock::now() - epoch_start;

      network.judge(r, N);
      pf::all_reduce<one_short_message>(rank, network.hits(), network.hits(), data.held_out(),
                                        pf::sum{});
      if (r == 0) {
        correct = network.count_hits();
        progress.show(epoch, correct, data.held_out());
      }
    }
    end_weights[static_cast<std::size_t>(r)] = network.weights();
    watches[static_cast<std::size_t>(r)] = watch;
  };

  const auto start = clock::now();
  {
    std::vector<std::jthread> threads;
    for (int r = 0; r < N; ++r) {
      threads.emplace_back([&, r] {
        try {
          run_rank(r);
        } catch (...) {
          failure.keep(std::current_exception());
          team.abort();  // the other ranks would wait for this one
        }
      });
    }
  }
  const auto seconds = [](clock::duration d) { return std::chrono::duration<double>{d}.count(); };
  training_result result{.correct = correct, .seconds = seconds(clock::now() - start)};
  failure.rethrow();
  if (const auto status = team.status(); !status) throw std::runtime_error{status.to_string()};
  for (const stopwatch& watch : watches) {
    result.all_reduce_share += seconds(watch.all_reduce) / seconds(watch.training) / N;
  }
  compare_ranks({end_weights.begin(), end_weights.end()}, result);
  return result;
}

}  // namespace

training_result train_on_threads(const training_plan& plan, const data_set& data,
                                 progress& progress) {
  return with_rank_count(plan.ranks, [&]<int N>() { return train<N>(plan, data, progress); });
}

}  // namespace digits
