#include "support/catch.hpp"

#include <peerfold/arch/vector_access.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace arch = peerfold::arch;

// A pack fills its accesses, and is aligned to them.
template <class T, int Bytes>
constexpr bool fills =
    sizeof(arch::pack<T, Bytes>) == Bytes &&
    alignof(arch::pack<T, Bytes>) == (Bytes % 16 == 0  ? 16
                                      : Bytes % 8 == 0 ? 8
                                                       : 4) &&
    arch::pack<T, Bytes>::size * sizeof(T) == Bytes && arch::pack<T, Bytes>::is_full &&
    std::is_trivially_copyable_v<arch::pack<T, Bytes>>;
static_assert(fills<std::uint8_t, 8> && fills<std::uint8_t, 16>);
static_assert(fills<std::int16_t, 8> && fills<float, 8> && fills<float, 16>);
static_assert(fills<double, 8> && fills<double, 16> && fills<double, 32>);

using three = std::array<std::uint8_t, 3>;
using seven = std::array<std::uint8_t, 7>;
using twelve = std::array<float, 3>;
using twenty = std::array<std::uint16_t, 10>;
using hundred = std::array<std::int32_t, 25>;
static_assert(fills<three, 24> && fills<twelve, 48> && fills<twelve, 12>);
static_assert(!arch::pack<hundred, 112>::is_full && arch::pack<hundred, 112>::size == 1);

template <class T, int Bytes>
concept has_pack = requires { typename arch::pack<T, Bytes>; };
static_assert(!has_pack<double, 4>, "an element does not fit");
static_assert(!has_pack<three, 9>, "no whole words");

TEST_CASE("packs hold as many elements as come out even in few accesses, or one") {
  CHECK(arch::pack_bytes<std::uint8_t, 8> == 8);
  CHECK(arch::pack_bytes<double, 16> == 16);
  CHECK(arch::pack_bytes<three, 8> == 24);
  CHECK(arch::pack_bytes<three, 16> == 48);
  CHECK(arch::pack_bytes<twelve, 8> == 24);
  CHECK(arch::pack_bytes<twelve, 16> == 48);
  CHECK(arch::pack_bytes<twenty, 8> == 40);
  CHECK(arch::pack_bytes<twenty, 16> == 80);
  CHECK(arch::pack_bytes<seven, 8> == 8);
  CHECK(arch::pack_bytes<seven, 16> == 16);
  CHECK(arch::pack_bytes<hundred, 16> == 112);
}

TEMPLATE_TEST_CASE("packs keep every element where it is put", "", (arch::pack<std::uint8_t, 16>),
                   (arch::pack<std::int16_t, 8>), (arch::pack<float, 16>), (arch::pack<double, 16>),
                   (arch::pack<three, 24>), (arch::pack<seven, 16>), (arch::pack<twelve, 48>),
                   (arch::pack<twenty, 40>), (arch::pack<hundred, 112>)) {
  using T = typename TestType::value_type;
  TestType values{};
  const auto element = [](std::uint32_t e) {
    T made;
    auto* bytes = reinterpret_cast<unsigned char*>(&made);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes[i] = static_cast<unsigned char>(13 * e + 3 * i + 1);
    }
    return made;
  };
  // In no order: none disturbs its neighbours.
  for (std::uint32_t k = 0; k < TestType::size; ++k) {
    const std::uint32_t e = (k * 5 + 3) % TestType::size;
    values.set(e, element(e));
    if (TestType::size % 5 == 0) values.set(k, element(k));
  }
  for (std::uint32_t e = 0; e < TestType::size; ++e) {
    const T found = values.get(e);
    const T wanted = element(e);
    CHECK(std::memcmp(&found, &wanted, sizeof(T)) == 0);
  }
  // As they lie in memory.
  for (std::uint32_t e = 0; e < TestType::size; ++e) {
    const T wanted = element(e);
    CHECK(std::memcmp(reinterpret_cast<unsigned char*>(&values) + e * sizeof(T), &wanted,
                      sizeof(T)) == 0);
  }
}

TEST_CASE("vectors are for full packs that are aligned to their accesses") {
  alignas(64) const unsigned char memory[64] = {};
  using arch::takes_vectors;
  CHECK(takes_vectors<arch::pack<float, 16>>(memory));
  CHECK_FALSE(takes_vectors<arch::pack<float, 16>>(memory + 8));
  CHECK(takes_vectors<arch::pack<float, 8>>(memory + 8));
  CHECK(takes_vectors<arch::pack<twelve, 48>>(memory + 16));
  CHECK_FALSE(takes_vectors<arch::pack<twelve, 48>>(memory + 12));
  CHECK(takes_vectors<arch::pack<twelve, 24>>(memory + 24));
  CHECK_FALSE(takes_vectors<arch::pack<hundred, 112>>(memory));
}

TEMPLATE_TEST_CASE("packs move all their bytes, and none beside them", "",
                   (arch::pack<std::uint8_t, 8>), (arch::pack<std::uint8_t, 16>),
                   (arch::pack<float, 8>), (arch::pack<double, 16>), (arch::pack<std::int32_t, 4>),
                   (arch::pack<std::uint64_t, 32>), (arch::pack<twelve, 48>),
                   (arch::pack<three, 24>)) {
  constexpr std::size_t bytes = TestType::bytes;
  alignas(64) unsigned char from[bytes * 3];
  alignas(64) unsigned char to[bytes * 3];
  for (std::size_t i = 0; i < sizeof(from); ++i) from[i] = static_cast<unsigned char>(7 * i + 1);
  std::memset(to, 0xee, sizeof(to));

  arch::store_vector(to + bytes, arch::load_vector<TestType>(from + bytes));

  CHECK(std::memcmp(to + bytes, from + bytes, bytes) == 0);
  for (std::size_t i = 0; i < bytes; ++i) {
    REQUIRE(to[i] == 0xee);
    REQUIRE(to[2 * bytes + i] == 0xee);
  }
}

TEST_CASE("alignment") {
  alignas(64) const unsigned char memory[64] = {};
  for (std::size_t bytes = 1; bytes <= 32; bytes *= 2) {
    for (std::size_t i = 0; i < 32; ++i) {
      CHECK(arch::is_aligned(memory + i, bytes) == (i % bytes == 0));
    }
  }
}
