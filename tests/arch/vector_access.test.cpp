#include "support/catch.hpp"

#include <peerfold/arch/vector_access.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace arch = peerfold::arch;

// A pack fills its access: no padding, aligned to itself.
template <class T, int Bytes>
constexpr bool fills =
    sizeof(arch::pack<T, Bytes>) == Bytes && alignof(arch::pack<T, Bytes>) == Bytes &&
    arch::pack<T, Bytes>::size * sizeof(T) == Bytes &&
    std::is_trivially_copyable_v<arch::pack<T, Bytes>>;
static_assert(fills<std::uint8_t, 8> && fills<std::uint8_t, 16>);
static_assert(fills<std::int16_t, 8> && fills<float, 8> && fills<float, 16>);
static_assert(fills<double, 8> && fills<double, 16> && fills<double, 32>);

template <class T, int Bytes>
concept has_pack = requires { typename arch::pack<T, Bytes>; };
static_assert(!has_pack<double, 4>, "an element does not fit");
static_assert(!has_pack<char[3], 9>, "not an element");

TEMPLATE_TEST_CASE("packs move all their bytes, and none beside them", "",
                   (arch::pack<std::uint8_t, 8>), (arch::pack<std::uint8_t, 16>),
                   (arch::pack<float, 8>), (arch::pack<double, 16>), (arch::pack<std::int32_t, 4>),
                   (arch::pack<std::uint64_t, 32>)) {
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
