/// \file
/// Groups of transfers between ranks: what a grouped send_recv works on, laid out once and used as
/// often as wanted.
#pragma once

#include <peerfold/algorithm/route.hpp>
#include <peerfold/algorithm/segments.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/group_arguments.hpp>
#include <peerfold/team/group_tables.hpp>
#include <peerfold/team/team.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold {

/// One end of a transfer: elements that a rank sends to `peer` (Memory is const void) or receives
/// from there (void).
template <class Memory>
class transfer {
 public:
  template <element T>
    requires std::is_convertible_v<T*, Memory*>
  transfer(int peer, std::conditional_t<std::is_const_v<Memory>, const T, T>* data,
           element_count count, type_list<T>) noexcept
      : peer_{peer},
        data_{data},
        count_{count},
        element_bytes_{sizeof(T)},
        alignment_{alignof(T)},
        type_{type_number<T>()} {}

  [[nodiscard]] int peer() const noexcept { return peer_; }
  [[nodiscard]] Memory* data() const noexcept { return data_; }
  [[nodiscard]] element_count count() const noexcept { return count_; }
  [[nodiscard]] std::size_t element_bytes() const noexcept { return element_bytes_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return count_.value() * element_bytes_; }
  [[nodiscard]] std::size_t alignment() const noexcept { return alignment_; }

  /// Whether the other end takes it as it is: the same type and count.
  template <class Other>
  [[nodiscard]] bool matches(const transfer<Other>& other) const noexcept {
    return number(0) == other.number(0);
  }
  /// A number for all transfers between two ranks so far, from that of those before.
  [[nodiscard]] std::uint64_t number(std::uint64_t before) const noexcept {
    before = detail::spread(before + type_ + 1);
    before = detail::spread(before + element_bytes_);
    return detail::spread(before + count_.value() + 1);
  }

 private:
  int peer_;
  Memory* data_;
  element_count count_;
  std::size_t element_bytes_;
  std::size_t alignment_;
  std::uint32_t type_;
};

/// Sends `count` elements to rank `peer`, which may be the sending rank.
template <element T>
[[nodiscard]] transfer<const void> transfer_to(int peer, const T* data, element_count count) {
  return {peer, data, count, type_list<T>{}};
}
/// Receives `count` elements from rank `peer`.
template <element T>
[[nodiscard]] transfer<void> transfer_from(int peer, T* data, element_count count) {
  return {peer, data, count, type_list<T>{}};
}

/// What one rank sends and receives. Of two ranks, the i-th send of the one to the other is the
/// i-th receive of the other from the one: of the same type and count.
struct rank_transfers {
  std::vector<transfer<const void>> sends;
  std::vector<transfer<void>> receives;
};

namespace detail {

/// What one rank's kernel reads of a group. What it sends and what it receives are two streams of
/// bytes, in which the transfers of a pair of ranks follow each other.
template <int N>
struct transfer_table {
  static constexpr int words = 2 * N + 1;

  /// A number for the transfers to each rank, one for those from each, and the bytes of all to or
  /// from one rank, at most.
  std::uint64_t said[words];
  algorithm::unequal_route<N> route;
  algorithm::segment_table<std::uint8_t> sends;
  algorithm::segment_table<std::uint8_t> receives;
};

/// One direction of a rank's transfers, laid out.
template <int N>
struct transfer_stream {
  segment_layout<std::uint8_t> layout;
  std::array<std::size_t, N> bytes{};  ///< of each peer's part
  std::array<std::size_t, N> begin{};
  std::array<std::uint64_t, N> number{};  ///< for its transfers, in their order

