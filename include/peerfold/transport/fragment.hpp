/// \file
/// Fragments: a tile of elements held by the lanes of a group, in registers on the device. Pack i of
/// the tile is held by lane i % width, as its (i / width)-th.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::transport {

/// What one lane holds of a tile: at most `Packs` packs. Unused ones are indeterminate.
template <class Pack, int Packs>
struct fragment {
  using pack_type = Pack;
  using value_type = typename Pack::value_type;
  static constexpr int packs = Packs;
  Pack at[Packs];
};

/// How many packs of `size` elements a tile takes; an empty tile takes one, so that every message
/// has something to wait for.
PEERFOLD_HD constexpr uint32_t packs_of(const tile& x, uint32_t size) noexcept {
  return x.count == 0 ? 1 : (x.count + size - 1) / size;
}

/// Calls visit(u, i) for every pack i of `packs` that this lane holds, as its u-th.
template <int Packs, class Group, class Visit>
PEERFOLD_HD inline void for_each_pack(const Group& group, uint32_t packs, Visit visit) {
  PEERFOLD_UNROLL
  for (int u = 0; u < Packs; ++u) {
    const uint32_t i = static_cast<uint32_t>(u * group.width() + group.lane());
#if PEERFOLD_DEVICE_PASS
    if (i < packs) visit(u, i);
#else
    if (i >= packs) break;
    visit(u, i);
#endif
  }
}

/// A load functor that can give a whole pack: `load.template load_pack<Pack>(i)` is elements
/// i … i + Pack::size - 1.
template <class Load, class Pack>
concept loads_packs = requires(const Load& load, size_t i) {
  { load.template load_pack<Pack>(i) } -> stl::same_as<Pack>;
};

/// A store functor that can take a whole pack.
template <class Store, class Pack>
concept stores_packs =
    requires(const Store& store, size_t i, const Pack& value) { store.store_pack(i, value); };

/// The group's fragment of tile x, element i given by load(i). Past the tile's end: zeros.
template <class Fragment, class Group, class Load>
PEERFOLD_HD inline Fragment load_fragment(const Group& group, const tile& x, const Load& load) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  Fragment result;
  for_each_pack<Fragment::packs>(group, packs_of(x, size), [&](int u, uint32_t i) {
    const uint32_t first = i * size;
    if (first + size <= x.count) {
      if constexpr (loads_packs<Load, pack>) {
        result.at[u] = load.template load_pack<pack>(x.begin + first);
      } else {
        PEERFOLD_UNROLL
        for (uint32_t e = 0; e < size; ++e) result.at[u].at[e] = load(x.begin + first + e);
      }
    } else {
      result.at[u] = pack{};
      PEERFOLD_UNROLL
      for (uint32_t e = 0; e < size; ++e) {
        if (first + e < x.count) result.at[u].at[e] = load(x.begin + first + e);
      }
    }
  });
  return result;
}

/// Gives every element of tile x to store(i, value), out of the group's fragment.
template <class Fragment, class Group, class Store>
PEERFOLD_HD inline void store_fragment(const Group& group, const tile& x, const Fragment& values,
                                       const Store& store) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  for_each_pack<Fragment::packs>(group, packs_of(x, size), [&](int u, uint32_t i) {
    const uint32_t first = i * size;
    if (first + size <= x.count) {
      if constexpr (stores_packs<Store, pack>) {
        store.store_pack(x.begin + first, values.at[u]);
      } else {
        PEERFOLD_UNROLL
        for (uint32_t e = 0; e < size; ++e) store(x.begin + first + e, values.at[u].at[e]);
      }
    } else {
      PEERFOLD_UNROLL
      for (uint32_t e = 0; e < size; ++e) {
        if (first + e < x.count) store(x.begin + first + e, values.at[u].at[e]);
      }
    }
  });
}

}  // namespace peerfold::transport
