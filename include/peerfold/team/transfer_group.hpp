/// \file
/// Groups of messages between ranks: what a grouped send_recv works on, laid out once and used as
/// often as wanted.
#pragma once

#include <peerfold/algorithm/route.hpp>
#include <peerfold/algorithm/segments.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/memory/provider.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/group_arguments.hpp>
#include <peerfold/team/team.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold {

/// One message of a rank: elements that it sends to `peer`, or gets from there.
template <class Memory>
struct message {
  int peer;
  Memory* data;
  element_count count;
  std::size_t element_bytes;
  std::size_t alignment;
  std::uint32_t type;  ///< type_number() of the elements
};

/// `count` elements for rank `peer`, which may be the sending rank.
template <element T>
[[nodiscard]] message<const void> message_to(int peer, const T* data, element_count count) {
  return {peer, data, count, sizeof(T), alignof(T), type_number<T>()};
}
/// Room for `count` elements from rank `peer`.
template <element T>
[[nodiscard]] message<void> message_from(int peer, T* data, element_count count) {
  return {peer, data, count, sizeof(T), alignof(T), type_number<T>()};
}

/// What one rank sends and gets. Between two ranks, the i-th message that the one sends is the i-th
/// that the other gets: of the same type and count.
struct rank_messages {
  std::vector<message<const void>> sends;
  std::vector<message<void>> gets;
};

namespace detail {

/// What one rank's kernel reads of a group. What it sends and what it gets are two streams of
/// bytes, in which the messages of a pair of ranks follow each other.
template <int N>
struct transfer_table {
  static constexpr int words = 2 * N + 1;

  /// A number for the messages to each rank, one for those from each, and the bytes of all to or
  /// from one rank, at most.
  std::uint64_t said[words];
  algorithm::unequal_route<N> route;
  algorithm::segment_table<std::uint8_t> sends;
  algorithm::segment_table<std::uint8_t> gets;
};

/// One direction of a rank's messages, laid out.
template <int N>
struct message_stream {
  std::vector<algorithm::segment<std::uint8_t>> segments;
  std::vector<std::uint32_t> pages;
  std::array<std::size_t, N> bytes{};  ///< of each peer's part
  std::array<std::size_t, N> begin{};
  std::array<std::uint64_t, N> number{};  ///< for its messages, in their order

  template <class Memory>
  explicit message_stream(const std::vector<message<Memory>>& messages) {
    using table = algorithm::segment_table<std::uint8_t>;
    constexpr std::size_t grain = algorithm::segment_grain<std::uint8_t>;
    const auto even = [](std::size_t at) { return (at + grain - 1) / grain * grain; };
    std::size_t end = 0;
    for (std::size_t q = 0; q < N; ++q) {
      begin[q] = end = even(end);
      for (const message<Memory>& m : messages) {
        if (m.peer != static_cast<int>(q)) continue;
        number[q] = spread(number[q] + m.type + 1);
        number[q] = spread(number[q] + m.count.value() + 1);
        const std::size_t size = m.count.value() * m.element_bytes;
        if (size == 0) continue;
        end = even(end);
        segments.push_back({end, size, nullptr, nullptr});
        if constexpr (std::is_const_v<Memory>) {
          segments.back().in = static_cast<const std::uint8_t*>(m.data);
        } else {
          segments.back().out = static_cast<std::uint8_t*>(m.data);
        }
        end += size;
      }
      bytes[q] = end - begin[q];
    }
    segments.push_back({end, 1, nullptr, nullptr});  // behind all
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < end; i += table::page) {
      while (segments[at + 1].begin <= i) ++at;
      pages.push_back(at);
    }
  }
};

}  // namespace detail

/// Messages between the ranks of a team that are under way together, in one launch: none waits for
/// another, whatever their order. Construction allocates tables on the ranks' devices and fills
/// them, so it is no part of a stream; calls only read them, eagerly or in graphs, as often as
/// wanted, while the group lives and the memory stays where it is. Movable; it may outlive the
/// team. Of teams whose rank count is known at compile time.
template <class Team>
class transfer_group {
  static constexpr int n = Team::size;
  static_assert(counts_ranks_early<n>, "groups of messages need a rank count known early");

 public:
  /// Of all ranks of a team. errc::invalid_argument for a rank that is none, a null or misaligned
  /// pointer, memory that is written and overlaps anything else, and for messages that do not match
  /// at their two ends; errc::out_of_resources where there is no memory for tables,
  /// errc::team_empty if the team was moved from.
  [[nodiscard]] static outcome<transfer_group> make(Team& team,
                                                    const std::array<rank_messages, n>& messages) {
    transfer_group group;
    error reason = group.fill(team, 0, messages.data(), n, 0);
    if (!reason) reason = group.match(messages);
    if (reason) return detail::refuse<transfer_group>(std::move(reason));
    return group;
  }
  /// Of one rank, for its own calls. Every rank makes one, of no messages where it has none.
  /// `expected` is about the bytes of all messages between the two ranks that have most for each
  /// other, by which calls are laid out, and on which ranks must agree; it is no limit. Whether
  /// messages match the ranks find out in the call.
  [[nodiscard]] static outcome<transfer_group> make(const rank_handle<Team>& rank,
                                                    const rank_messages& messages,
                                                    std::size_t expected) {
    transfer_group group;
    if (error reason = group.fill(rank.team(), rank.rank(), &messages, 1, expected)) {
      return detail::refuse<transfer_group>(std::move(reason));
    }
    return group;
  }