  template <class Memory>
  explicit transfer_stream(const std::vector<transfer<Memory>>& transfers) {
    for (std::size_t q = 0; q < N; ++q) {
      layout.pad();
      begin[q] = layout.size();
      for (const transfer<Memory>& t : transfers) {
        if (t.peer() != static_cast<int>(q)) continue;
        number[q] = t.number(number[q]);
        if (t.bytes() == 0) continue;
        if constexpr (std::is_const_v<Memory>) {
          layout.add(t.bytes(), static_cast<const std::uint8_t*>(t.data()), nullptr);
        } else {
          layout.add(t.bytes(), nullptr, static_cast<std::uint8_t*>(t.data()));
        }
      }
      bytes[q] = layout.size() - begin[q];
    }
    layout.finish();
  }
};

}  // namespace detail

/// Transfers between the ranks of a team that are under way together, in one launch: none waits for
/// another, whatever their order. Calls only read the group, eagerly or in graphs, as often as
/// wanted, while it lives and the memory stays where it is. Movable; it may outlive the team. Of
/// teams whose rank count is known at compile time.
///
/// Construction allocates tables on the ranks' devices and fills them, destruction frees them; both
/// may wait for a device, so neither belongs between the calls of ranks that wait for each other,
/// nor into a capture: make all groups before the first call, destroy them when the last is over.
template <class Team>
class transfer_group {
  static constexpr int n = Team::size;
  static_assert(counts_ranks_early<n>, "groups of transfers need a rank count known early");
  /// Bytes between two ranks. Tiles have a pack at least, of 8 bytes, and are numbered in 31 bits.
  static constexpr std::size_t most_bytes = std::size_t{1} << 34;

 public:
  /// Of all ranks of a team. errc::invalid_argument for a rank that is none, a null or misaligned
  /// pointer, memory that is written and overlaps anything else, more than 16 GiB between two
  /// ranks, and for transfers that do not match at their two ends; errc::out_of_resources where
  /// there is no memory for tables, errc::team_empty if the team was moved from.
  [[nodiscard]] static outcome<transfer_group> make(
      Team& team, const std::array<rank_transfers, n>& transfers) {
    transfer_group group;
    error reason = group.fill(team, 0, transfers.data(), n, 0);
    if (!reason) reason = group.match(transfers);
    if (reason) return detail::refuse<transfer_group>(std::move(reason));
    return group;
  }
  /// Of one rank, for its own calls. Every rank makes one, of no transfers where it has none.
  /// `expected` is about the bytes of all transfers between the two ranks that have most for each
  /// other, by which calls are laid out, and on which ranks must agree; it is no limit. Whether
  /// transfers match the ranks find out in the call.
  [[nodiscard]] static outcome<transfer_group> make(const rank_handle<Team>& rank,
                                                    const rank_transfers& transfers,
                                                    element_count expected) {
    transfer_group group;
    if (error reason = group.fill(rank.team(), rank.rank(), &transfers, 1, expected)) {
      return detail::refuse<transfer_group>(std::move(reason));
    }
    return group;
  }

  transfer_group(transfer_group&& other) noexcept { *this = std::move(other); }
  transfer_group& operator=(transfer_group&& other) noexcept {
    owned_ = std::move(other.owned_);
    tables_ = std::exchange(other.tables_, {});
    expected_ = std::exchange(other.expected_, 0);
    largest_ = std::exchange(other.largest_, 0);
    matched_ = std::exchange(other.matched_, false);
    number_ = std::exchange(other.number_, 0);
    team_ = std::exchange(other.team_, 0);
    first_ = std::exchange(other.first_, 0);
    last_ = std::exchange(other.last_, 0);
    return *this;
  }
  ~transfer_group() = default;

  /// Bytes of all transfers between the two ranks that have most for each other, or about so many.
  [[nodiscard]] std::size_t expected() const noexcept { return expected_; }
  /// Whether it is known that all transfers match, and that no more comes than is expected.
  [[nodiscard]] bool matched() const noexcept { return matched_; }
  /// A number for all transfers, on which ranks must agree; 0 where they are not known.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// The id of the team it belongs to; 0 after a move.
  [[nodiscard]] std::uint64_t team_id() const noexcept { return team_; }
  /// Whether it has the transfers of rank r.
  [[nodiscard]] bool has_rank(int r) const noexcept { return r >= first_ && r < last_; }
  /// Those, in memory of rank r.
  [[nodiscard]] const detail::transfer_table<n>* table(int r) const noexcept {
    return tables_[static_cast<std::size_t>(r)];
  }

