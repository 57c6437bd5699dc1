/// \file
/// The threads place: ranks are threads of this process. It needs no GPU and no toolkit, runs the
/// algorithms that GPUs run, and shows them to ThreadSanitizer.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/crew.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/provider.hpp>
#include <peerfold/policy/plan.hpp>
#include <peerfold/sync/arena_setup.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace peerfold::execution {

/// Memory of ranks that are threads.
class host_provider final : public memory::provider {
 public:
  [[nodiscard]] void* allocate(int /*rank*/, std::size_t bytes) noexcept override {
    return ::operator new(bytes, std::align_val_t{256}, std::nothrow);
  }
  void deallocate(int /*rank*/, void* memory) noexcept override {
    ::operator delete(memory, std::align_val_t{256});
  }
  [[nodiscard]] bool write(int /*rank*/, void* memory, const void* from,
                           std::size_t bytes) noexcept override {
    std::memcpy(memory, from, bytes);
    return true;
  }
};

struct thread_place {
  template <int N>
  using context = execution::context<N, thread_group>;

  template <int N>
  class ranks;
};

/// The N ranks of one team on threads.
template <int N>
class thread_place::ranks {
 public:
  static constexpr int most_blocks = 1024;
  static constexpr int most_workers = 64;

  /// Starts the threads; the error says what is wrong with the options.
  [[nodiscard]] static error make(int count, const team_options& options,
                                  std::unique_ptr<ranks>& made) {
    if (options.workers < 1 || options.workers > most_workers) {
      return {errc::invalid_argument,
              detail::text_of({"workers: ", options.workers, "; a rank has 1 to ", most_workers})};
    }
    for (std::size_t i = 0; i < options.channels.size(); ++i) {
      if (const int blocks = options.channels[i].blocks; blocks < 0 || blocks > most_blocks) {
        return {errc::invalid_argument,
                detail::text_of({"channels[", i, "].blocks: ", blocks,
                                 "; a channel on threads has 0 (one) to ", most_blocks})};
      }
    }
    made.reset(new ranks{count, options});
    return made->start(options);
  }

  ranks(const ranks&) = delete;
  ranks& operator=(const ranks&) = delete;
  ~ranks() {
    crews_.clear();
    for (std::byte* arena : arenas_) {
      if (arena != nullptr) provider_->deallocate(0, arena);
    }
  }

  [[nodiscard]] const std::shared_ptr<memory::provider>& provider() const noexcept {
    return provider_;
  }
  /// How many ranks.
  [[nodiscard]] int size() const noexcept { return plan_.extent.ranks(); }
  [[nodiscard]] int channels() const noexcept { return static_cast<int>(plan_.channels.size()); }
  [[nodiscard]] sync::channel_shape shape(int channel) const noexcept {
    return plan_.channels[static_cast<std::size_t>(channel)].shape();
  }
  [[nodiscard]] std::size_t staging_bytes() const noexcept { return plan_.bytes; }
  [[nodiscard]] sync::host_words& words(int rank) noexcept {
    return words_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] int narrowest() const noexcept { return workers_; }
  [[nodiscard]] int widest() const noexcept { return workers_; }

  /// What tunings call it.
  [[nodiscard]] static std::string machine() { return "threads"; }

  /// What all ranks know of a channel.
  [[nodiscard]] sync::channel_view<N> view(int channel) const noexcept {
    sync::channel_view<N> view;
    view.layout = plan_.channels[static_cast<std::size_t>(channel)];
    view.wait_budget_ns = budget_ns_;
    view.delay_seed = delay_seed_;
    view.channel = channel;
    return view;
  }
  /// How rank `rank` reaches a channel.
  [[nodiscard]] sync::rank_view<N> view_of(int rank, int channel) noexcept {
    return sync::view_of_rank<N>(arenas_, plan_.channels[static_cast<std::size_t>(channel)],
                                 &words(rank), rank);
  }

