/// \file
/// Load and store functors over memory: where a reduction's elements come from and go to when the
/// caller has no functors of its own.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold {

/// Packs of memory that this rank reaches, from `first` on.
template <element T, class Pack>
struct packs_in_memory {
  const T* first;

  /// Whether packs at multiples of their size from here on are aligned.
  PEERFOLD_HD bool aligned() const noexcept { return arch::takes_vectors<Pack>(first); }
  /// The pack `offset` elements on.
  PEERFOLD_HD Pack load(size_t offset) const noexcept {
    return arch::load_vector<Pack>(first + offset);
  }
  /// The same where they are not.
  PEERFOLD_HD Pack load_unaligned(size_t offset) const noexcept
    requires(arch::moves_by_words<Pack>)
  {
    return arch::load_unaligned<Pack>(first + offset);
  }
};

/// Load functor: element i of memory that this rank reaches. Aligned to the element; packs are read
/// in one access where they are aligned too.
template <element T>
struct load_from {
  const T* data;

  PEERFOLD_HD T operator()(size_t i) const noexcept { return data[i]; }

  template <class Pack>
  PEERFOLD_HD packs_in_memory<T, Pack> packs_at(size_t i) const noexcept {
    // Worked out here, not under the condition under which it is read, where it would take longer.
    return {arch::optimization_barrier(arch::element_at(data, i))};
  }
};

/// Store functor: element i of memory that this rank reaches. Alignment as for load_from.
template <element T>
struct store_to {
  T* data;

  PEERFOLD_HD void operator()(size_t i, const T& value) const noexcept { data[i] = value; }

  /// Whether packs that begin at a multiple of their size are aligned.
  template <class Pack>
  PEERFOLD_HD bool aligned() const noexcept {
    return arch::takes_vectors<Pack>(data);
  }
  template <class Pack>
  PEERFOLD_HD void store_pack(size_t i, const Pack& values) const noexcept {
    arch::store_vector(data + i, values);
  }
  /// The same where they are not.
  template <class Pack>
    requires(arch::moves_by_words<Pack>)
  PEERFOLD_HD void store_pack_unaligned(size_t i, const Pack& values) const noexcept {
    arch::store_unaligned(data + i, values);
  }
};

/// Store functor over symmetric memory: also reaches the same element of every peer, so that
/// algorithms can write results straight where they belong.
template <element T, int N>
struct store_to_symmetric : store_to<T> {
  T* peers[N];

  PEERFOLD_HD store_to<T> at_rank(int rank) const noexcept { return {peers[rank]}; }
};

/// A load functor `offset` elements on.
template <class Load>
struct load_behind {
  Load load;
  size_t offset;

  PEERFOLD_HD auto operator()(size_t i) const { return load(offset + i); }
};

/// A store functor `offset` elements on.
template <class Store>
struct store_behind {
  Store store;
  size_t offset;

  template <class T>
  PEERFOLD_HD void operator()(size_t i, const T& value) const {
    store(offset + i, value);
  }
};

/// The functor that does with element i what the given one does with element offset + i.
template <class Load>
[[nodiscard]] PEERFOLD_HD load_behind<Load> load_at(const Load& load, size_t offset) {
  return {load, offset};
}
template <element T>
[[nodiscard]] PEERFOLD_HD load_from<T> load_at(const load_from<T>& load, size_t offset) {
  return {arch::element_at(load.data, offset)};
}
template <class Store>
[[nodiscard]] PEERFOLD_HD store_behind<Store> store_at(const Store& store, size_t offset) {
  return {store, offset};
}
template <element T>
[[nodiscard]] PEERFOLD_HD store_to<T> store_at(const store_to<T>& store, size_t offset) {
  return {arch::element_at(store.data, offset)};
}
template <element T, int N>
[[nodiscard]] PEERFOLD_HD store_to<T> store_at(const store_to_symmetric<T, N>& store,
                                               size_t offset) {
  return {arch::element_at(store.data, offset)};
}

}  // namespace peerfold
