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
  PEERFOLD_HD bool aligned() const noexcept { return arch::is_aligned(first, sizeof(Pack)); }
  /// The pack `offset` elements on.
  PEERFOLD_HD Pack load(size_t offset) const noexcept {
    return arch::load_vector<Pack>(first + offset);
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
    return arch::is_aligned(data, sizeof(Pack));
  }
  template <class Pack>
  PEERFOLD_HD void store_pack(size_t i, const Pack& values) const noexcept {
    arch::store_vector(data + i, values);
  }
};

/// Store functor over symmetric memory: also reaches the same element of every peer, so that
/// algorithms can write results straight where they belong.
template <element T, int N>
struct store_to_symmetric : store_to<T> {
  T* peers[N];

  PEERFOLD_HD store_to<T> at_rank(int rank) const noexcept { return {peers[rank]}; }
};

}  // namespace peerfold
