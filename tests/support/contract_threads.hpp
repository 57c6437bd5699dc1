/// \file
/// The threads place, for the contract suite (see contract_run.hpp).
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/sync/delay.hpp>

#include <support/contract_run.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace peerfold::test {

class threads_place {
 public:
  template <int N>
  using team = thread_team<N>;

  using symmetric_policies = every_policy;
  using symmetric_copy_policies =
      policies<one_shot_packet, one_shot_store, direct_store, direct_bulk>;
  using symmetric_fold_policies = exchange_policies;
  static constexpr bool every_kernel = true;
#if defined(PEERFOLD_EXHAUSTIVE)
  static constexpr bool full_product = true;
#else
  static constexpr bool full_product = false;
#endif
  static constexpr int combined_ranks[max_ranks] = {1, 2, 3, 4, 5, 6, 7, 8};
  static constexpr int most_workers = 3;
#if defined(__SANITIZE_THREAD__)
  static constexpr std::chrono::milliseconds short_budget{400};
#else
  static constexpr std::chrono::milliseconds short_budget{200};
#endif
  static constexpr std::size_t large_count = 300'001;
  static constexpr errc too_many_blocks = errc::invalid_argument;

  static bool has(int /*ranks*/) { return true; }

  static std::vector<setting> settings(int ranks, bool thorough) {
    constexpr std::uint64_t half_lap = std::uint64_t{1} << 30;
#if defined(__SANITIZE_THREAD__)
    constexpr std::size_t most = 15'000;
    constexpr bool reaches_far = false;
#else
    constexpr std::size_t most = full_product ? 100'000 : 40'000;
    constexpr bool reaches_far = true;
#endif
    // Up to where `automatic` changes its mind, which 2, 4 and 8 ranks have for the others.
    const bool far = reaches_far && (ranks == 2 || ranks == 4 || ranks == 8);
    const std::size_t farthest = ranks == 8 ? 650'000 : 1'400'000;
    std::vector<setting> all;
    const auto add = [&](int workers, std::vector<channel_options> channels,
                         std::uint64_t first_sequence, caller who, std::size_t most_bytes) {
      setting next;
      next.name = std::to_string(workers) + " workers, first sequence " +
                  std::to_string(first_sequence) +
                  (who == caller::team ? ", team calls" : ", rank calls");
      next.options.wait_budget = std::chrono::seconds{60};
      next.options.channels = std::move(channels);
      next.options.workers = workers;
      next.options.staging_bytes = 1;
      next.options.first_sequence = first_sequence;
      next.options.delay_seed = PEERFOLD_DELAYS != 0 ? 17 + first_sequence : 0;
      next.who = who;
      next.most_bytes = most_bytes;
      all.push_back(std::move(next));
    };
    if (thorough) {
      add(1, {{1}}, 0, caller::team, far ? farthest : 4 * most);
      add(ranks < 6 ? 3 : 2, {{3}, {2}}, 2 * half_lap - 3, caller::ranks, most);
      if (short_run()) return all;
      add(2, {{2}}, half_lap - 3, caller::team, most);
      add(1, {{1}, {3}}, 4 * half_lap - 3, caller::ranks, most);  // messages of several tiles
      all.back().options.staging_bytes = std::size_t{16} << 20;
    } else {
      add(2, {{2}}, 2 * half_lap - 3, caller::team, most / 2);
      // Rank calls differ from the team's in nothing that the number of ranks changes.
      if (short_run() || (ranks > 32 && !full_product)) return all;
      add(1, {{1}, {3}}, half_lap - 3, caller::ranks, most / 2);
    }
    return all;
  }

  template <int N>
  static thread_team<N> make_team(const team_options& options, [[maybe_unused]] int ranks = N) {
    if constexpr (counts_ranks_early<N>) {
      return thread_team<N>::on_threads(options);
    } else {
      return thread_team<N>::on_threads(ranks, options);
    }
  }
  static std::vector<int> run_time_counts() {
    if (short_run()) return {9};
#if defined(__SANITIZE_THREAD__)
    return {2, 9, 17};
#else
    if (full_product) return {1, 2, 3, 8, 9, 16, 17, 33, 72};
    return {1, 2, 3, 9, 17, 72};
#endif
  }

  template <class Team>
  explicit threads_place(Team& /*team*/) {}

  template <class Team>
  std::byte* allocate(Team& /*team*/, int /*rank*/, std::size_t bytes) {
    owned_.emplace_back(static_cast<std::byte*>(::operator new(bytes, alignment)));
    return owned_.back().get();
  }
  void upload(int /*rank*/, std::byte* to, const std::vector<std::byte>& from) {
    std::memcpy(to, from.data(), from.size());
  }
  std::vector<std::byte> download(int /*rank*/, const std::byte* from, std::size_t bytes) {
    return {from, from + bytes};
  }
  static bool launches_apart(int /*ranks*/) { return true; }
  static call_options rank_options(call_options options, int /*rank*/) { return options; }
  static void after_rank_call(int /*rank*/, int /*channel*/) {}
  static std::string wait() { return {}; }

 private:
  static constexpr std::align_val_t alignment{256};
  struct freeing {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  std::vector<std::unique_ptr<std::byte[], freeing>> owned_;
};

using contract_place = threads_place;

}  // namespace peerfold::test
