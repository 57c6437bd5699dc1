/// \file
/// Fragments: a tile of elements held by the lanes of a group, in registers on the device. Pack i
/// of the tile is held by lane i % width, as its (i / width)-th.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::transport {

/// What one lane holds of a tile: at most `Packs` packs. Unused ones are indeterminate.
template <class Pack, int Packs>
struct fragment {
  using pack_type = Pack;
  using value_type = typename Pack::value_type;
  static constexpr int packs = Packs;

  /// By an index known at compile time (in unrolled loops), so that they stay in registers.
  Pack at[Packs];

  /// at[u] for any u.
  [[nodiscard]] PEERFOLD_HD Pack get(uint32_t u) const noexcept {
#if PEERFOLD_DEVICE_PASS
    Pack value = at[0];
    PEERFOLD_UNROLL
    for (uint32_t v = 1; v < Packs; ++v) value = u == v ? at[v] : value;
    return value;
#else
    return at[u];
#endif
  }
  PEERFOLD_HD void set(uint32_t u, const Pack& value) noexcept {
#if PEERFOLD_DEVICE_PASS
    PEERFOLD_UNROLL
    for (uint32_t v = 0; v < Packs; ++v) at[v] = u == v ? value : at[v];
#else
    at[u] = value;
#endif
  }
};

/// of[i], from registers whether i is known to the compiler or not.
template <class Value, int M>
[[nodiscard]] PEERFOLD_HD constexpr Value chosen(const Value (&of)[M], int i) noexcept {
  Value value = of[0];
  PEERFOLD_UNROLL
  for (int k = 1; k < M; ++k) value = i == k ? of[k] : value;
  return value;
}

/// How many packs a lane holds that has room for `room` of one access.
template <class Pack, int Access>
PEERFOLD_HD constexpr int packs_in_room(int room) noexcept {
  return room * Access < Pack::bytes ? 1 : room * Access / Pack::bytes;
}

/// Whether a lane holds a pack of each of N ranks at once, or, where these are many or large, one
/// after the other.
template <int N, class Pack>
inline constexpr bool holds_pack_of_each = counts_ranks_early<N> && N * Pack::bytes <= 256;

/// Whether lanes hold several packs, so that compilers should know when their registers are free: a
/// pack that is made under a condition, and never else, is held from the kernel's start to its end.
template <class Fragment>
inline constexpr bool holds_many = PEERFOLD_DEVICE_PASS && Fragment::packs > 1;

/// How many packs of `size` elements a tile takes; an empty tile takes one, so that every message
/// has something to wait for.
PEERFOLD_HD constexpr uint32_t packs_of(const tile& x, uint32_t size) noexcept {
  return x.count == 0 ? 1 : (x.count + size - 1) / size;
}

