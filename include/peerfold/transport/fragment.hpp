/// \file
/// Fragments: a tile of elements held by the lanes of a group, in registers on the device. Pack i
/// of the tile is held by lane i % width, as its (i / width)-th.
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
  const auto lane = static_cast<uint32_t>(group.lane());
  const auto width = static_cast<uint32_t>(group.width());
  PEERFOLD_UNROLL
  for (uint32_t u = 0; u < Packs; ++u) {
    const uint32_t i = u * width + lane;
#if PEERFOLD_DEVICE_PASS
    if (i < packs) visit(u, i);
#else
    if (i >= packs) break;
    visit(u, i);
#endif
  }
}

/// The same where every lane holds all of its packs: most tiles of a large message, without a test
/// a pack.
template <int Packs, class Group, class Visit>
PEERFOLD_HD inline void for_each_pack_of_full(const Group& group, Visit visit) {
  const auto lane = static_cast<uint32_t>(group.lane());
  const auto width = static_cast<uint32_t>(group.width());
  PEERFOLD_UNROLL
  for (uint32_t u = 0; u < Packs; ++u) visit(u, u * width + lane);
}

/// Whether all lanes of the group hold `Packs` packs of such a tile: the same answer for all. Never
/// of single packs, where a second path would only be more code to fetch.
template <int Packs, class Group>
PEERFOLD_HD inline bool is_full(const Group& group, const tile& x, uint32_t size) noexcept {
  return Packs > 1 && x.count == Packs * static_cast<uint32_t>(group.width()) * size;
}

/// A load functor that can give whole packs: where load.template aligned<Pack>(begin), so that
/// all packs from `begin` on are aligned, load.template load_pack<Pack>(i) is the elements
/// i … i + Pack::size - 1.
template <class Load, class Pack>
concept loads_packs = requires(const Load& load, size_t i) {
  { load.template aligned<Pack>(i) } -> stl::same_as<bool>;
  { load.template load_pack<Pack>(i) } -> stl::same_as<Pack>;
};

/// A store functor that can take whole packs, likewise.
template <class Store, class Pack>
concept stores_packs = requires(const Store& store, size_t i, const Pack& value) {
  { store.template aligned<Pack>(i) } -> stl::same_as<bool>;
  store.store_pack(i, value);
};

namespace detail {

/// visit(e) for the elements of pack i that lie within the tile.
template <uint32_t Size, class Visit>
PEERFOLD_HD inline void for_each_element(const tile& x, uint32_t i, Visit visit) {
  PEERFOLD_UNROLL
  for (uint32_t e = 0; e < Size; ++e) {
    if (i * Size + e < x.count) visit(e);
  }
}

}  // namespace detail

/// The group's fragment of tile x, element i given by load(i). Past the tile's end: zeros.
template <class Fragment, class Group, class Load>
PEERFOLD_HD inline Fragment load_fragment(const Group& group, const tile& x, const Load& load) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  constexpr bool by_packs = loads_packs<Load, pack>;
  Fragment result;
  bool aligned = false;
  if constexpr (by_packs) {
    aligned = load.template aligned<pack>(x.begin);
    if (aligned && is_full<Fragment::packs>(group, x, size)) {
      for_each_pack_of_full<Fragment::packs>(group, [&](uint32_t u, uint32_t i) {
        result.at[u] = load.template load_pack<pack>(x.begin + i * size);
      });
      return result;
    }
  }
  const uint32_t whole = aligned ? x.count / size : 0;
  for_each_pack<Fragment::packs>(group, packs_of(x, size), [&](uint32_t u, uint32_t i) {
    if constexpr (by_packs) {
      if (i < whole) {
        result.at[u] = load.template load_pack<pack>(x.begin + i * size);
        return;
      }
    }
    result.at[u] = pack{};
    detail::for_each_element<size>(
        x, i, [&](uint32_t e) { result.at[u].set(e, load(x.begin + i * size + e)); });
  });
  return result;
}

/// Gives every element of tile x to store(i, value), out of the group's fragment.
template <class Fragment, class Group, class Store>
PEERFOLD_HD inline void store_fragment(const Group& group, const tile& x, const Fragment& values,
                                       const Store& store) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  constexpr bool by_packs = stores_packs<Store, pack>;
  bool aligned = false;
  if constexpr (by_packs) {
    aligned = store.template aligned<pack>(x.begin);
    if (aligned && is_full<Fragment::packs>(group, x, size)) {
      for_each_pack_of_full<Fragment::packs>(group, [&](uint32_t u, uint32_t i) {
        store.store_pack(x.begin + i * size, values.at[u]);
      });
      return;
    }
  }
  const uint32_t whole = aligned ? x.count / size : 0;
  for_each_pack<Fragment::packs>(group, packs_of(x, size), [&](uint32_t u, uint32_t i) {
    if constexpr (by_packs) {
      if (i < whole) {
        store.store_pack(x.begin + i * size, values.at[u]);
        return;
      }
    }
    detail::for_each_element<size>(
        x, i, [&](uint32_t e) { store(x.begin + i * size + e, values.at[u].get(e)); });
  });
}

}  // namespace peerfold::transport