 private:
  transfer_group() = default;

  [[nodiscard]] error fill(Team& team, int first, const rank_transfers* transfers, int count,
                           element_count expected) {
    if (error reason = owned_.open(team.provider())) return reason;
    if (expected.negative() || expected.value() > most_bytes) {
      return detail::bad_argument(
          {"expected: ",
           (expected.negative() ? detail::text_of({static_cast<std::int64_t>(expected.value())})
                                : detail::text_of({expected.value()})),
           " bytes; between two ranks there are 0 to ", most_bytes});
    }
    expected_ = expected.value();
    first_ = first;
    last_ = first + count;
    std::vector<detail::memory_range> all;
    for (int r = first; r < last_; ++r) {
      const rank_transfers& own = transfers[r - first];
      const std::string name = detail::text_of({"rank ", r, ", "});
      if (error reason = check(own.sends, name + "sends", all)) return reason;
      if (error reason = check(own.receives, name + "receives", all)) return reason;
    }
    if (error reason = detail::check_apart(all, "a transfer needs memory of its own")) {
      return reason;
    }
    for (int r = first; r < last_; ++r) {
      if (error reason = put(r, transfers[r - first])) return reason;
    }
    team_ = team.id();
    return {};
  }

  /// The transfers of one direction.
  template <class Memory>
  [[nodiscard]] static error check(const std::vector<transfer<Memory>>& transfers,
                                   const std::string& list,
                                   std::vector<detail::memory_range>& all) {
    std::array<std::size_t, n> bytes{};  // to or from each rank
    for (std::size_t i = 0; i < transfers.size(); ++i) {
      const transfer<Memory>& t = transfers[i];
      const std::string name = detail::text_of({list, "[", i, "]"});
      if (t.peer() < 0 || t.peer() >= n) {
        return detail::bad_argument(
            {name, ".peer: ", t.peer(), "; this team has ranks 0 to ", n - 1});
      }
      const auto count = t.count().value();
      if (t.count().negative()) {
        return detail::bad_argument({name, ".count: ", static_cast<std::int64_t>(count),
                                     " elements; a count is not negative"});
      }
      if (count == 0) continue;
      std::size_t& all_bytes = bytes[static_cast<std::size_t>(t.peer())];
      if (count > most_bytes / t.element_bytes() || all_bytes + t.bytes() > most_bytes) {
        return detail::bad_argument({name, ".count: with ", count, " elements there are more than ",
                                     most_bytes, " bytes between two ranks; make several groups"});
      }
      all_bytes += t.bytes();
      if (error reason = detail::check_range(
              {reinterpret_cast<std::uintptr_t>(t.data()), 0, !std::is_const_v<Memory>, name},
              count, t.element_bytes(), t.alignment(), all)) {
        return reason;
      }
    }
    return {};
  }

