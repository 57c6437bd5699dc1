/// \file
/// Words that ranks tell each other ahead of what they call, by packets.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::algorithm {

namespace detail {

/// Element i of the rows that a rank gives: block b has elements b * L … b * L + L - 1 of a part, a
/// row of its own.
template <int L>
struct load_row {
  const uint64_t* words;
  PEERFOLD_HD uint64_t operator()(size_t i) const noexcept { return words[i % L]; }
};
template <int L>
struct store_row {
  uint64_t (*of)[L];
  size_t part;
  PEERFOLD_HD void operator()(size_t i, uint64_t value) const noexcept {
    of[i / part][i % L] = value;
  }
};

}  // namespace detail

/// Tells every rank the words[0] … words[L - 1] of this one, and puts what rank r says into of[r],
/// memory that the group shares. L is at most 32: what slots have room for. Called by all lanes of
/// every block, each of which hears for itself: one message. Returns to all lanes alike whether all
/// have come; then all lanes see them.
template <int L, context Context>
PEERFOLD_HD bool exchange_words(Context& c, const uint64_t* words, uint64_t (*of)[L]) {
  static_assert(L <= 32);
  transport::packet<uint64_t, Context> t{c};
  const auto part = static_cast<size_t>(L * c.blocks());
  const transport::tiling rows{part, L, 1};
  const route_of<collective::all_gather> route{part, 0};
  const bool done =
      exchange(c, t, rows, route, true, detail::load_row<L>{words}, detail::store_row<L>{of, part});
  t.close();
  return !c.group().any(!done);
}

}  // namespace peerfold::algorithm
