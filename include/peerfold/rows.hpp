/// \file
/// Strided memory: matrices whose rows lie apart, as load and store functors for every collective
/// that takes functors, and as arguments of all_reduce.
///
///   pf::all_reduce(rank, pf::rows_of(gradient), pf::rows_of(out), pf::sum{});    // two mdspans
///   pf::transform_all_gather(rank, count, pf::load_rows{pf::rows_of(tokens)}, …);
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
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
        detail::bad_argument("view: elements of a row are " + std::to_string(view.stride(last)) +
                             " apart; the last dimension has to lie together"));
  }
  if (stride < columns) {
    return detail::refuse<rows<T>>(detail::bad_argument("view: rows of " + std::to_string(columns) +
                                                        " elements are " + std::to_string(stride) +
                                                        " apart; they may not overlap"));
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

/// What check_memory() asks, of the ranks' rows.
struct parts_of_rows {
  std::size_t in;   ///< from the first element to the last
  std::size_t out;  ///< likewise
  bool alike;       ///< whether in and out have the same shape
  int ranks;

  [[nodiscard]] std::size_t given(int /*rank*/) const noexcept { return in; }
  [[nodiscard]] std::size_t got(int /*rank*/) const noexcept { return out; }
  template <class T>
  [[nodiscard]] bool in_place(int /*rank*/, const T* from, const T* to) const noexcept {
    return alike && from == to;
  }
  static constexpr const char* in_place_form = "let them coincide, in the same shape (in place),";
};

}  // namespace detail

/// One rank's part of an all-reduce (all_reduce.hpp) over rows: as many elements in `in` as in
/// `out`, taken row by row, in whatever shapes; in place where both are the same.
template <class Policies = every_policy, class Team, class S, element T, class Op>
  requires std::same_as<std::remove_const_t<S>, T>
outcome<> all_reduce(const rank_handle<Team>& rank, const rows<S>& in, const rows<T>& out,
                     const Op& op, const call_options& options = {}) {
  const element_count count = in.size();
  if (error reason = detail::check_call(rank.team(), in.extent(), sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  if (in.size() != out.size()) {
    return detail::refuse(detail::bad_argument("out: " + std::to_string(out.size()) +
                                               " elements for an input of " +
                                               std::to_string(in.size()) + "; they must be equal"));
  }
  const detail::parts_of_rows parts{in.extent(), out.extent(),
                                    in.columns == out.columns && in.stride == out.stride,
                                    rank.team().rank_count()};
  if (error reason = detail::check_memory<T, 1>(parts, rank.rank(), {in.data}, {out.data})) {
    return detail::refuse(std::move(reason));
  }
  return transform_all_reduce<Policies>(rank, count, load_rows<S>{in}, op,
                                        detail::finish_for<Op, T>(rank.team()), store_rows<T>{out},
                                        options);
}

/// All ranks of the team at once: in[r] and out[r] of every rank r, all with as many elements.
template <class Policies = every_policy, class Team, class S, element T, class Op>
  requires std::same_as<std::remove_const_t<S>, T>
outcome<> all_reduce(Team& team, const std::array<rows<S>, Team::size>& in,
                     const std::array<rows<T>, Team::size>& out, const Op& op,
                     const call_options& options = {}) {
  const element_count count = in[0].size();
  std::array<load_rows<S>, Team::size> loads;
  std::array<store_rows<T>, Team::size> stores;
  for (std::size_t r = 0; r < Team::size; ++r) {
    loads[r].from = in[r];
    stores[r].to = out[r];
    if (static_cast<int>(r) >= team.rank_count()) continue;
    const auto of_rank = [r](const char* name) {
      return std::string{name} + '[' + std::to_string(r) + ']';
    };
    if (error reason = detail::check_call(team, in[r].extent(), sizeof(T), options)) {
      return detail::refuse(std::move(reason));
    }
    for (const bool is_out : {false, true}) {
      const std::size_t size = is_out ? out[r].size() : in[r].size();
      if (size == count.value()) continue;
      return detail::refuse(detail::bad_argument(
          of_rank(is_out ? "out" : "in") + ": " + std::to_string(size) +
          " elements, where in[0] has " + std::to_string(count.value()) + "; they must be equal"));
    }
    const detail::parts_of_rows parts{
        in[r].extent(), out[r].extent(),
        in[r].columns == out[r].columns && in[r].stride == out[r].stride, team.rank_count()};
    if (error reason =
            detail::check_memory<T, 1>(parts, static_cast<int>(r), {in[r].data}, {out[r].data})) {
      return detail::refuse(std::move(reason));
    }
  }
  return transform_all_reduce<Policies>(team, count, loads, op, detail::finish_for<Op, T>(team),
                                        stores, options);
}

}  // namespace peerfold
