/// \file
/// The element work of transports whose fragments are packs in the lanes' hands.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/transport/fragment.hpp>

namespace peerfold::transport {

/// Base of the transports driven by lanes: loads, folds and stores fragments pack by pack.
template <class Fragment, class Context>
class lane_elements {
  using pack_type = typename Fragment::pack_type;
  using element_type = typename Fragment::value_type;

 public:
  /// The group's fragment of tile x; element i is load(i), or comes with its pack where the functor
  /// has load_pack (see loads_packs). Past the tile's end: zeros.
  template <class Load>
  [[nodiscard]] PEERFOLD_HD Fragment load(const tile& x, const Load& load) const {
    return load_fragment<Fragment>(c_.group(), x, load);
  }

  /// Folds tile x in rank order 0 … N - 1, starting from rank 0's value, in the accumulator type,
  /// and finishes it once: finish(op(… op(op(v0, v1), v2) …, vN-1)) for every element. `mine`
  /// stands for this rank's values, `theirs` for the others'.
  template <class Arrivals, class Op, class Finish>
  [[nodiscard]] PEERFOLD_HD Fragment fold(const tile& x, const Fragment& mine,
                                          const Arrivals& theirs, const Op& op,
                                          const Finish& finish) const {
    using traits = element_traits<element_type>;
    using accumulator = typename traits::accumulator;
    constexpr uint32_t size = pack_type::size;
    Fragment result;
    const auto fold_pack = [&](uint32_t u, uint32_t i) {
      accumulator total[size];
      PEERFOLD_UNROLL
      for (int q = 0; q < Context::size; ++q) {
        const pack_type values = theirs.pack_of(q, u, i, mine.at[u]);
        PEERFOLD_UNROLL
        for (uint32_t e = 0; e < size; ++e) {
          const accumulator value = traits::widen(values.get(e));
          total[e] = q == 0 ? value : op(total[e], value);
        }
      }
      result.at[u] = pack_type{};
      PEERFOLD_UNROLL
      for (uint32_t e = 0; e < size; ++e) result.at[u].set(e, finish(total[e]));
    };
    if (is_full<Fragment::packs>(c_.group(), x, size)) {
      for_each_pack_of_full<Fragment::packs>(c_.group(), fold_pack);
    } else {
      for_each_pack<Fragment::packs>(c_.group(), packs_of(x, size), fold_pack);
    }
    return result;
  }

  /// Gives every element of tile x to store(i, value), or by packs where the functor has
  /// store_pack.
  template <class Store>
  PEERFOLD_HD void store(const tile& x, const Fragment& values, const Store& store) const {
    store_fragment(c_.group(), x, values, store);
  }

  /// The same for the elements of tile x that rank q, another one, sent.
  template <class Arrivals, class Store>
  PEERFOLD_HD void store_from(int q, const tile& x, const Arrivals& theirs,
                              const Store& store) const {
    Fragment values;
    for_each_pack<Fragment::packs>(
        c_.group(), packs_of(x, pack_type::size),
        [&](uint32_t u, uint32_t i) { values.at[u] = theirs.pack_of(q, u, i, pack_type{}); });
    store_fragment(c_.group(), x, values, store);
  }

 protected:
  PEERFOLD_HD explicit lane_elements(Context& c) noexcept : c_{c} {}

  Context& c_;
};

}  // namespace peerfold::transport