  /// Lays the transfers of rank r out, and puts its table where it reaches it.
  [[nodiscard]] error put(int r, const rank_transfers& own) {
    const detail::transfer_stream<n> sends{own.sends};
    const detail::transfer_stream<n> receives{own.receives};
    const auto at = static_cast<std::size_t>(r);
    if (sends.number[at] != receives.number[at]) {
      return detail::bad_argument({"rank ", r,
                                   ": what it sends itself is not what it receives from itself; "
                                   "both need the same types and counts, in the same order"});
    }
    detail::transfer_table<n> table{};
    table.route.rank = r;
    std::size_t most = 0;
    for (std::size_t q = 0; q < n; ++q) {
      table.said[q] = sends.number[q];
      table.said[n + q] = receives.number[q];
      most = std::max({most, sends.bytes[q], receives.bytes[q]});
      table.route.sent[q] = sends.bytes[q];
      table.route.sent_at[q] = sends.begin[q];
      table.route.got[q] = receives.bytes[q];
      table.route.got_at[q] = receives.begin[q];
    }
    table.said[2 * n] = most;
    largest_ = std::max(largest_, most);

    // The table, the segments of both streams, their pages.
    detail::table_image image;
    const std::size_t start = image.append(&table, 1);
    const std::size_t sent = image.append(sends.layout.segments);
    const std::size_t sent_pages = image.append(sends.layout.pages);
    const std::size_t got = image.append(receives.layout.segments);
    const std::size_t got_pages = image.append(receives.layout.pages);
    std::byte* memory = nullptr;
    if (error reason = owned_.allocate(r, image.bytes().size(), "transfers", memory)) return reason;
    table.sends = detail::segments_at<std::uint8_t>(memory, sent, sent_pages);
    table.receives = detail::segments_at<std::uint8_t>(memory, got, got_pages);
    image.replace(start, table);
    if (error reason = owned_.write(r, memory, image, "transfers")) return reason;
    tables_[at] = reinterpret_cast<const detail::transfer_table<n>*>(memory + start);
    return {};
  }

  /// Whether what any rank sends any other is what that one receives.
  [[nodiscard]] error match(const std::array<rank_transfers, n>& all) {
    std::uint64_t hash = 0;
    for (int from = 0; from < n; ++from) {
      for (int to = 0; to < n; ++to) {
        const auto& sends = all[static_cast<std::size_t>(from)].sends;
        const auto& receives = all[static_cast<std::size_t>(to)].receives;
        const std::string pair = detail::text_of({"rank ", from, " to rank ", to, ": "});
        std::size_t i = 0;
        std::size_t k = 0;
        for (int number = 0;; ++number) {
          while (i < sends.size() && sends[i].peer() != to) ++i;
          while (k < receives.size() && receives[k].peer() != from) ++k;
          if (i == sends.size() && k == receives.size()) break;
          if (i == sends.size() || k == receives.size()) {
            return detail::bad_argument(
                {pair,
                 (k == receives.size() ? "more is sent than received; every send needs a receive"
                                       : "more is received than sent; every receive needs a "
                                         "send")});
          }
          const auto& sent = sends[i++];
          const auto& received = receives[k++];
          if (!sent.matches(received)) {
            const bool same_count = sent.count().value() == received.count().value();
            return detail::bad_argument({pair, "transfer ", number, " is sent as ",
                                         sent.count().value(), " elements and received as ",
                                         received.count().value(),
                                         (same_count ? " of another type" : ""),
                                         "; both ends need the same type and count"});
          }
          hash = sent.number(hash);
        }
        hash = detail::spread(hash + 1);
      }
    }
    expected_ = largest_;
    number_ = hash | 1;
    matched_ = true;
    return {};
  }

  detail::group_tables owned_;
  std::array<const detail::transfer_table<n>*, n> tables_{};
  std::size_t expected_ = 0;
  std::size_t largest_ = 0;  ///< of the parts that it has
  bool matched_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t team_ = 0;
  int first_ = 0;
  int last_ = 0;
};

/// transfer_group::make(), of all ranks or of one.
template <class Team>
[[nodiscard]] outcome<transfer_group<Team>> make_transfer_group(
    Team& team, const std::array<rank_transfers, Team::size>& transfers) {
  return transfer_group<Team>::make(team, transfers);
}
template <class Team>
[[nodiscard]] outcome<transfer_group<Team>> make_transfer_group(const rank_handle<Team>& rank,
                                                                const rank_transfers& transfers,
                                                                element_count expected) {
  return transfer_group<Team>::make(rank, transfers, expected);
}

}  // namespace peerfold
