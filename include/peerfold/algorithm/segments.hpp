/// \file
/// Segments: many tensors that make one message, one behind the other. Load and store functors over
/// them, which find the tensor of an element.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::algorithm {

/// Tensors begin at multiples of so many elements of the message, so that none shares a pack with
/// another: packets' packs divide those of stores.
template <element T>
inline constexpr size_t segment_grain = arch::pack<T, arch::pack_bytes<T, 16>>::size;

/// One tensor: elements begin … begin + count - 1 of the message. Up to the next one's begin the
/// message has padding, which is folded as the last element is and stored nowhere. (In place others
/// may be storing that element: a pack that is nothing but padding is zeros then.)
template <element T>
struct alignas(16) segment {
  static_assert(segment_grain<T> % arch::pack<T, arch::pack_bytes<T, 8>>::size == 0);

  size_t begin;
  size_t count;  ///< at least 1
  const T* in;
  T* out;

  /// Element `offset`, or what stands for it behind the last.
  [[nodiscard]] PEERFOLD_HD T padded(size_t offset) const noexcept {
    return in[offset < count ? offset : count - 1];
  }
  /// Whether nothing is to be read from `offset` on.
  [[nodiscard]] PEERFOLD_HD bool reads_nothing(size_t offset) const noexcept {
    return offset >= count && in == out;
  }
};

/// The tensors of one rank, ascending; the one behind the last begins where the message ends. Found
/// by pages of the message: pages[p] is the tensor with the first element of page p.
template <element T>
struct segment_table {
  static constexpr size_t page = 64 * segment_grain<T>;  ///< elements

  const segment<T>* segments;
  const uint32_t* pages;

  /// The tensor, or its padding, that has element i of the message.
  [[nodiscard]] PEERFOLD_HD const segment<T>& at(size_t i) const noexcept {
    const segment<T>* found = segments + pages[i / page];
    PEERFOLD_NO_UNROLL
    while (found[1].begin <= i) ++found;
    return *found;
  }
};

/// Load functor.
template <element T>
struct load_segments {
  segment_table<T> table;

  PEERFOLD_HD T operator()(size_t i) const noexcept {
    const segment<T>& s = table.at(i);
    const size_t offset = i - s.begin;
    return s.reads_nothing(offset) ? arch::pack<T, arch::pack_bytes<T, 8>>{}.get(0)
                                   : s.padded(offset);
  }

  template <class Pack>
  struct packs {
    segment_table<T> table;
    size_t first;

    PEERFOLD_HD static constexpr bool aligned() noexcept { return true; }
    PEERFOLD_HD Pack load(size_t further) const noexcept {
      const segment<T>& s = table.at(first + further);
      const size_t offset = first + further - s.begin;
      const T* from = arch::element_at(s.in, offset);
      if (offset + Pack::size <= s.count && arch::takes_vectors<Pack>(s.in)) [[likely]]
        return arch::load_vector<Pack>(from);
      Pack values{};
      if (s.reads_nothing(offset)) return values;
      PEERFOLD_UNROLL
      for (uint32_t e = 0; e < Pack::size; ++e) values.set(e, s.padded(offset + e));
      return values;
    }
  };
  template <class Pack>
  PEERFOLD_HD packs<Pack> packs_at(size_t i) const noexcept {
    return {table, i};
  }
};

/// Store functor.
template <element T>
struct store_segments {
  segment_table<T> table;

  PEERFOLD_HD void operator()(size_t i, const T& value) const noexcept {
    const segment<T>& s = table.at(i);
    if (i - s.begin < s.count) s.out[i - s.begin] = value;
  }

  template <class Pack>
  PEERFOLD_HD static constexpr bool aligned() noexcept {
    return true;
  }
  template <class Pack>
  PEERFOLD_HD void store_pack(size_t i, const Pack& values) const noexcept {
    const segment<T>& s = table.at(i);
    const size_t offset = i - s.begin;
    T* to = arch::element_at(s.out, offset);
    if (offset + Pack::size <= s.count && arch::takes_vectors<Pack>(s.out)) [[likely]] {
      arch::store_vector(to, values);
      return;
    }
    PEERFOLD_UNROLL
    for (uint32_t e = 0; e < Pack::size; ++e) {
      if (offset + e < s.count) to[e] = values.get(e);
    }
  }
};

}  // namespace peerfold::algorithm