/// Whether tile x is its first `whole` packs of `size` elements: no other pack holds anything.
PEERFOLD_HD constexpr bool ends_with(const tile& x, uint32_t whole, uint32_t size) noexcept {
  return whole * size == x.count;
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

/// A load functor that can give whole packs. load.template packs_at<Pack>(i), for a multiple i of a
/// pack's size, is asked for once a lane and tile, ahead of the need and also where there is no
/// message, so it reads nothing. Where its aligned(), its load(offset) is the elements i + offset …
/// i + offset + Pack::size - 1, for multiples of the size within the message.
template <class Load, class Pack>
concept loads_packs = requires(const Load& load, size_t i) {
  { load.template packs_at<Pack>(i).aligned() } -> stl::same_as<bool>;
  { load.template packs_at<Pack>(i).load(i) } -> stl::same_as<Pack>;
};

/// A store functor that can take whole packs: where store.template aligned<Pack>(), so that all
/// packs are that begin at a multiple of their size, store.store_pack(i, values) takes the elements
/// i … i + Pack::size - 1 for such an i. aligned() looks at the functor's own bytes alone: it is
/// also asked where there is no message.
template <class Store, class Pack>
concept stores_packs = requires(const Store& store, size_t i, const Pack& value) {
  { store.template aligned<Pack>() } -> stl::same_as<bool>;
  store.store_pack(i, value);
};

/// Functors that also give and take whole packs where these are not aligned:
/// packs_at<Pack>(i).load_unaligned(offset), store_pack_unaligned(i, values).
template <class Load, class Pack>
concept loads_unaligned_packs = loads_packs<Load, Pack> && requires(const Load& load, size_t i) {
  { load.template packs_at<Pack>(i).load_unaligned(i) } -> stl::same_as<Pack>;
};
template <class Store, class Pack>
concept stores_unaligned_packs =
    stores_packs<Store, Pack> && requires(const Store& store, size_t i, const Pack& value) {
      store.store_pack_unaligned(i, value);
    };

/// A load or store functor that makes one for the elements of a tile alone, functor.for_tile(x),
/// which can do with less for each pack, and also gives and takes those that are not aligned.
template <class Functor>
concept goes_by_tiles = requires(const Functor& functor, const tile& x) { functor.for_tile(x); };

namespace detail {

/// The functor for tile x.
template <class Functor>
[[nodiscard]] PEERFOLD_HD decltype(auto) for_tile(const Functor& functor, const tile& x) {
  if constexpr (goes_by_tiles<Functor>) {
    return functor.for_tile(x);
  } else {
    return (functor);
  }
}

/// visit(u, i) for the packs i of this lane from `whole` on: all where packs are not aligned, else
/// a last one that is not full. Rarely more than one, so the code is short instead of unrolled.
template <class Fragment, class Group, class Visit>
PEERFOLD_HD inline void for_each_rest(const Group& group, const tile& x, uint32_t whole,
                                      Visit visit) {
  const auto width = static_cast<uint32_t>(group.width());
  const uint32_t packs = packs_of(x, Fragment::pack_type::size);
  // Not known to be the lane, else the compiler merges this with the access of a whole pack.
  auto i = arch::optimization_barrier(static_cast<uint32_t>(group.lane()));
  PEERFOLD_NO_UNROLL
  for (uint32_t u = 0; u < Fragment::packs && i < packs; ++u, i += width) {
    if (i >= whole) visit(u, i);
  }
}

/// visit(e) for the elements of pack i that lie within the tile.
template <uint32_t Size, class Visit>
PEERFOLD_HD inline void for_each_element(const tile& x, uint32_t i, Visit visit) {
  PEERFOLD_UNROLL
  for (uint32_t e = 0; e < Size; ++e) {
    if (i * Size + e < x.count) visit(e);
  }
}

}  // namespace detail

/// The group's fragment of tile x, which begins at a multiple of a pack, element i given by
/// load(i). Past the tile's end: zeros.
template <class Fragment, class Group, class Load>
PEERFOLD_HD inline Fragment load_fragment(const Group& group, const tile& x, const Load& load_all) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  Fragment result;
  if constexpr (holds_many<Fragment>) result = {};
  uint32_t whole = 0;
  const auto& load = detail::for_tile(load_all, x);
  using functor = stl::remove_cvref_t<decltype(load)>;
  if constexpr (loads_packs<functor, pack>) {
    const auto lane = static_cast<uint32_t>(group.lane());
    const auto packs = load.template packs_at<pack>(x.begin + lane * size);
    if (packs.aligned()) whole = x.count / size;
    for_each_pack<Fragment::packs>(group, whole, [&](uint32_t u, uint32_t i) {
      result.at[u] = packs.load((i - lane) * size);
    });
    if constexpr (goes_by_tiles<Load>) {  // packs that have to be looked for: all at once
      if (whole == 0) {
        whole = x.count / size;
        for_each_pack<Fragment::packs>(group, whole, [&](uint32_t u, uint32_t i) {
          result.at[u] = packs.load_unaligned((i - lane) * size);
        });
      }
    }
  } else {
    result = {};
  }
  if (ends_with(x, whole, size) && (holds_many<Fragment> || whole != 0)) [[likely]]
    return result;
  detail::for_each_rest<Fragment>(group, x, whole, [&](uint32_t u, uint32_t i) {
    if constexpr (loads_unaligned_packs<functor, pack>) {
      if ((i + 1) * size <= x.count) {
        const auto packs = load.template packs_at<pack>(x.begin + i * size);
        result.set(u, packs.load_unaligned(0));
        return;
      }
    }
    pack values{};
    detail::for_each_element<size>(
        x, i, [&](uint32_t e) { values.set(e, load(x.begin + i * size + e)); });
    result.set(u, values);
  });
  return result;
}

/// Where one lane stores its fragment of a tile: all that can be worked out before the values are
/// there.
template <class Store>
struct lane_destination {
  Store store;
  size_t begin;    ///< the first element of the lane's first pack
  uint32_t whole;  ///< how many of the tile's packs, from the first on, are stored in one piece
  uint32_t rest;   ///< how many are not
};

/// This lane's part of tile x, for fragments of packs of type Pack. The functor is copied.
template <class Pack, class Group, class Store>
[[nodiscard]] PEERFOLD_HD auto destination_of(const Group& group, const tile& x,
                                              const Store& store) {
  const auto& there = detail::for_tile(store, x);
  using functor = stl::remove_cvref_t<decltype(there)>;
  uint32_t whole = 0;
  if constexpr (stores_packs<functor, Pack>) {
    if (there.template aligned<Pack>()) whole = x.count / Pack::size;
  }
  const size_t begin = x.begin + static_cast<uint32_t>(group.lane()) * Pack::size;
  return lane_destination<functor>{there, arch::optimization_barrier(begin),
                                   arch::optimization_barrier(whole),
                                   arch::optimization_barrier(packs_of(x, Pack::size) - whole)};
}

/// Gives every element of tile x to its store functor, store(i, value), out of the group's
/// fragment; `to` is destination_of(group, x, store).
template <class Fragment, class Group, class Store>
PEERFOLD_HD inline void store_fragment(const Group& group, const tile& x, const Fragment& values,
                                       const lane_destination<Store>& to) {
  using pack = typename Fragment::pack_type;
  constexpr uint32_t size = pack::size;
  const auto index = [&](uint32_t i) {
    return to.begin + (i - static_cast<uint32_t>(group.lane())) * size;
  };
  if constexpr (stores_packs<Store, pack>) {
    for_each_pack<Fragment::packs>(group, to.whole, [&](uint32_t u, uint32_t i) {
      to.store.store_pack(index(i), values.at[u]);
    });
  }
  if (to.rest == 0) [[likely]]
    return;
  detail::for_each_rest<Fragment>(group, x, to.whole, [&](uint32_t u, uint32_t i) {
    const pack rest = values.get(u);
    if constexpr (stores_unaligned_packs<Store, pack>) {
      if ((i + 1) * size <= x.count) {
        to.store.store_pack_unaligned(index(i), rest);
        return;
      }
    }
    detail::for_each_element<size>(x, i, [&](uint32_t e) { to.store(index(i) + e, rest.get(e)); });
  });
}

}  // namespace peerfold::transport
