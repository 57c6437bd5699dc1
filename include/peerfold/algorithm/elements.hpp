/// \file
/// Load and store functors over memory: where a reduction's elements come from and go to when the
/// caller has no functors of its own.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold {

/// Load functor: element i of memory that this rank reaches. Aligned to the element; packs are read
/// in one access where they are aligned too.
template <element T>
struct load_from {
  const T* data;

  PEERFOLD_HD T operator()(size_t i) const noexcept { return data[i]; }

  /// Whether packs that begin at a multiple of their size are aligned.
  template <class Pack>
  PEERFOLD_HD bool aligned() const noexcept {
    return arch::is_aligned(data, sizeof(Pack));
  }
  template <class Pack>
  PEERFOLD_HD Pack load_pack(size_t i) const noexcept {
    return arch::load_vector<Pack>(data + i);
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