  transfer_group(transfer_group&& other) noexcept { swap(other); }
  transfer_group& operator=(transfer_group&& other) noexcept {
    transfer_group taken{std::move(other)};
    swap(taken);
    return *this;
  }
  ~transfer_group() {
    for (const auto& [rank, memory] : memory_) provider_->deallocate(rank, memory);
  }

  /// Bytes of all messages between the two ranks that have most for each other, or about so many.
  [[nodiscard]] std::size_t expected() const noexcept { return expected_; }
  /// Whether it is known that all messages match, and that none is larger than expected.
  [[nodiscard]] bool matched() const noexcept { return matched_; }
  /// A number for all messages, on which ranks must agree; 0 where they are not known.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// The id of the team it belongs to; 0 after a move.
  [[nodiscard]] std::uint64_t team_id() const noexcept { return team_; }
  /// Whether it has the messages of rank r.
  [[nodiscard]] bool has_rank(int r) const noexcept { return r >= first_ && r < last_; }
  /// Those, in memory of rank r.
  [[nodiscard]] const detail::transfer_table<n>* table(int r) const noexcept {
    return tables_[static_cast<std::size_t>(r)];
  }

 private:
  transfer_group() = default;

  void swap(transfer_group& other) noexcept {
    std::swap(provider_, other.provider_);
    std::swap(memory_, other.memory_);
    std::swap(tables_, other.tables_);
    std::swap(expected_, other.expected_);
    std::swap(largest_, other.largest_);
    std::swap(matched_, other.matched_);
    std::swap(number_, other.number_);
    std::swap(team_, other.team_);
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
  }

  [[nodiscard]] error fill(Team& team, int first, const rank_messages* messages, int count,
                           std::size_t expected) {
    provider_ = team.provider();
    if (provider_ == nullptr) {
      return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
    }
    expected_ = expected;
    first_ = first;
    last_ = first + count;
    for (int r = first; r < last_; ++r) {
      const rank_messages& own = messages[r - first];
      const std::string name = "rank " + std::to_string(r) + ", ";
      std::vector<detail::memory_range> all;
      error reason = check(own.sends, name + "sends[", all);
      if (!reason) reason = check(own.gets, name + "gets[", all);
      if (!reason) reason = detail::check_apart(all, "a message needs memory of its own");
      if (!reason) reason = put(r, own);
      if (reason) return reason;
    }
    team_ = team.id();
    return {};
  }

