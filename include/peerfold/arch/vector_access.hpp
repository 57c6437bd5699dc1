/// \file
/// Packs: as many elements as one access moves, and the accesses that move them.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::arch {

/// The bytes of a pack of elements that one access, of 8 or 16 bytes, moves, or where that is not a
/// whole number of elements, several: as many as come out even, up to five; else as few as hold
/// an element, with bytes left over.
PEERFOLD_HD constexpr int bytes_of_pack(int element_bytes, int access) noexcept {
  for (int whole = access; whole <= 5 * access; whole += access) {
    if (whole % element_bytes == 0) return whole;
  }
  return (element_bytes + access - 1) / access * access;
}
template <element T, int Access>
inline constexpr int pack_bytes = bytes_of_pack(static_cast<int>(sizeof(T)), Access);

/// The elements of T that `Bytes` bytes hold, moved by accesses of 4, 8 or 16 bytes. Held as words,
/// so that elements narrower than a register stay together until they are used.
template <element T, int Bytes>
  requires(Bytes % 4 == 0 && Bytes >= static_cast<int>(sizeof(T)))
struct alignas(Bytes % 16 == 0  ? 16
               : Bytes % 8 == 0 ? 8
                                : 4) pack {
  using value_type = T;
  static constexpr int bytes = Bytes;
  static constexpr int size = Bytes / static_cast<int>(sizeof(T));  ///< in elements
  /// Whether it lies in memory as its elements do: no byte is left over.
  static constexpr bool is_full = Bytes % static_cast<int>(sizeof(T)) == 0;

  uint32_t word[Bytes / 4];

  /// Element e. Its position is best known at compile time (in unrolled loops).
  [[nodiscard]] PEERFOLD_HD T get(uint32_t e) const noexcept {
    units value;
#if PEERFOLD_DEVICE_PASS
    PEERFOLD_UNROLL
    for (uint32_t k = 0; k < units::count; ++k) {
      const uint32_t i = e * units::count + k;
      value.at[k] = static_cast<unit>(word[i / per_word] >> shift(i));
    }
#else
    __builtin_memcpy(&value, reinterpret_cast<const char*>(word) + e * sizeof(T), sizeof(T));
#endif
    return peerfold::bit_cast<T>(value);
  }

  PEERFOLD_HD void set(uint32_t e, const T& value) noexcept {
    const auto values = peerfold::bit_cast<units>(value);
#if PEERFOLD_DEVICE_PASS
    PEERFOLD_UNROLL
    for (uint32_t k = 0; k < units::count; ++k) {
      const uint32_t i = e * units::count + k;
      if constexpr (per_word == 1) {
        word[i] = values.at[k];
      } else {
        constexpr uint32_t mask = (uint32_t{1} << 8 * sizeof(unit)) - 1;
        uint32_t& w = word[i / per_word];
        w = (w & ~(mask << shift(i))) | uint32_t{values.at[k]} << shift(i);
      }
    }
#else
    __builtin_memcpy(reinterpret_cast<char*>(word) + e * sizeof(T), &values, sizeof(T));
#endif
  }

 private:
  /// What an element is cut into: parts of words.
  using unit = stl::conditional_t<sizeof(T) % 4 == 0, uint32_t,
                                  stl::conditional_t<sizeof(T) % 2 == 0, uint16_t, uint8_t>>;
  struct units {
    static constexpr uint32_t count = sizeof(T) / sizeof(unit);
    unit at[count];
  };
  static constexpr uint32_t per_word = 4 / sizeof(unit);
  PEERFOLD_HD static constexpr uint32_t shift(uint32_t i) noexcept {
    return i % per_word * (32 / per_word);
  }
};

/// Whether packs that begin at multiples of their size from `address` on may be read and written
/// there by load_vector and store_vector.
template <class Pack>
PEERFOLD_HD inline bool takes_vectors(const void* address) noexcept {
  return Pack::is_full && (reinterpret_cast<uintptr_t>(address) & (alignof(Pack) - 1)) == 0;
}

namespace detail {

#if PEERFOLD_DEVICE_PASS
/// A type of an access that an alignment allows.
template <int Alignment>
using access_t =
    stl::conditional_t<Alignment == 16, uint4, stl::conditional_t<Alignment == 8, uint2, unsigned>>;
template <class Access, int Count>
struct accesses {
  Access at[Count];
};
#endif

}  // namespace detail

/// Reads a pack from memory that is aligned to it. Never through the non-coherent path: the
/// memory may be a peer's, or a peer may write beside it.
template <class Pack>
PEERFOLD_HD inline Pack load_vector(const void* address) noexcept {
#if PEERFOLD_DEVICE_PASS
  using access = detail::access_t<alignof(Pack)>;
  detail::accesses<access, Pack::bytes / sizeof(access)> values;
  PEERFOLD_UNROLL
  for (unsigned k = 0; k < Pack::bytes / sizeof(access); ++k) {
    values.at[k] = static_cast<const access*>(address)[k];
  }
  return peerfold::bit_cast<Pack>(values);
#else
  Pack value;
  __builtin_memcpy(&value, address, sizeof(Pack));
  return value;
#endif
}

