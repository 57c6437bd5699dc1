/// \file
/// Segments: many tensors that make one message, one behind the other. Load and store functors over
/// them, which find the tensor of a tile, or of an element.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/transport/tile.hpp>

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
  /// Where element `first` of the message would be, if `data` is where the tensor is.
  template <class U>
  [[nodiscard]] PEERFOLD_HD U* before(U* data, size_t first) const noexcept {
    return arch::element_at(data, first - begin);
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
  /// The tensor that has all of `count` elements from `first` on, none of them padding; null if
  /// none has, or there are no such elements.
  [[nodiscard]] PEERFOLD_HD const segment<T>* around(size_t first, uint32_t count) const noexcept {
    if (count == 0) return nullptr;
    const segment<T>& s = at(first);
    return first - s.begin + count <= s.count ? &s : nullptr;
  }
};

/// How far on functors begin, in elements of the message: at the first, or at a multiple of the
/// grain.
struct no_offset {
  static constexpr size_t offset = 0;
};
struct some_offset {
  size_t offset;
};

/// Load functor. (The offset is a base: compilers for host and device agree where that lies.)
template <element T, class Offset = no_offset>
struct load_segments : Offset {
  using Offset::offset;
  segment_table<T> table;

  PEERFOLD_HD T operator()(size_t i) const noexcept {
    const segment<T>& s = table.at(offset + i);
    const size_t at = offset + i - s.begin;
    return s.reads_nothing(at) ? arch::pack<T, arch::pack_bytes<T, 8>>{}.get(0) : s.padded(at);
  }

  /// The pack that begins with element i.
  template <class Pack>
  [[nodiscard]] PEERFOLD_HD Pack pack_at(size_t i) const noexcept {
    const segment<T>& s = table.at(offset + i);
    const size_t at = offset + i - s.begin;
    const T* from = arch::element_at(s.in, at);
    if (at + Pack::size <= s.count) {
      if (arch::takes_vectors<Pack>(s.in)) return arch::load_vector<Pack>(from);
      if constexpr (arch::moves_by_words<Pack>) return arch::load_unaligned<Pack>(from);
    }
    Pack values{};
    if (s.reads_nothing(at)) return values;
    PEERFOLD_UNROLL
    for (uint32_t e = 0; e < Pack::size; ++e) values.set(e, s.padded(at + e));
    return values;
  }

  /// For a tile, most of which lie within one tensor.
  struct in_tile {
    load_segments all;
    const T* data;  ///< where element 0 would be
    bool together;  ///< whether the tile is one tensor's alone

    PEERFOLD_HD T operator()(size_t i) const noexcept { return all(i); }

    template <class Pack>
    struct packs {
      in_tile from;
      size_t first;

      PEERFOLD_HD bool aligned() const noexcept {
        return from.together && arch::takes_vectors<Pack>(from.data);
      }
      PEERFOLD_HD Pack load(size_t further) const noexcept {
        return arch::load_vector<Pack>(arch::element_at(from.data, first + further));
      }
      PEERFOLD_HD Pack load_unaligned(size_t further) const noexcept {
        return from.all.template pack_at<Pack>(first + further);
      }
    };
    template <class Pack>
    PEERFOLD_HD packs<Pack> packs_at(size_t i) const noexcept {
      return {*this, i};
    }
  };
  [[nodiscard]] PEERFOLD_HD in_tile for_tile(const transport::tile& x) const noexcept {
    const segment<T>* s = table.around(offset + x.begin, x.count);
    return {*this, s == nullptr ? nullptr : s->before(s->in, offset), s != nullptr};
  }
};

/// Store functor, likewise.
template <element T, class Offset = no_offset>
struct store_segments : Offset {
  using Offset::offset;
  segment_table<T> table;

  PEERFOLD_HD void operator()(size_t i, const T& value) const noexcept {
    const segment<T>& s = table.at(offset + i);
    const size_t at = offset + i - s.begin;
    if (at < s.count) s.out[at] = value;
  }

  /// Stores the pack that begins with element i.
  template <class Pack>
  PEERFOLD_HD void put_pack(size_t i, const Pack& values) const noexcept {
    const segment<T>& s = table.at(offset + i);
    const size_t at = offset + i - s.begin;
    T* to = arch::element_at(s.out, at);
    if (at + Pack::size <= s.count) {
      if (arch::takes_vectors<Pack>(s.out)) return arch::store_vector(to, values);
      if constexpr (arch::moves_by_words<Pack>) return arch::store_unaligned(to, values);
    }
    PEERFOLD_UNROLL
    for (uint32_t e = 0; e < Pack::size; ++e) {
      if (at + e < s.count) to[e] = values.get(e);
    }
  }

  struct in_tile {
    store_segments all;
    T* data;
    bool together;

    PEERFOLD_HD void operator()(size_t i, const T& value) const noexcept { all(i, value); }

    template <class Pack>
    PEERFOLD_HD bool aligned() const noexcept {
      return together && arch::takes_vectors<Pack>(data);
    }
    template <class Pack>
    PEERFOLD_HD void store_pack(size_t i, const Pack& values) const noexcept {
      arch::store_vector(arch::element_at(data, i), values);
    }
    template <class Pack>
    PEERFOLD_HD void store_pack_unaligned(size_t i, const Pack& values) const noexcept {
      all.put_pack(i, values);
    }
  };
  [[nodiscard]] PEERFOLD_HD in_tile for_tile(const transport::tile& x) const noexcept {
    const segment<T>* s = table.around(offset + x.begin, x.count);
    return {*this, s == nullptr ? nullptr : s->before(s->out, offset), s != nullptr};
  }
};

/// The functors `offset` elements on, a multiple of the grain.
template <element T>
[[nodiscard]] PEERFOLD_HD load_segments<T, some_offset> load_at(const load_segments<T>& load,
                                                                size_t offset) {
  return {{offset}, load.table};
}
template <element T>
[[nodiscard]] PEERFOLD_HD store_segments<T, some_offset> store_at(const store_segments<T>& store,
                                                                  size_t offset) {
  return {{offset}, store.table};
}

}  // namespace peerfold::algorithm
