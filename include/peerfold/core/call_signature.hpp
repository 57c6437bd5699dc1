/// \file
/// Call signatures: what ranks must agree on in a call, and the digest by which they find out
/// whether they do.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>

namespace peerfold {

namespace detail {

/// FNV-1a, 32 bits.
PEERFOLD_HD constexpr uint32_t hash_text(const char* text) noexcept {
  uint32_t hash = 2'166'136'261u;
  for (; *text != '\0'; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 16'777'619u;
  return hash;
}

/// Spreads the bits of a word; the constants are those of MurmurHash3's finaliser.
PEERFOLD_HD constexpr uint64_t spread(uint64_t x) noexcept {
  x = (x ^ (x >> 33)) * 0xff51'afd7'ed55'8ccdu;
  x = (x ^ (x >> 33)) * 0xc4ce'b9fe'1a85'ec53u;
  return x ^ (x >> 33);
}

}  // namespace detail

/// A number for a type: the same in all translation units that a compiler made, made from its name.
/// So g++ gives lambdas of one function that take the same arguments the same number, and types of
/// the same name in anonymous namespaces of different files share one.
template <class T>
PEERFOLD_HD constexpr uint32_t type_number() noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
  return detail::hash_text(__FUNCSIG__);
#else
  return detail::hash_text(__PRETTY_FUNCTION__);
#endif
}

/// What ranks must agree on in a call. Two ranks with the same digest are taken to agree: of calls
/// that differ, one pair in 2^32 goes unnoticed.
struct call_signature {
  uint64_t count = 0;  ///< elements of a part, or of the largest
  collective which = collective::none;
  uint32_t element = 0;      ///< type_number() of the element type; 0: not known
  uint32_t operation = 0;    ///< of the operator; 0: nothing is folded
  uint32_t finish = 0;       ///< of the finish functor
  int32_t root = 0;          ///< where there is one
  uint32_t parts_table = 0;  ///< for parts that are not all of one size, see parts_table_of()
  uint32_t share = 0;        ///< elements of a tile's share
  uint16_t lanes = 0;        ///< of a block
  uint16_t parts = 0;        ///< shares of a tile
  uint16_t blocks = 0;       ///< that a rank uses
  uint8_t algorithm = 0;     ///< as in the policy
  uint8_t transport = 0;     ///< likewise

  friend PEERFOLD_HD constexpr bool operator==(const call_signature&,
                                               const call_signature&) = default;
};

/// What call_signature::parts_table says of the parts.
enum class parts_kind { equal, unequal, exchanged, tensors, transfers };

[[nodiscard]] PEERFOLD_HD constexpr uint32_t parts_table_of(parts_kind kind,
                                                            uint64_t hash) noexcept {
  const auto number = static_cast<uint32_t>(hash ^ hash >> 32);
  return kind == parts_kind::equal ? 0 : (number & ~7u) | static_cast<uint32_t>(kind);
}
[[nodiscard]] PEERFOLD_HD constexpr parts_kind parts_of_call(const call_signature& call) noexcept {
  return static_cast<parts_kind>(call.parts_table & 7u);
}

/// The digest of a signature: 32 bits, in two halves, as they travel.
struct call_digest {
  uint32_t low = 0;   ///< 16 bits
  uint32_t high = 0;  ///< 16 bits

  [[nodiscard]] PEERFOLD_HD constexpr uint32_t whole() const noexcept { return low | high << 16; }
};

PEERFOLD_HD constexpr call_digest digest_of(const call_signature& call) noexcept {
  uint64_t hash = detail::spread(call.count + 1);
  const auto add = [&](uint64_t high, uint64_t low) {
    hash = detail::spread(hash ^ (high << 32 | low));
  };
  add(static_cast<uint32_t>(call.which), call.element);
  add(call.operation, call.finish);
  add(static_cast<uint32_t>(call.root),
      uint32_t{call.blocks} << 16 | uint32_t{call.algorithm} << 8 | call.transport);
  add(call.share, uint32_t{call.parts} << 16 | call.lanes);
  if (call.parts_table != 0) add(call.parts_table, 0);
  const auto digest = static_cast<uint32_t>(hash ^ (hash >> 32));
  return {digest & 0xffffu, digest >> 16};
}

}  // namespace peerfold
