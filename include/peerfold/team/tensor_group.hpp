/// \file
/// Groups of tensors: what a grouped call works on, laid out once and used as often as wanted.
#pragma once

#include <peerfold/algorithm/segments.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/group_arguments.hpp>
#include <peerfold/team/group_tables.hpp>
#include <peerfold/team/team.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace peerfold {

/// A tensor of M ranks: `count` elements at in[r] and at out[r] of each, in memory that the rank
/// reaches, aligned to the element; in place where the two are the same.
template <element T, int M>
struct tensor {
  std::array<const T*, M> in;
  std::array<T*, M> out;
  std::size_t count = 0;
};

namespace detail {

/// The tensors of one type in a group.
template <element T, int N>
struct grouped {
  using element_type = T;

  std::size_t count = 0;  ///< elements of the message that they make
  std::array<algorithm::segment_table<T>, N> tables{};
};

}  // namespace detail

/// Tensors of element types Ts that are reduced together, in one launch: as many lists as types, in
/// the order in which the messages are made. All ranks pass tensors of the same sizes in the same
/// order. Calls only read the group, eagerly or in graphs, as often as wanted, while it lives and
/// the tensors stay where they are. Movable; it may outlive the team.
///
/// Construction allocates tables on the ranks' devices and fills them, destruction frees them; both
/// may wait for a device, so neither belongs between the calls of ranks that wait for each other,
/// nor into a capture: make all groups before the first call, destroy them when the last is over.
template <class Team, element... Ts>
class tensor_group {
 public:
  static constexpr std::size_t types = sizeof...(Ts);
  template <std::size_t I>
  using element_at = std::tuple_element_t<I, std::tuple<Ts...>>;

  /// Of all ranks of a team. errc::invalid_argument for a null or misaligned pointer and for
  /// outputs that overlap anything but the same tensor's input, errc::out_of_resources where there
  /// is no memory for tables, errc::team_empty if the team was moved from.
  [[nodiscard]] static outcome<tensor_group> make(
      Team& team, std::span<const tensor<Ts, Team::size>>... lists) {
    tensor_group group;
    if (error reason = group.fill(team, 0, lists...)) {
      return detail::refuse<tensor_group>(std::move(reason));
    }
    return group;
  }
  /// Of one rank, for its own calls.
  [[nodiscard]] static outcome<tensor_group> make(const rank_handle<Team>& rank,
                                                  std::span<const tensor<Ts, 1>>... lists) {
    tensor_group group;
    if (error reason = group.fill(rank.team(), rank.rank(), lists...)) {
      return detail::refuse<tensor_group>(std::move(reason));
    }
    return group;
  }

  tensor_group(tensor_group&& other) noexcept { *this = std::move(other); }
  tensor_group& operator=(tensor_group&& other) noexcept {
    tables_ = std::move(other.tables_);
    parts_ = std::exchange(other.parts_, {});
    bytes_ = std::exchange(other.bytes_, 0);
    number_ = std::exchange(other.number_, 0);
    team_ = std::exchange(other.team_, 0);
    first_ = std::exchange(other.first_, 0);
    last_ = std::exchange(other.last_, 0);
    return *this;
  }
  ~tensor_group() = default;

  /// Bytes of all tensors of a rank.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// A number for the tensors' sizes, on which ranks must agree.
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  /// The id of the team it belongs to; 0 after a move.
  [[nodiscard]] std::uint64_t team_id() const noexcept { return team_; }
  /// Whether it has the tensors of rank r.
  [[nodiscard]] bool has_rank(int r) const noexcept { return r >= first_ && r < last_; }
  /// Those of type number I.
  template <std::size_t I>
  [[nodiscard]] const auto& part() const noexcept {
    return std::get<I>(parts_);
  }

 private:
  tensor_group() = default;

  template <int M>
  [[nodiscard]] error fill(Team& team, int first, std::span<const tensor<Ts, M>>... lists) {
    if (error reason = tables_.open(team.provider())) return reason;
    first_ = first;
    last_ = detail::end_of<std::size_t{M}>(team, first);
    std::vector<detail::memory_range> all;
    for (int r = first_; r < last_; ++r) {
      std::size_t list = 0;
      error reason;
      ((reason = reason ? std::move(reason) : check_list(lists, r - first, r, list++, all)), ...);
      if (reason) return reason;
    }
    if (error reason = detail::check_apart(
            all, "a tensor is in place with itself only, on the same rank, or apart")) {
      return reason;
    }
    std::uint64_t hash = 0;
    const auto fill_all = [&]<std::size_t... I>(std::index_sequence<I...>) {
      error reason;
      ((reason = reason ? std::move(reason) : fill_part(std::get<I>(parts_), lists, hash)), ...);
      return reason;
    };
    if (error reason = fill_all(std::index_sequence_for<Ts...>{})) return reason;
    number_ = parts_table_of(parts_kind::tensors, hash);
    team_ = team.id();
    return {};
  }

