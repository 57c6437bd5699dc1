/// \file
/// Teams: N ranks that call collectives together.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/provider.hpp>
#include <peerfold/policy/tuning.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/team/status.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold {

namespace execution {
struct thread_place;
struct gpu_place;
}  // namespace execution

template <class Team>
class rank_handle;

/// N ranks in one place; with run_time_ranks for N as many as it is made with, 1 to 72. Such a team
/// takes its arguments in arrays of 72, of which those from rank_count() on are not looked at (see
/// each_rank()); its kernels loop over ranks; it has no chains and trees, and at most 16 ranks a
/// GPU. In what follows N is the rank count in either case. `Tag` tells teams apart at
/// compile time that must not be mixed. Movable, not copyable. A team is made from options that say
/// how long ranks wait and which channels it has; it owns its staging, and all memory it needs is
/// taken when it is made.
///
/// Calls of one rank on one channel are made in one order, the same on every rank. Members may be
/// called from several threads at once, but for moves and destruction.
template <int N, class Place, class Tag = void>
  requires rank_count<N>
class team {
  using ranks_type = typename Place::template ranks<N>;

 public:
  /// The rank count, or what it is at most: the length of arrays that have an entry a rank.
  static constexpr int size = N;
  using place_type = Place;
  using tag_type = Tag;

  /// A team of threads of this process.
  [[nodiscard]] static outcome<team> on_threads(const team_options& options = {})
    requires(std::same_as<Place, execution::thread_place> && counts_ranks_early<N>)
  {
    return make(N, options);
  }
  /// The same of `ranks` ranks, 1 to 72.
  [[nodiscard]] static outcome<team> on_threads(int ranks, const team_options& options = {})
    requires(std::same_as<Place, execution::thread_place> && !counts_ranks_early<N>)
  {
    return make(ranks, options);
  }

  /// A team on GPUs of this process: rank r on device devices[r], one of the numbers of
  /// cudaSetDevice. A device may stand there several times: its ranks share it, and are launched
  /// together by team calls. Enables peer access between the devices.
  [[nodiscard]] static outcome<team> on_devices(const std::vector<int>& devices,
                                                const team_options& options = {})
    requires std::same_as<Place, execution::gpu_place>
  {
    return make(devices, options);
  }

  /// Rank `rank` of this team, 0 <= rank < N, for calls that one rank makes for itself. It refers
  /// to the team, which must not be moved meanwhile.
  [[nodiscard]] outcome<rank_handle<team>> rank(int rank) noexcept(!PEERFOLD_EXCEPTIONS) {
    if (!counts_ranks_early<N> && ranks_ == nullptr) {
      return detail::refuse<rank_handle<team>>(
          {errc::team_empty, "team: it was moved from; use the team it was moved to"});
    }
    if (rank < 0 || rank >= rank_count()) {
      return detail::refuse<rank_handle<team>>(
          {errc::invalid_argument,
           detail::text_of({"rank: ", rank, "; this team has ranks 0 to ", rank_count() - 1})});
    }
    return rank_handle<team>{*this, rank};
  }

  /// How many ranks it has; after a move 0, if that is not part of its type.
  [[nodiscard]] int rank_count() const noexcept {
    if constexpr (counts_ranks_early<N>) return N;
    return ranks_ == nullptr ? 0 : ranks_->size();
  }

  /// Whether the team may be used, and the faults so far. Never blocks.
  [[nodiscard]] team_status status() const {
    team_status status;
    if (ranks_ == nullptr) return status;
    for (int r = 0; r < ranks_->size(); ++r) {
      sync::host_words& words = ranks_->words(r);
      if (arch::load_acquire(&words.faulted) != 0) status.add(words.report);
      if (arch::load_relaxed(&words.abort) != 0) status.set_aborted();
    }
    return status;
  }

  /// Whether status() is not ok: what calls ask first.
  [[nodiscard]] bool faulted() const noexcept {
    for (int r = 0; ranks_ != nullptr && r < ranks_->size(); ++r) {
      const sync::host_words& words = ranks_->words(r);
      if ((arch::load_acquire(&words.faulted) | arch::load_relaxed(&words.abort)) != 0) return true;
    }
    return false;
  }

  /// Makes every running call of the team return and refuses further ones. Does not wait.
  void abort() noexcept {
    if (ranks_ == nullptr) return;
    for (int r = 0; r < ranks_->size(); ++r)
      arch::store_relaxed(&ranks_->words(r).abort, std::uint32_t{1});
    ranks_->poison_all();
  }