  /// Runs bodies[r](context) on the threads of every rank r of [first, last), and waits for them.
  template <class Body>
  [[nodiscard]] error launch(int channel, const launch_plan& plan,
                             const std::array<Body, N>& bodies, int first, int last,
                             const call_options& options) {
    if (options.stream) {
      return {errc::invalid_argument, "options.stream: threads have no streams; leave it unset"};
    }
    struct job {
      const Body* body;
      sync::channel_view<N> channel;
      sync::rank_view<N> local;
      int blocks;
      const call_signature* call;
    };
    const auto run = [](const void* opaque, const thread_group& group, void* scratch) {
      const job& j = *static_cast<const job*>(opaque);
      for (int block = 0; block < j.blocks; ++block) {
        static_assert(crew::scratch_bytes >= context<N>::scratch_bytes);
        context<N> c{j.channel, j.local, block, j.blocks, group, scratch, *j.call};
        static_cast<void>((*j.body)(c));
        group.sync();  // the next block uses the same scratch memory
      }
    };
    std::array<job, N> jobs;
    std::array<std::unique_lock<std::mutex>, N> turns;
    for (int r = first; r < last; ++r) {
      const auto i = static_cast<std::size_t>(r);
      jobs[i] = {&bodies[i], view(channel), view_of(r, channel), plan.blocks, &plan.call};
      jobs[i].local.digest = digest_of(plan.call);
      turns[i] = std::unique_lock{crew_of(channel, r).turn()};
    }
    for (int r = first; r < last; ++r) {
      crew_of(channel, r).start({run, &jobs[static_cast<std::size_t>(r)]});
    }
    for (int r = first; r < last; ++r) crew_of(channel, r).finish();
    return {};
  }

  void poison_all() noexcept {
    for (std::byte* arena : arenas_) {
      if (arena == nullptr) continue;
      arch::store_relaxed(&reinterpret_cast<sync::poison_words*>(arena)->poison, sync::poisoned);
    }
  }

 private:
  ranks(int count, const team_options& options)
      : plan_{rank_extent<N>::of(count)},
        workers_{options.workers},
        budget_ns_{static_cast<std::uint64_t>(options.wait_budget.count())},
        delay_seed_{options.delay_seed} {
    for (const channel_options& channel : options.channels) {
      plan_.add(
          sync::shape_channel(plan_.extent, channel.blocks == 0 ? 1 : channel.blocks,
                              static_cast<std::uint32_t>(workers_ * thread_group::packet_packs),
                              static_cast<std::uint32_t>(workers_ * thread_group::sentinel_packs),
                              options.staging_bytes));
    }
  }

  [[nodiscard, gnu::cold]] error start(const team_options& options) {
    for (int r = 0; r < size(); ++r) {
      auto*& arena = arenas_[r];
      arena = static_cast<std::byte*>(provider_->allocate(r, plan_.bytes));
      if (arena == nullptr) {
        return {errc::out_of_resources, detail::text_of({"staging_bytes: no memory for arenas of ",
                                                         staging_bytes(), " bytes"})};
      }
      std::memset(arena, 0, plan_.bytes);
      for (const auto& layout : plan_.channels) {
        sync::initialise_region<N>(arena + layout.begin, layout, options.first_sequence);
      }
    }
#if PEERFOLD_EXCEPTIONS
    try {
#endif
      for (std::size_t i = 0; i < plan_.channels.size() * static_cast<std::size_t>(size()); ++i) {
        crews_.push_back(std::make_unique<crew>(workers_));
      }
#if PEERFOLD_EXCEPTIONS
    } catch (const std::system_error& reason) {
      return {errc::out_of_resources,
              detail::text_of({"workers: no more threads: ", reason.what()})};
    }
#endif
    return {};
  }

  [[nodiscard]] crew& crew_of(int channel, int rank) noexcept {
    return *crews_[static_cast<std::size_t>(channel * size() + rank)];
  }

  std::shared_ptr<memory::provider> provider_ = std::make_shared<host_provider>();
  sync::arena_plan<N> plan_;
  std::byte* arenas_[N] = {};
  std::array<sync::host_words, N> words_{};
  int workers_;
  std::uint64_t budget_ns_;
  std::uint64_t delay_seed_;
  std::vector<std::unique_ptr<crew>> crews_;
};

}  // namespace peerfold::execution
