/// \file
/// What lanes have received by transports whose messages come to each lane for itself.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/sync/arena.hpp>

namespace peerfold::transport {

/// This lane's packs of the other ranks' fragments, which the transport fills in. Valid in this
/// lane until the transport's next receive.
template <class Fragment, int N>
struct held_arrivals {
  using pack_type = typename Fragment::pack_type;
  static constexpr int others = N - 1;

  Fragment of_other[sync::most_others<N>];  ///< ascending
  int own_rank;                             ///< of the lane
  uint32_t fault;                           ///< not 0 where packs are missing

  /// Whether this lane has all of its packs. Lanes may differ: release() tells the group.
  PEERFOLD_HD explicit operator bool() const noexcept { return fault == 0; }

  /// This lane's u-th pack, the i-th of the tile, of rank q; `mine` where q is the own rank.
  /// Called with q and u known at compile time (in unrolled loops), they stay in registers.
  [[nodiscard]] PEERFOLD_HD pack_type pack_of(int q, uint32_t u, uint32_t /*i*/,
                                              const pack_type& mine) const noexcept {
    if (q == own_rank) return mine;
    return q < own_rank ? of_other[q < others ? q : 0].get(u) : of_other[q > 0 ? q - 1 : 0].get(u);
  }

  /// The same of the j-th other rank, ascending.
  [[nodiscard]] PEERFOLD_HD pack_type pack_of_peer(int j, uint32_t u,
                                                   uint32_t /*i*/) const noexcept {
    return of_other[j].get(u);
  }

  /// The own rank.
  [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return own_rank; }
};

/// The same where ranks are many: packs are read again where they lie, pack i of the j-th other
/// rank by from->pack_in_slot(j, i). (A pointer that nobody follows would still put the transport
/// into local memory, so those above have none.)
template <class Transport, class Pack>
struct arrivals_in_slots {
  const Transport* from;
  int own_rank;    ///< of the lane
  uint32_t fault;  ///< not 0 where packs are missing

  /// As those of held_arrivals.
  PEERFOLD_HD explicit operator bool() const noexcept { return fault == 0; }
  [[nodiscard]] PEERFOLD_HD Pack pack_of(int q, uint32_t /*u*/, uint32_t i,
                                         const Pack& mine) const noexcept {
    if (q == own_rank) return mine;
    return from->pack_in_slot(q < own_rank ? q : q - 1, i);
  }
  [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return own_rank; }
};

}  // namespace peerfold::transport
