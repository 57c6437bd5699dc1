/// \file
/// Routes: which elements go from which rank to which in one direct exchange. The collectives that
/// take a single step differ in nothing else.
///
/// Every rank has a part for each rank that it sends something of its own, or one part that it
/// sends to all; what arrives is stored in one place, or in a place a rank. Parts are all of one
/// size, or the route has count(from, to), the size of each.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::algorithm {

/// What an exchange asks of a route. Offsets are elements.
template <class R>
concept route = requires(const R& r, int from, int to) {
  requires stl::same_as<decltype(R::complete), const bool>;    // every rank sends to every rank
  requires stl::same_as<decltype(R::one_source), const bool>;  // the same part to all
  { r.sends(from, to) } -> stl::same_as<bool>;                 // anything but an empty message
  { r.source(to) } -> stl::same_as<size_t>;  // the first that `to` is sent, among the sender's
  { r.target(from, to) } -> stl::same_as<size_t>;  // where at `to` the first is that `from` sent
};

/// What rank `from` sends rank `to` of tile x, where it sends anything: all of it, or as much as is
/// in that part.
template <route Route>
[[nodiscard]] PEERFOLD_HD transport::tile sent_of(const Route& route, int from, int to,
                                                  const transport::tile& x) noexcept {
  if constexpr (requires { route.count(from, to); }) {
    const size_t count = route.count(from, to);
    const size_t left = count > x.begin ? count - x.begin : 0;
    return {x.begin, left < x.count ? static_cast<uint32_t>(left) : x.count};
  } else {
    return x;
  }
}

/// The route of a collective between all ranks; `part` elements a pair of ranks.
template <collective Which>
struct route_of {
  static constexpr collective which = Which;
  static constexpr bool rooted = is_rooted(Which);
  static constexpr bool complete =
      Which == collective::all_reduce || Which == collective::reduce_scatter ||
      Which == collective::all_gather || Which == collective::all_to_all;
  static constexpr bool one_source = parts_given(Which, 2) == 1;
  static constexpr bool one_target = parts_got(Which, 2) == 1;

  size_t part = 0;
  int root = 0;  ///< where there is one

  [[nodiscard]] PEERFOLD_HD bool sends(int from, int to) const noexcept {
    switch (Which) {
      case collective::broadcast:
      case collective::scatter: return from == root;
      case collective::reduce:
      case collective::gather: return to == root;
      case collective::inclusive_scan: return from <= to;
      case collective::exclusive_scan: return from < to;
      case collective::barrier: return false;
      default: return true;
    }
  }
  [[nodiscard]] PEERFOLD_HD size_t source(int to) const noexcept {
    return one_source ? 0 : static_cast<size_t>(to) * part;
  }
  [[nodiscard]] PEERFOLD_HD size_t target(int from, int /*to*/) const noexcept {
    return one_target ? 0 : static_cast<size_t>(from) * part;
  }
};

/// The route of one rank that sends to `to` and is sent something by `from`; -1: nobody. It holds
/// for this rank's own part of the exchange.
struct pair_route {
  static constexpr bool complete = false;
  static constexpr bool one_source = true;

  int rank = 0;
  int to = -1;
  int from = -1;

  [[nodiscard]] PEERFOLD_HD bool sends(int sender, int receiver) const noexcept {
    return sender == rank ? receiver == to : receiver == rank && sender == from;
  }
  [[nodiscard]] PEERFOLD_HD size_t source(int /*to*/) const noexcept { return 0; }
  [[nodiscard]] PEERFOLD_HD size_t target(int /*from*/, int /*to*/) const noexcept { return 0; }
};

/// The route of one rank of N where every pair has a part of its own size, or none; of an exchange
/// of as many tiles as the largest part takes. Sizes and offsets are elements.
template <int N>
struct unequal_route {
  static constexpr bool complete = false;
  static constexpr bool one_source = false;

  int rank = 0;
  size_t sent[N] = {};     ///< to rank q
  size_t sent_at[N] = {};  ///< where that begins
  size_t put_at[N] = {};   ///< where rank q stores it
  size_t got[N] = {};      ///< from rank q
  size_t got_at[N] = {};   ///< where that is stored

  [[nodiscard]] PEERFOLD_HD size_t count(int from, int to) const noexcept {
    return from == rank ? sent[to] : got[from];
  }
  [[nodiscard]] PEERFOLD_HD bool sends(int from, int to) const noexcept {
    return count(from, to) != 0;
  }
  [[nodiscard]] PEERFOLD_HD size_t source(int to) const noexcept { return sent_at[to]; }
  [[nodiscard]] PEERFOLD_HD size_t target(int from, int to) const noexcept {
    return to == rank ? got_at[from] : put_at[to];
  }
};

/// What rank q sends to rank `self` of tile x, or nothing. For receive_each().
template <route Route>
struct tile_sent {
  const Route& route;
  int self;
  transport::tile x;

  [[nodiscard]] PEERFOLD_HD transport::tile operator()(int q) const noexcept {
    return route.sends(q, self) ? sent_of(route, q, self, x) : transport::tile{};
  }
};

/// Whether rank `self` of so many has anything for another.
template <route Route>
[[nodiscard]] PEERFOLD_HD bool sends_any(const Route& route, int ranks, int self) noexcept {
  if constexpr (Route::complete) return true;
  bool any = false;
  for (int q = 0; q < ranks; ++q) any |= q != self && route.sends(self, q);
  return any;
}

}  // namespace peerfold::algorithm