  /// The messages of one direction.
  template <class Memory>
  [[nodiscard]] static error check(const std::vector<message<Memory>>& messages,
                                   const std::string& prefix,
                                   std::vector<detail::memory_range>& all) {
    constexpr std::size_t most = std::size_t{1} << 48;  // bytes, as tables are to be made of it
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const message<Memory>& m = messages[i];
      const std::string name = prefix + std::to_string(i) + ']';
      if (m.peer < 0 || m.peer >= n) {
        return detail::bad_argument(name + ".peer: " + std::to_string(m.peer) +
                                    "; this team has ranks 0 to " + std::to_string(n - 1));
      }
      const auto count = m.count.value();
      if (m.count.negative()) {
        return detail::bad_argument(name +
                                    ".count: " + std::to_string(static_cast<std::int64_t>(count)) +
                                    " elements; a count is not negative");
      }
      if (count == 0) continue;
      if (count > most / m.element_bytes) {
        return detail::bad_argument(name + ".count: " + std::to_string(count) +
                                    " elements overflow the address space");
      }
      if (m.data == nullptr) {
        return detail::bad_argument(name + ".data: null; pass memory of " + std::to_string(count) +
                                    " elements");
      }
      const auto begin = reinterpret_cast<std::uintptr_t>(m.data);
      if (begin % m.alignment != 0) {
        return detail::bad_argument(name + ".data: " + detail::address_of(m.data) +
                                    " is not aligned; elements of " +
                                    std::to_string(m.element_bytes) + " bytes need a multiple of " +
                                    std::to_string(m.alignment));
      }
      all.push_back({begin, begin + count * m.element_bytes, !std::is_const_v<Memory>, name});
    }
    return {};
  }

  /// Lays the messages of rank r out, and puts its table where it reaches it.
  [[nodiscard]] error put(int r, const rank_messages& own) {
    using segment = algorithm::segment<std::uint8_t>;
    const detail::message_stream<n> sends{own.sends};
    const detail::message_stream<n> gets{own.gets};
    const auto at = static_cast<std::size_t>(r);
    if (sends.number[at] != gets.number[at]) {
      return detail::bad_argument("rank " + std::to_string(r) +
                                  ": the messages to itself are not those from itself; each "
                                  "needs a get of the same type and count, in the same order");
    }
    detail::transfer_table<n> table{};
    table.route.rank = r;
    std::size_t most = 0;
    for (std::size_t q = 0; q < n; ++q) {
      table.said[q] = sends.number[q];
      table.said[n + q] = gets.number[q];
      most = std::max({most, sends.bytes[q], gets.bytes[q]});
      table.route.sent[q] = sends.bytes[q];
      table.route.sent_at[q] = sends.begin[q];
      table.route.got[q] = gets.bytes[q];
      table.route.got_at[q] = gets.begin[q];
    }
    table.said[2 * n] = most;
    largest_ = std::max(largest_, most);

    // The table, the segments of both streams, their pages.
    std::vector<std::byte> image(sizeof(table));
    const auto append = [&](const auto& values) {
      const std::size_t begin = (image.size() + 15) / 16 * 16;
      image.resize(begin + values.size() * sizeof(values[0]));
      if (!values.empty()) {
        std::memcpy(image.data() + begin, values.data(), values.size() * sizeof(values[0]));
      }
      return begin;
    };
    const std::size_t sent = append(sends.segments);
    const std::size_t sent_pages = append(sends.pages);
    const std::size_t got = append(gets.segments);
    const std::size_t got_pages = append(gets.pages);
    memory_.reserve(memory_.size() + 1);  // what throws, throws before
    auto* memory = static_cast<std::byte*>(provider_->allocate(r, image.size()));
    if (memory == nullptr) {
      return {errc::out_of_resources, "messages: no memory for tables of " +
                                          std::to_string(image.size()) + " bytes on rank " +
                                          std::to_string(r)};
    }
    memory_.emplace_back(r, memory);
    const auto table_at = [&](std::size_t segments, std::size_t pages) {
      return algorithm::segment_table<std::uint8_t>{
          reinterpret_cast<const segment*>(memory + segments),
          reinterpret_cast<const std::uint32_t*>(memory + pages)};
    };
    table.sends = table_at(sent, sent_pages);
    table.gets = table_at(got, got_pages);
    std::memcpy(image.data(), &table, sizeof(table));
    if (!provider_->write(r, memory, image.data(), image.size())) {
      return {errc::cuda_failure,
              "messages: the tables of rank " + std::to_string(r) + " could not be written"};
    }
    tables_[at] = reinterpret_cast<const detail::transfer_table<n>*>(memory);
    return {};
  }

  /// Whether what any rank sends any other is what that one gets.
  [[nodiscard]] error match(const std::array<rank_messages, n>& all) {
    std::uint64_t hash = 0;
    for (int from = 0; from < n; ++from) {
      for (int to = 0; to < n; ++to) {
        const auto& sends = all[static_cast<std::size_t>(from)].sends;
        const auto& gets = all[static_cast<std::size_t>(to)].gets;
        const std::string pair =
            "rank " + std::to_string(from) + " to rank " + std::to_string(to) + ": ";
        std::size_t i = 0;
        std::size_t k = 0;
        for (int number = 0;; ++number) {
          while (i < sends.size() && sends[i].peer != to) ++i;
          while (k < gets.size() && gets[k].peer != from) ++k;
          if (i == sends.size() && k == gets.size()) break;
          if (i == sends.size() || k == gets.size()) {
            return detail::bad_argument(pair +
                                        (k == gets.size() ? "more messages are sent than got"
                                                          : "more messages are got than "
                                                            "sent") +
                                        "; each needs both ends");
          }
          const auto& sent = sends[i++];
          const auto& got = gets[k++];
          if (sent.type != got.type || sent.count.value() != got.count.value()) {
            return detail::bad_argument(pair + "message " + std::to_string(number) +
                                        " is sent as " + std::to_string(sent.count.value()) +
                                        " elements and got as " +
                                        std::to_string(got.count.value()) +
                                        (sent.type == got.type ? "" : ", of another type") +
                                        "; both ends need the same type and count");
          }
          hash = detail::spread(hash + sent.type);
          hash = detail::spread(hash + sent.count.value() + 1);
        }
        hash = detail::spread(hash + 1);
      }
    }
    expected_ = largest_;
    number_ = hash | 1;
    matched_ = true;
    return {};
  }

  std::shared_ptr<memory::provider> provider_;
  std::vector<std::pair<int, void*>> memory_;  ///< of the tables, by rank
  std::array<const detail::transfer_table<n>*, n> tables_{};
  std::size_t expected_ = 0;
  std::size_t largest_ = 0;  ///< of the messages that it has
  bool matched_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t team_ = 0;
  int first_ = 0;
  int last_ = 0;
};

/// transfer_group::make(), of all ranks or of one.
template <class Team>
[[nodiscard]] outcome<transfer_group<Team>> make_transfer_group(
    Team& team, const std::array<rank_messages, Team::size>& messages) {
  return transfer_group<Team>::make(team, messages);
}
template <class Team>
[[nodiscard]] outcome<transfer_group<Team>> make_transfer_group(const rank_handle<Team>& rank,
                                                                const rank_messages& messages,
                                                                std::size_t expected) {
  return transfer_group<Team>::make(rank, messages, expected);
}

}  // namespace peerfold
