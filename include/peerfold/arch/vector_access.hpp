/// \file
/// Packs: as many elements as one access moves, and the accesses that move them.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::arch {

/// The elements of T that fill `Bytes` bytes, moved by one access. Held as words, so that elements
/// narrower than a register stay together until they are used.
template <element T, int Bytes>
  requires(Bytes % 4 == 0 && Bytes % static_cast<int>(sizeof(T)) == 0)
struct alignas(Bytes) pack {
  using value_type = T;
  static constexpr int bytes = Bytes;
  static constexpr int size = Bytes / static_cast<int>(sizeof(T));  ///< in elements

  uint32_t word[Bytes / 4];

  /// Element e. Its position is best known at compile time (in unrolled loops).
  [[nodiscard]] PEERFOLD_HD T get(uint32_t e) const noexcept {
    if constexpr (sizeof(T) == 8) {
      return peerfold::bit_cast<T>(static_cast<uint64_t>(word[2 * e + 1]) << 32 | word[2 * e]);
    } else if constexpr (sizeof(T) == 4) {
      return peerfold::bit_cast<T>(word[e]);
    } else {
      return peerfold::bit_cast<T>(static_cast<narrow>(word[e / per_word] >> shift(e)));
    }
  }

  PEERFOLD_HD void set(uint32_t e, const T& value) noexcept {
    if constexpr (sizeof(T) == 8) {
      const auto bits = peerfold::bit_cast<uint64_t>(value);
      word[2 * e] = static_cast<uint32_t>(bits);
      word[2 * e + 1] = static_cast<uint32_t>(bits >> 32);
    } else if constexpr (sizeof(T) == 4) {
      word[e] = peerfold::bit_cast<uint32_t>(value);
    } else {
      constexpr uint32_t mask = (uint32_t{1} << 8 * sizeof(T)) - 1;
      uint32_t& w = word[e / per_word];
      w = (w & ~(mask << shift(e))) | static_cast<uint32_t>(peerfold::bit_cast<narrow>(value))
                                          << shift(e);
    }
  }

 private:
  using narrow = stl::conditional_t<sizeof(T) == 1, uint8_t, uint16_t>;
  static constexpr uint32_t per_word = sizeof(T) < 4 ? 4 / sizeof(T) : 1;
  PEERFOLD_HD static constexpr uint32_t shift(uint32_t e) noexcept {
    return e % per_word * (32 / per_word);
  }
};

/// Reads a pack from memory that is aligned to it. Never through the non-coherent path: the
/// memory may be a peer's, or a peer may write beside it.
template <class Pack>
PEERFOLD_HD inline Pack load_vector(const void* address) noexcept {
#if PEERFOLD_DEVICE_PASS
  if constexpr (Pack::bytes == 16) {
    return peerfold::bit_cast<Pack>(*static_cast<const uint4*>(address));
  } else if constexpr (Pack::bytes == 8) {
    return peerfold::bit_cast<Pack>(*static_cast<const uint2*>(address));
  } else {
    return *static_cast<const Pack*>(address);
  }
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
  if constexpr (Pack::bytes == 16) {
    *static_cast<uint4*>(address) = peerfold::bit_cast<uint4>(value);
  } else if constexpr (Pack::bytes == 8) {
    *static_cast<uint2*>(address) = peerfold::bit_cast<uint2>(value);
  } else {
    *static_cast<Pack*>(address) = value;
  }
#else
  __builtin_memcpy(address, &value, sizeof(Pack));
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