  /// Bytes of staging that the team holds, a rank; fixed when it was made.
  [[nodiscard]] std::size_t staging_bytes() const noexcept {
    return ranks_ == nullptr ? 0 : ranks_->staging_bytes();
  }
  /// How many channels it has.
  [[nodiscard]] int channels() const noexcept { return ranks_ == nullptr ? 0 : ranks_->channels(); }
  /// The blocks a rank may use on a channel, 0 <= channel < channels(); not after a move.
  [[nodiscard]] int blocks(int channel = 0) const noexcept { return ranks_->shape(channel).blocks; }

  /// A number that no other team of this process has; 0 after a move.
  [[nodiscard]] std::uint64_t id() const noexcept { return ranks_ == nullptr ? 0 : id_; }
  /// Where its ranks' memory comes from; null after a move.
  [[nodiscard]] std::shared_ptr<memory::provider> provider() const noexcept {
    return ranks_ == nullptr ? nullptr : ranks_->provider();
  }

  /// The device of a rank, 0 <= rank < N; not after a move.
  [[nodiscard]] int device(int rank) const noexcept
    requires std::same_as<Place, execution::gpu_place>
  {
    return ranks_->device(rank);
  }
  /// The team's own stream of a rank, 0 <= rank < N; ranks of one device share it. Not after a
  /// move.
  [[nodiscard]] CUstream_st* stream(int rank) const noexcept
    requires std::same_as<Place, execution::gpu_place>
  {
    return ranks_->stream(rank);
  }
  /// Waits until the team's own streams are idle.
  outcome<> synchronize() const
    requires std::same_as<Place, execution::gpu_place>
  {
    if (error reason = ranks_->synchronize()) return detail::refuse(std::move(reason));
    return detail::accept();
  }

  /// As in its options.
  [[nodiscard]] const link_routes& links() const noexcept { return links_; }

  /// How many of its ranks are on one device, at most; 1 on threads.
  [[nodiscard]] int sharing() const noexcept { return sharing_; }

  /// Times that were measured on such a machine (see tuning), from which automatic chooses; null
  /// where PEERFOLD_TUNING names none of it.
  [[nodiscard]] const tuning* measured() const noexcept { return measured_; }

  /// The place's ranks, for collectives; null after a move.
  [[nodiscard]] ranks_type* ranks() const noexcept { return ranks_.get(); }

 private:
  explicit team(std::unique_ptr<ranks_type> ranks) : ranks_{std::move(ranks)} {}

  template <class... Arguments>
  [[nodiscard, gnu::cold]] static outcome<team> make(const Arguments&... arguments) {
    std::unique_ptr<ranks_type> ranks;
    error reason = check(arguments...);
    if (!reason) reason = ranks_type::make(arguments..., ranks);
    const tuning* measured = nullptr;
    if (!reason) measured = tuning::of_process(reason);
    if (reason) return detail::refuse<team>(std::move(reason));
    team made{std::move(ranks)};
    made.links_ = options_of(arguments...).links;
    if constexpr (std::same_as<Place, execution::gpu_place>) {
      for (int r = 0; r < made.rank_count(); ++r) {
        int same = 0;
        for (int q = 0; q < made.rank_count(); ++q)
          same += made.device(q) == made.device(r) ? 1 : 0;
        made.sharing_ = std::max(made.sharing_, same);
      }
    }
    if (measured != nullptr && measured->machine() == made.ranks_->machine()) {
      made.measured_ = measured;
    }
    return made;
  }

  template <class First>
  [[nodiscard]] static const team_options& options_of(const First& /*ranks*/,
                                                      const team_options& options) noexcept {
    return options;
  }

