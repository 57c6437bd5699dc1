/// \file
/// All-to-all where a rank knows only how much it sends: the ranks tell each other first, by
/// packets, then exchange parts of that size.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/exchange_words.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>

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

/// Tells every rank counts[q], how many elements this rank sends rank q, of every q, and puts what
/// all say into `heard`, memory that the group shares; `capacity` is how many it has room for.
/// Called by all lanes of every block, each of which hears for itself: one message by packets.
/// Returns to all lanes alike whether all have come.
template <context Context>
PEERFOLD_HD bool exchange_counts(Context& c, const uint64_t* counts, uint64_t capacity,
                                 heard_counts<Context::size>& heard) {
  static_assert(counts_ranks_early<Context::size>,
                "parts of unequal size need a rank count known early");
  if (!exchange_words<Context::size>(c, counts, heard.of)) return false;
  if (c.group().elect()) heard.make_route(c.rank(), capacity);
  c.group().sync();
  return true;
}

}  // namespace peerfold::algorithm
