/// \file
/// All-to-all where a rank knows only how much it sends: the ranks tell each other first, by
/// packets, then exchange parts of that size.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::algorithm {

/// How many elements every rank sends every other, and the route of one rank that follows, its
/// parts one behind the other.
template <int N>
struct heard_counts {
  uint64_t of[N][N];  ///< [from][to]
  unequal_route<N> route;
  uint64_t most;   ///< the largest
  bool overflows;  ///< whether this rank gets more than it has room for

  /// To be called by one lane of a rank with room for `capacity` elements.
  PEERFOLD_HD void make_route(int rank, uint64_t capacity) noexcept {
    route.rank = rank;
    most = 0;
    overflows = false;
    size_t sent_at = 0;
    size_t got_at = 0;
    PEERFOLD_NO_UNROLL
    for (int q = 0; q < N; ++q) {
      route.sent[q] = of[rank][q];
      route.sent_at[q] = sent_at;
      sent_at += of[rank][q];
      route.got[q] = of[q][rank];
      route.got_at[q] = got_at;
      overflows = overflows || of[q][rank] > capacity - got_at;  // sums may wrap
      if (!overflows) got_at += of[q][rank];
      route.put_at[q] = 0;
      PEERFOLD_NO_UNROLL
      for (int k = 0; k < N; ++k) {
        if (k < rank) route.put_at[q] += of[k][q];
        most = most < of[q][k] ? of[q][k] : most;
      }
    }
  }
};

namespace detail {

/// Element i of the rows that a rank gives: block b has elements b * N … b * N + N - 1 of a part, a
/// row of its own.
template <int N>
struct load_counts {
  const uint64_t* counts;
  PEERFOLD_HD uint64_t operator()(size_t i) const noexcept { return counts[i % N]; }
};
template <int N>
struct store_counts {
  uint64_t (*of)[N];
  size_t part;
  PEERFOLD_HD void operator()(size_t i, uint64_t value) const noexcept {
    of[i / part][i % N] = value;
  }
};

}  // namespace detail

/// Tells every rank counts[q], how many elements this rank sends rank q, of every q, and puts what
/// all say into `heard`, memory that the group shares; `capacity` is how many it has room for.
/// Called by all lanes of every block, each of which hears for itself: one message by packets.
/// Returns to all lanes alike whether all have come.
template <context Context>
PEERFOLD_HD bool exchange_counts(Context& c, const uint64_t* counts, uint64_t capacity,
                                 heard_counts<Context::size>& heard) {
  constexpr int n = Context::size;
  static_assert(counts_ranks_early<n>, "parts of unequal size need a rank count known early");
  transport::packet<uint64_t, Context> t{c};
  const auto part = static_cast<size_t>(n * c.blocks());
  const transport::tiling rows{part, n, 1};
  const route_of<collective::all_gather> route{part, 0};
  const bool done = exchange(c, t, rows, route, true, detail::load_counts<n>{counts},
                             detail::store_counts<n>{heard.of, part});
  t.close();
  if (c.group().any(!done)) return false;
  if (c.group().elect()) heard.make_route(c.rank(), capacity);
  c.group().sync();
  return true;
}

}  // namespace peerfold::algorithm
