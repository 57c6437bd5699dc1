/// \file
/// Ranks driven by hand: arenas, views and contexts of a channel of one block, without a team. One
/// lane a rank, so that one thread can play all ranks in any order, as long as nothing is awaited
/// that was not sent before.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>
#include <peerfold/sync/arena_setup.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/sentinel.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace peerfold::test {

using namespace std::chrono_literals;

/// What these ranks call, and how that shows in the two words of a packet's line with data a and b.
inline constexpr call_signature hand_driven_call{.count = 1, .which = collective::all_reduce};
inline arch::word_pair packet_line(std::uint64_t message, std::uint32_t a, std::uint32_t b) {
  const auto mark = sync::mark_of(static_cast<std::uint32_t>(message), digest_of(hand_driven_call));
  return {std::uint64_t{mark.low} << 32 | a, std::uint64_t{mark.high} << 32 | b};
}

/// The arenas of N ranks and what their contexts need.
template <int N>
class hand_driven_channel {
 public:
  using context_type = execution::context<N, execution::thread_group>;

  static constexpr sync::channel_shape default_shape{
      .blocks = 1, .packet_lines = 16, .store_bytes = 256, .sentinel_lines = 16};

  explicit hand_driven_channel(std::uint64_t first_sequence = 0,
                               std::chrono::nanoseconds budget = 1min,
                               const sync::channel_shape& shape = default_shape) {
    sync::arena_plan<N> plan;
    plan.add(shape);
    for (std::size_t r = 0; r < N; ++r) {
      memory_[r].resize(plan.bytes / sizeof(line) + 1);
      arenas_[r] = reinterpret_cast<std::byte*>(memory_[r].data());
      sync::initialise_region<N>(region(static_cast<int>(r), plan.channels[0]), plan.channels[0],
                                 first_sequence);
    }
    view_.layout = plan.channels[0];
    std::memset(scratch_, 0xcd, sizeof(scratch_));  // nobody may rely on what it holds
    view_.wait_budget_ns = static_cast<std::uint64_t>(budget.count());
    for (int r = 0; r < N; ++r) {
      locals_[static_cast<std::size_t>(r)] =
          sync::view_of_rank<N>(arenas_, view_.layout, &words_[static_cast<std::size_t>(r)], r);
      locals_[static_cast<std::size_t>(r)].digest = digest_of(hand_driven_call);
    }
  }

  /// The context of a call on rank `rank`.
  context_type enter(int rank) {
    const auto r = static_cast<std::size_t>(rank);
    return {view_,       locals_[r],      0, 1, execution::thread_group{barrier_[r], 0, 1},
            scratch_[r], hand_driven_call};
  }

  /// The same of lane `lane` of two, each a thread of its own.
  context_type enter_lane(int rank, int lane) {
    const auto r = static_cast<std::size_t>(rank);
    return {
        view_,       locals_[r],      0, 1, execution::thread_group{barrier_of_two_[r], lane, 2},
        scratch_[r], hand_driven_call};
  }

  sync::channel_view<N>& view() { return view_; }
  /// The channel's region of a rank.
  std::byte* region(int rank) { return region(rank, view_.layout); }
  sync::block_state<N>& state(int rank) { return *view_.layout.state(region(rank), 0); }
  const fault_report& report(int rank) const {
    return words_[static_cast<std::size_t>(rank)].report;
  }

 private:
  struct alignas(256) line {
    std::byte bytes[256];
  };
  std::byte* region(int rank, const sync::channel_layout<N>& layout) {
    return arenas_[rank] + layout.begin;
  }
  template <std::size_t... R>
  static std::array<execution::voting_barrier, N> barriers(int width, std::index_sequence<R...>) {
    return {((void)R, execution::voting_barrier{width})...};
  }

  std::array<std::vector<line>, N> memory_;
  std::byte* arenas_[N] = {};
  sync::channel_view<N> view_;
  std::array<sync::rank_view<N>, N> locals_{};
  std::array<sync::host_words, N> words_{};
  std::array<execution::voting_barrier, N> barrier_ = barriers(1, std::make_index_sequence<N>{});
  std::array<execution::voting_barrier, N> barrier_of_two_ =
      barriers(2, std::make_index_sequence<N>{});
  alignas(16) std::byte scratch_[N][context_type::scratch_bytes];
};

/// One rank in a call over Transport, with messages that are easily told apart: element i of a tile
/// is base + i.
template <template <class, class> class Transport, int N, class T = std::uint32_t>
class hand_driven_rank {
 public:
  using context_type = typename hand_driven_channel<N>::context_type;
  using element_type = T;
  using transport_type = Transport<T, context_type>;
  using fragment = typename transport_type::fragment_type;
  static constexpr std::uint32_t pack = transport_type::pack_type::size;

  hand_driven_rank(hand_driven_channel<N>& channel, int rank)
      : context_{channel.enter(rank)}, transport_{context_} {}
  hand_driven_rank(const hand_driven_rank&) = delete;
  hand_driven_rank& operator=(const hand_driven_rank&) = delete;
  ~hand_driven_rank() { transport_.close(); }

  context_type& context() { return context_; }
  transport_type& transport() { return transport_; }

  /// A message of `packs` packs to every other rank, without the commit.
  void send(std::uint32_t packs, std::uint32_t base) {
    const transport::tile x{0, packs * pack};
    const auto load = [&](std::size_t i) {
      return static_cast<T>(base + static_cast<std::uint32_t>(i));
    };
    const fragment values = transport_.load(x, load);
    for (int p = 1; p < N; ++p) transport_.send(p, x, values);
  }
  void commit() { transport_.commit(); }

  /// The next message of the only other rank, as it came; nothing on a fault. Without the release.
  std::optional<std::vector<T>> receive(std::uint32_t packs)
    requires(N == 2)
  {
    const transport::tile x{0, packs * pack};
    const auto theirs = transport_.receive(x);
    if (!theirs) return std::nullopt;
    std::vector<T> values(packs * pack);
    const auto keep = [&](std::size_t i, const T& value) { values[i] = value; };
    transport_.store_from(1 - context_.rank(), x, theirs, transport_.destination(x, keep));
    return values;
  }
  bool release() { return transport_.release(); }

 private:
  context_type context_;
  transport_type transport_;
};

/// What receive() gives for send(packs, base).
template <class Rank>
auto message(std::uint32_t packs, std::uint32_t base) {
  using T = typename Rank::element_type;
  std::vector<T> values(packs * Rank::pack);
  for (std::uint32_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(base + i);
  return values;
}

}  // namespace peerfold::test