  /// The memory of list `number` on rank `rank`, at place `at` of its tensors.
  template <element T, int M>
  [[nodiscard]] static error check_list(std::span<const tensor<T, M>> list, int at, int rank,
                                        std::size_t number,
                                        std::vector<detail::memory_range>& all) {
    constexpr std::size_t most = std::size_t{1} << 37;  // bytes, as tables are made of them
    const auto place = static_cast<std::size_t>(at);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const tensor<T, M>& t = list[i];
      if (t.count == 0) continue;
      const auto name = [&](const char* which) {
        return detail::text_of({"rank ", rank, ", ", which, " of tensor ", i, " in list ", number});
      };
      if (t.count > most / sizeof(T) || bytes + t.count * sizeof(T) > most) {
        return detail::bad_argument({name("in"), ": with ", t.count,
                                     " elements the list has more than ", most,
                                     " bytes; make several groups"});
      }
      bytes += t.count * sizeof(T);
      const auto check = [&](const void* memory, bool written) {
        return detail::check_range(
            {reinterpret_cast<std::uintptr_t>(memory), 0, written, name(written ? "out" : "in")},
            t.count, sizeof(T), alignof(T), all);
      };
      if (t.in[place] != t.out[place]) {
        if (error reason = check(t.in[place], false)) return reason;
      }
      if (error reason = check(t.out[place], true)) return reason;
    }
    return {};
  }

  /// Lays the tensors of a list out as a message, and puts the tables of ranks first_ … last_ - 1
  /// where those reach them.
  template <element T, int M>
  [[nodiscard]] error fill_part(detail::grouped<T, Team::size>& part,
                                std::span<const tensor<T, M>> list, std::uint64_t& hash) {
    detail::segment_layout<T> layout;
    std::vector<std::size_t> numbers;  // of tensors that are not empty
    hash = detail::spread(hash + list.size() + 1);
    for (std::size_t i = 0; i < list.size(); ++i) {
      hash = detail::spread(hash + list[i].count + 1);
      if (list[i].count == 0) continue;
      layout.add(list[i].count, nullptr, nullptr);
      numbers.push_back(i);
      bytes_ += list[i].count * sizeof(T);
    }
    layout.finish();
    part.count = layout.size();
    for (int r = first_; r < last_; ++r) {
      for (std::size_t s = 0; s < numbers.size(); ++s) {
        const tensor<T, M>& t = list[numbers[s]];
        layout.segments[s].in = t.in[static_cast<std::size_t>(r - first_)];
        layout.segments[s].out = t.out[static_cast<std::size_t>(r - first_)];
      }
      detail::table_image image;
      const std::size_t segments = image.append(layout.segments);
      const std::size_t pages = image.append(layout.pages);
      std::byte* table = nullptr;
      if (error reason = tables_.allocate(r, image.bytes().size(), "lists", table)) return reason;
      if (error reason = tables_.write(r, table, image, "lists")) return reason;
      part.tables[static_cast<std::size_t>(r)] = detail::segments_at<T>(table, segments, pages);
    }
    return {};
  }

  detail::group_tables tables_;
  std::tuple<detail::grouped<Ts, Team::size>...> parts_;
  std::size_t bytes_ = 0;
  std::uint32_t number_ = 0;
  std::uint64_t team_ = 0;
  int first_ = 0;
  int last_ = 0;
};

/// tensor_group::make() for lists whose types say what the group holds: of all ranks, or of one.
template <class Team, element... Ts>
[[nodiscard]] outcome<tensor_group<Team, Ts...>> make_tensor_group(
    Team& team, const std::vector<tensor<Ts, Team::size>>&... lists) {
  return tensor_group<Team, Ts...>::make(team, lists...);
}
template <class Team, element... Ts>
[[nodiscard]] outcome<tensor_group<Team, Ts...>> make_tensor_group(
    const rank_handle<Team>& rank, const std::vector<tensor<Ts, 1>>&... lists) {
  return tensor_group<Team, Ts...>::make(rank, lists...);
}

}  // namespace peerfold
