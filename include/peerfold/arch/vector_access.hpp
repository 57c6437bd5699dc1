/// \file
/// Packs: as many elements as one access moves, and the accesses that move them.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>

namespace peerfold::arch {

/// The elements of T that fill `Bytes` bytes, moved by one access.
template <element T, int Bytes>
  requires(Bytes % static_cast<int>(sizeof(T)) == 0)
struct alignas(Bytes) pack {
  using value_type = T;
  static constexpr int bytes = Bytes;
  static constexpr int size = Bytes / static_cast<int>(sizeof(T));  ///< in elements
  T at[size];
};

/// Reads a pack from memory that is aligned to it. Never through the non-coherent path: the
/// memory may be a peer's, or a peer may write beside it.
template <class Pack>
PEERFOLD_HD inline Pack load_vector(const void* address) noexcept {
#if PEERFOLD_DEVICE_PASS
  if constexpr (Pack::bytes == 16) {
    return bit_cast<Pack>(*static_cast<const uint4*>(address));
  } else if constexpr (Pack::bytes == 8) {
    return bit_cast<Pack>(*static_cast<const uint2*>(address));
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
    *static_cast<uint4*>(address) = bit_cast<uint4>(value);
  } else if constexpr (Pack::bytes == 8) {
    *static_cast<uint2*>(address) = bit_cast<uint2>(value);
  } else {
    *static_cast<Pack*>(address) = value;
  }
#else
  __builtin_memcpy(address, &value, sizeof(Pack));
#endif
}

/// Whether `address` is aligned to `bytes`, a power of two.
PEERFOLD_HD inline bool is_aligned(const void* address, size_t bytes) noexcept {
  return (reinterpret_cast<uintptr_t>(address) & (bytes - 1)) == 0;
}

}  // namespace peerfold::arch