  /// Routes are of as many ranks; relays are straight with both ends, orders have every rank once.
  [[nodiscard, gnu::cold]] static error check_links(int ranks, const link_routes& links) {
    if (links.ranks == 0) return {};
    if (links.ranks != ranks || ranks > max_ranks) {
      return {errc::invalid_argument,
              detail::text_of({"links: routes of ", links.ranks, " ranks, for a team of ", ranks})};
    }
    for (int i = 0; i < ranks; ++i) {
      for (int j = 0; j < ranks; ++j) {
        const int p = links.via[i][j];
        if (i != j && links.is_straight(i, j) != links.is_straight(j, i)) {
          return {errc::invalid_argument,
                  detail::text_of({"links: via[", i, "][", j, "] is ", p, " and via[", j, "][", i,
                                   "] is ", int{links.via[j][i]},
                                   "; two ranks are straight both ways, or neither"})};
        }
        if (i == j || p == j) continue;
        if (p >= ranks || p == i || !links.is_straight(i, p) || !links.is_straight(p, j)) {
          return {
              errc::invalid_argument,
              detail::text_of({"links: via[", i, "][", j, "] is ", p,
                               "; it must be the receiver, or a rank that is straight with both"})};
        }
      }
    }
    for (const auto& order : {links.ring, links.tree}) {
      uint32_t seen = 0;
      for (int p = 0; p < ranks; ++p) seen |= order[p] < ranks ? uint32_t{1} << order[p] : 0;
      if (seen != (uint32_t{1} << ranks) - 1) {
        return {errc::invalid_argument, "links: ring and tree must have every rank once"};
      }
    }
    return {};
  }

  [[nodiscard]] static error check(const std::vector<int>& devices, const team_options& options) {
    if (!counts_ranks_early<N>) {
      if (error reason = check_count("devices", devices.size())) return reason;
    } else if (devices.size() != static_cast<std::size_t>(N)) {
      return {errc::invalid_argument,
              detail::text_of({"devices: ", devices.size(), " devices for a team of ", N,
                               " ranks; name one a rank (repeats are fine)"})};
    }
    return check(options, static_cast<int>(devices.size()));
  }

  [[nodiscard]] static error check(int ranks, const team_options& options) {
    if (!counts_ranks_early<N>) {
      if (error reason = check_count("ranks", ranks)) return reason;
    }
    return check(options, ranks);
  }

  template <class Count>
  [[nodiscard]] static error check_count(const char* name, Count ranks) {
    if (ranks >= Count{1} && ranks <= Count{run_time_ranks}) return {};
    return {errc::invalid_argument,
            detail::text_of({name, ": ", ranks, "; a team has 1 to ", run_time_ranks, " ranks"})};
  }

  [[nodiscard]] static error check(const team_options& options, int ranks) {
    if (error reason = check_links(ranks, options.links)) return reason;
    if (options.wait_budget <= std::chrono::nanoseconds::zero()) {
      return {errc::invalid_argument, detail::text_of({"wait_budget: ", options.wait_budget.count(),
                                                       " ns; it must be positive"})};
    }
    if (options.channels.empty() || options.channels.size() > 64) {
      return {errc::invalid_argument, detail::text_of({"channels: ", options.channels.size(),
                                                       "; a team has 1 to 64 channels"})};
    }
    return {};
  }

  static std::uint64_t next_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  std::unique_ptr<ranks_type> ranks_;
  const tuning* measured_ = nullptr;
  link_routes links_ = {};
  int sharing_ = 1;
  std::uint64_t id_ = next_id();
};

/// One rank of a team; refers to the team.
template <class Team>
class rank_handle {
 public:
  using team_type = Team;

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] Team& team() const noexcept { return *team_; }

 private:
  friend Team;
  rank_handle(Team& team, int rank) noexcept : team_{&team}, rank_{rank} {}

  Team* team_;
  int rank_;
};

/// What there is of each rank of a team, as its calls take it: an array of T, or of what the range
/// holds, made from a range of as many as there are ranks; what no rank has is value-initialised.
/// errc::invalid_argument where the range has fewer or more.
///
///   all_reduce(team, each_rank<const float*>(team, inputs), each_rank(team, outputs), …);
template <class T = void, class Team, class Range>
[[nodiscard]] auto each_rank(const Team& team, const Range& values) {
  using held = std::remove_cvref_t<decltype(*std::begin(values))>;
  using array = std::array<std::conditional_t<std::is_void_v<T>, held, T>, Team::size>;
  const auto count = static_cast<std::size_t>(std::distance(std::begin(values), std::end(values)));
  if (count != static_cast<std::size_t>(team.rank_count())) {
    return detail::refuse<array>(
        {errc::invalid_argument, detail::text_of({"values: ", count, " for a team of ",
                                                  team.rank_count(), " ranks; give one of each"})});
  }
  array all{};
  std::copy(std::begin(values), std::end(values), all.begin());
  return outcome<array>{all};
}

template <int N, class Tag = void>
using thread_team = team<N, execution::thread_place, Tag>;

template <int N, class Tag = void>
using gpu_team = team<N, execution::gpu_place, Tag>;

}  // namespace peerfold
