/// \file
/// Strided memory: matrices whose rows lie apart, as load and store functors for every collective
/// that takes functors, and as arguments of all_reduce.
///
///   pf::all_reduce(rank, pf::rows_of(gradient), pf::rows_of(out), pf::sum{});    // two mdspans
///   pf::transform_all_gather(rank, count, pf::load_rows{pf::rows_of(tokens)}, …);
///
/// Where rows and their distance are multiples of 16 bytes, all-reduce and reduce move whole packs;
/// collectives with a part for each rank move elements.
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace peerfold {

/// Rows of `columns` elements that lie together, each `stride` elements behind the last. Element i
/// is column i % columns of row i / columns. T may be const.
template <class T>
  requires element<std::remove_const_t<T>>
struct rows {
  T* data = nullptr;
  std::size_t count = 0;    ///< of rows
  std::size_t columns = 1;  ///< at least 1
  std::size_t stride = 1;   ///< at least `columns`

  /// Elements in all.
  [[nodiscard]] PEERFOLD_HD std::size_t size() const noexcept { return count * columns; }
  /// Elements from the first to the last, with what lies between rows.
  [[nodiscard]] PEERFOLD_HD std::size_t extent() const noexcept {
    return size() == 0 ? 0 : (count - 1) * stride + columns;
  }

  [[nodiscard]] PEERFOLD_HD T* at(std::size_t i) const noexcept {
    std::size_t row;
    if ((i | columns) >> 32 == 0) {  // most often; it takes a fifth of the time
      row = static_cast<uint32_t>(i) / static_cast<uint32_t>(columns);
    } else {
      row = i / columns;
    }
    return arch::element_at(data, row * (stride - columns) + i);
  }
  /// Whether packs at multiples of their size are aligned and within a row.
  template <class Pack>
  [[nodiscard]] PEERFOLD_HD bool takes_packs() const noexcept {
    return arch::takes_vectors<Pack>(data) && columns % Pack::size == 0 && stride % Pack::size == 0;
  }
};

/// The rows of a view with one or two dimensions, the last of which lies together: of
/// cuda::std::mdspan, std::mdspan or anything like them. A view of one dimension is one row; an
/// empty one has none. errc::invalid_argument for other strides.
template <class View>
  requires requires(const View& view) {
    view.data_handle();
    view.extent(0);
    view.stride(0);
    View::rank();
  }
[[nodiscard]] auto rows_of(const View& view) {
  static_assert(View::rank() == 1 || View::rank() == 2, "views of one or two dimensions have rows");
  using T = std::remove_reference_t<decltype(*view.data_handle())>;
  constexpr auto last = View::rank() - 1;
  const auto columns = static_cast<std::size_t>(view.extent(last));
  const std::size_t count = last == 0 ? 1 : static_cast<std::size_t>(view.extent(0));
  const std::size_t stride =
      last == 0 || count < 2 ? columns : static_cast<std::size_t>(view.stride(0));
  if (columns == 0 || count == 0) return outcome<rows<T>>{rows<T>{view.data_handle(), 0, 1, 1}};
  if (columns > 1 && view.stride(last) != 1) {
    return detail::refuse<rows<T>>(
        detail::bad_argument({"view: elements of a row are ", view.stride(last),
                              " apart; the last dimension has to lie together"}));
  }
  if (stride < columns) {
    return detail::refuse<rows<T>>(detail::bad_argument(
        {"view: rows of ", columns, " elements are ", stride, " apart; they may not overlap"}));
  }
  return outcome<rows<T>>{rows<T>{view.data_handle(), count, columns, stride}};
}

/// Load functor over rows.
template <class T>
struct load_rows {
  rows<T> from;

  PEERFOLD_HD std::remove_const_t<T> operator()(std::size_t i) const noexcept {
    return *from.at(i);
  }

  template <class Pack>
  struct packs {
    rows<T> from;
    std::size_t first;
    bool whole;

    PEERFOLD_HD bool aligned() const noexcept { return whole; }
    PEERFOLD_HD Pack load(std::size_t further) const noexcept {
      return arch::load_vector<Pack>(from.at(first + further));
    }
  };
  template <class Pack>
  PEERFOLD_HD packs<Pack> packs_at(std::size_t i) const noexcept {
    return {from, i, from.template takes_packs<Pack>()};
  }
};
template <class T>
load_rows(rows<T>) -> load_rows<T>;

/// Store functor over rows.
template <element T>
struct store_rows {
  rows<T> to;

  PEERFOLD_HD void operator()(std::size_t i, const T& value) const noexcept { *to.at(i) = value; }

  template <class Pack>
  PEERFOLD_HD bool aligned() const noexcept {
    return to.template takes_packs<Pack>();
  }
  template <class Pack>
  PEERFOLD_HD void store_pack(std::size_t i, const Pack& values) const noexcept {
    arch::store_vector(to.at(i), values);
  }
};
template <class T>
store_rows(rows<T>) -> store_rows<T>;

namespace detail {

/// Whether rows are some: of so many bytes a element.
template <class T>
[[nodiscard]] error check_rows(const std::string& name, const rows<T>& r) {
  constexpr std::size_t most = SIZE_MAX / 2 / sizeof(T);
  if (r.columns == 0 || (r.count > 1 && r.stride < r.columns)) {
    return bad_argument({name, ": rows of ", r.columns, " elements, ", r.stride,
                         " apart; they have one at least, and may not overlap"});
  }
  if (r.columns > most || (r.count > 1 && r.stride > (most - r.columns) / (r.count - 1))) {
    return bad_argument({name, ": ", r.count, " rows of ", r.columns, " elements, ", r.stride,
                         " apart, overflow the address space"});
  }
  return {};
}

/// What check_memory() asks, of the rows of ranks from `first` on.
template <class S, class T, std::size_t M>
struct parts_of_rows {
  int first;
  int ranks;
  const std::array<rows<S>, M>& in;
  const std::array<rows<T>, M>& out;

  [[nodiscard]] std::size_t place(int rank) const noexcept {
    return static_cast<std::size_t>(rank - first);
  }
  [[nodiscard]] std::size_t given(int rank) const noexcept { return in[place(rank)].extent(); }
  [[nodiscard]] std::size_t got(int rank) const noexcept { return out[place(rank)].extent(); }
  template <class U>
  [[nodiscard]] bool in_place(int rank, const U* from, const U* to) const noexcept {
    const auto& a = in[place(rank)];
    const auto& b = out[place(rank)];
    return from == to && a.columns == b.columns && a.stride == b.stride;
  }
  static constexpr const char* in_place_form = "let them coincide, in the same shape (in place),";
};

/// All that an all-reduce checks of the rows of ranks [first, first + M).
template <class Team, class S, class T, std::size_t M>
[[nodiscard]] error check_all_rows(const Team& team, int first, const std::array<rows<S>, M>& in,
                                   const std::array<rows<T>, M>& out, const call_options& options) {
  if (error reason = check_call(team, 0, sizeof(T), options)) return reason;
  std::array<const T*, M> from{};
  std::array<T*, M> to{};
  for (int r = first; r < end_of<M>(team, first); ++r) {
    const auto i = static_cast<std::size_t>(r - first);
    const auto name = [i](const char* which) {
      return M == 1 ? std::string{which} : text_of({which, "[", i, "]"});
    };
    if (error reason = check_rows(name("in"), in[i])) return reason;
    if (error reason = check_rows(name("out"), out[i])) return reason;
    for (const bool is_out : {false, true}) {
      const std::size_t size = is_out ? out[i].size() : in[i].size();
      if (size == in[0].size()) continue;
      return bad_argument({name(is_out ? "out" : "in"), ": ", size, " elements, where ",
                           (M == 1 ? "in" : "in[0]"), " has ", in[0].size(),
                           "; they must be equal"});
    }
    from[i] = in[i].data;
    to[i] = out[i].data;
  }
  const parts_of_rows<S, T, M> parts{first, team.rank_count(), in, out};
  return check_memory<T, static_cast<int>(M)>(parts, first, from, to);
}

}  // namespace detail

/// One rank's part of an all-reduce (all_reduce.hpp) over rows: as many elements in `in` as in
/// `out`, taken row by row, in whatever shapes; in place where both are the same. What is
/// written is apart from all else, with the gaps between its rows.
template <class Policies = automatic_policies, class Team, class S, element T, class Op>
  requires std::same_as<std::remove_const_t<S>, T>
outcome<> all_reduce(const rank_handle<Team>& rank, const rows<S>& in, const rows<T>& out,
                     const Op& op, const call_options& options = {}) {
  const std::array<rows<S>, 1> from{in};
  const std::array<rows<T>, 1> to{out};
  if (error reason = detail::check_all_rows(rank.team(), rank.rank(), from, to, options)) {
    return detail::refuse(std::move(reason));
  }
  return transform_all_reduce<Policies>(rank, in.size(), load_rows<S>{in}, op,
                                        detail::finish_for<Op, T>(rank.team()), store_rows<T>{out},
                                        options);
}

/// All ranks of the team at once: in[r] and out[r] of every rank r, all with as many elements.
template <class Policies = automatic_policies, class Team, class S, element T, class Op>
  requires std::same_as<std::remove_const_t<S>, T>
outcome<> all_reduce(Team& team, const std::array<rows<S>, Team::size>& in,
                     const std::array<rows<T>, Team::size>& out, const Op& op,
                     const call_options& options = {}) {
  if (error reason = detail::check_all_rows(team, 0, in, out, options)) {
    return detail::refuse(std::move(reason));
  }
  std::array<load_rows<S>, Team::size> loads;
  std::array<store_rows<T>, Team::size> stores;
  for (std::size_t r = 0; r < Team::size; ++r) {
    loads[r].from = in[r];
    stores[r].to = out[r];
  }
  return transform_all_reduce<Policies>(team, in[0].size(), loads, op,
                                        detail::finish_for<Op, T>(team), stores, options);
}

}  // namespace peerfold