/// Writes a pack to memory that is aligned to it.
template <class Pack>
PEERFOLD_HD inline void store_vector(void* address, const Pack& value) noexcept {
#if PEERFOLD_DEVICE_PASS
  using access = detail::access_t<alignof(Pack)>;
  using all = detail::accesses<access, Pack::bytes / sizeof(access)>;
  const auto values = peerfold::bit_cast<all>(value);
  PEERFOLD_UNROLL
  for (unsigned k = 0; k < Pack::bytes / sizeof(access); ++k) {
    static_cast<access*>(address)[k] = values.at[k];
  }
#else
  __builtin_memcpy(address, &value, sizeof(Pack));
#endif
}

/// Whether packs that are not aligned are moved by words instead of elements, which are narrower.
template <class Pack>
inline constexpr bool moves_by_words = Pack::is_full && alignof(typename Pack::value_type) < 4;

#if PEERFOLD_DEVICE_PASS
namespace detail {

/// The words that a pack at any address lies in. Its neighbours have the bytes of the first word
/// below `skew`, and those of the one behind the last word from `skew` on.
template <class Pack>
struct word_span {
  using element = typename Pack::value_type;
  static constexpr uint32_t words = Pack::bytes / 4;

  uintptr_t begin;
  uint32_t skew;

  __device__ explicit word_span(const void* address) noexcept
      : begin{reinterpret_cast<uintptr_t>(address) & ~uintptr_t{3}},
        skew{static_cast<uint32_t>(reinterpret_cast<uintptr_t>(address) & 3)} {}

  /// visit(number, word) for the words that are all of the pack.
  template <class Visit>
  __device__ void for_each_whole(Visit visit) const {
    PEERFOLD_UNROLL
    for (uint32_t k = 1; k < words; ++k) visit(k, *reinterpret_cast<uint32_t*>(begin + 4 * k));
  }
  /// visit(number, shift, part) for the halves and bytes of the pack in its first and last words,
  /// which lie there `shift` bits up; where there is no skew, for the first word.
  template <class Visit>
  __device__ void for_each_part(Visit visit) const {
    if (skew == 0) {
      visit(0u, 0u, *reinterpret_cast<uint32_t*>(begin));
      return;
    }
    if (alignof(element) == 1 && skew % 2 != 0) {
      visit(0u, 8 * skew, *reinterpret_cast<uint8_t*>(begin + skew));
      visit(words, 8 * (skew - 1), *reinterpret_cast<uint8_t*>(begin + 4 * words + skew - 1));
    }
    if (skew != 3) visit(0u, 16u, *reinterpret_cast<uint16_t*>(begin + 2));
    if (skew != 1) visit(words, 0u, *reinterpret_cast<uint16_t*>(begin + 4 * words));
  }
};

}  // namespace detail
#endif

/// Reads a pack from memory of any alignment, and nothing beside it.
template <class Pack>
PEERFOLD_HD inline Pack load_unaligned(const void* address) noexcept {
#if PEERFOLD_DEVICE_PASS
  const detail::word_span<Pack> span{address};
  uint32_t word[span.words + 1] = {};
  span.for_each_whole([&](uint32_t k, const uint32_t& whole) { word[k] = whole; });
  span.for_each_part([&](uint32_t k, uint32_t shift, const auto& part) {
    uint32_t& there = word[k == 0 ? 0 : span.words];
    there |= uint32_t{part} << shift;
  });
  Pack value;
  PEERFOLD_UNROLL
  for (uint32_t k = 0; k < span.words; ++k) {
    value.word[k] = __funnelshift_r(word[k], word[k + 1], 8 * span.skew);
  }
  return value;
#else
  return load_vector<Pack>(address);
#endif
}

/// Writes a pack to memory of any alignment, and nothing beside it.
template <class Pack>
PEERFOLD_HD inline void store_unaligned(void* address, const Pack& value) noexcept {
#if PEERFOLD_DEVICE_PASS
  const detail::word_span<Pack> span{address};
  uint32_t word[span.words + 1];
  PEERFOLD_UNROLL
  for (uint32_t k = 0; k <= span.words; ++k) {
    const uint32_t low = k == 0 ? 0 : value.word[k - 1];
    const uint32_t high = k == span.words ? 0 : value.word[k];
    word[k] = __funnelshift_l(low, high, 8 * span.skew);
  }
  span.for_each_whole([&](uint32_t k, uint32_t& whole) { whole = word[k]; });
  span.for_each_part([&](uint32_t k, uint32_t shift, auto& part) {
    const uint32_t there = word[k == 0 ? 0 : span.words];
    part = static_cast<stl::remove_reference_t<decltype(part)>>(there >> shift);
  });
#else
  store_vector(address, value);
#endif
}

/// The address of element i, which may lie past the memory's end if it is not used then.
template <class T>
PEERFOLD_HD inline T* element_at(T* data, size_t i) noexcept {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(data) + i * sizeof(T));
}

/// Whether `address` is aligned to `bytes`, a power of two.
PEERFOLD_HD inline bool is_aligned(const void* address, size_t bytes) noexcept {
  return (reinterpret_cast<uintptr_t>(address) & (bytes - 1)) == 0;
}

}  // namespace peerfold::arch
