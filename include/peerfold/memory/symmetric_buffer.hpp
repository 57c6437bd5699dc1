/// \file
/// Owners of symmetric memory.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/memory/peer_span.hpp>
#include <peerfold/memory/provider.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace peerfold {

/// What a buffer needs of a team: who it is, and where its ranks' memory comes from.
template <class Team, int N, class Tag>
concept team_of = requires(const Team& team) {
  requires Team::size == N;
  requires std::same_as<typename Team::tag_type, Tag>;
  { team.rank_count() } -> std::same_as<int>;
  { team.id() } -> std::same_as<std::uint64_t>;
  { team.provider() } -> std::convertible_to<std::shared_ptr<memory::provider>>;
};

/// An array of T of the same size on every one of N ranks, in memory that all of them reach.
/// Movable; frees on destruction, also when the team is gone by then. Contents start indeterminate.
/// Destroy it only when no call that uses it is under way.
template <element T, int N, class Tag = void>
  requires rank_count<N>
class symmetric_buffer {
 public:
  using value_type = T;
  static constexpr int ranks = N;

  /// Allocates `count` elements on every rank of the team; errc::out_of_resources if one has not
  /// the memory, errc::team_empty if the team was moved from.
  template <team_of<N, Tag> Team>
  [[nodiscard]] static outcome<symmetric_buffer> allocate(const Team& team, std::size_t count) {
    symmetric_buffer buffer;
    if (error reason = buffer.fill(team, count)) {
      return detail::refuse<symmetric_buffer>(std::move(reason));
    }
    return buffer;
  }

#if PEERFOLD_EXCEPTIONS
  /// As allocate().
  template <team_of<N, Tag> Team>
  symmetric_buffer(const Team& team, std::size_t count) {
    if (error reason = fill(team, count)) detail::refuse(std::move(reason));
  }
#endif

  symmetric_buffer(symmetric_buffer&& other) noexcept
      : provider_{std::move(other.provider_)},
        data_{std::exchange(other.data_, {})},
        size_{std::exchange(other.size_, 0)},
        team_{std::exchange(other.team_, 0)} {}
  symmetric_buffer& operator=(symmetric_buffer&& other) noexcept {
    if (this != &other) {
      release();
      provider_ = std::move(other.provider_);
      data_ = std::exchange(other.data_, {});
      size_ = std::exchange(other.size_, 0);
      team_ = std::exchange(other.team_, 0);
    }
    return *this;
  }
  ~symmetric_buffer() { release(); }

  /// Elements a rank.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The first element of rank `rank`, 0 <= rank < N; null after a move, and where the team has no
  /// such rank.
  [[nodiscard]] T* data(int rank) const noexcept { return data_[static_cast<std::size_t>(rank)]; }
  /// Rank `rank`'s elements: host memory on the threads place, device memory on GPUs.
  [[nodiscard]] std::span<T> span(int rank) const noexcept {
    return {data(rank), data(rank) == nullptr ? 0 : size_};
  }
  /// A trivially copyable view for kernels.
  [[nodiscard]] peer_span<T, N> view() const noexcept {
    T* pointers[N];
    for (int r = 0; r < N; ++r) pointers[r] = data(r);
    return {pointers, size_};
  }
  /// The id of the team it belongs to.
  [[nodiscard]] std::uint64_t team_id() const noexcept { return team_; }

 private:
  symmetric_buffer() = default;

  template <class Team>
  [[nodiscard]] error fill(const Team& team, std::size_t count) {
    provider_ = team.provider();
    if (provider_ == nullptr) {
      return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
    }
    if (count > SIZE_MAX / 2 / sizeof(T)) {
      return {errc::invalid_argument,
              detail::text_of({"count: ", count, " elements overflow the address space"})};
    }
    for (int r = 0; r < team.rank_count(); ++r) {
      T*& data = data_[static_cast<std::size_t>(r)];
      data = static_cast<T*>(provider_->allocate(r, std::max<std::size_t>(1, count * sizeof(T))));
      if (data == nullptr) {
        release();
        return {errc::out_of_resources,
                detail::text_of({"count: no memory for ", count, " elements of ", sizeof(T),
                                 " bytes on rank ", r})};
      }
    }
    size_ = count;
    team_ = team.id();
    return {};
  }

  void release() noexcept {
    for (int r = 0; r < N; ++r) {
      T*& data = data_[static_cast<std::size_t>(r)];
      if (data != nullptr) provider_->deallocate(r, data);
      data = nullptr;
    }
    provider_.reset();
  }

  std::shared_ptr<memory::provider> provider_;
  std::array<T*, N> data_{};
  std::size_t size_ = 0;
  std::uint64_t team_ = 0;
};

}  // namespace peerfold
