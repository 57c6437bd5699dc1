#include <support/catch.hpp>
#include <support/oracle.hpp>

#include <peerfold/core/element.hpp>

#include <cstdint>
#include <type_traits>

namespace {

namespace oracle = peerfold::test::oracle;

template <class T>
void check_integer() {
  static_assert(std::is_same_v<peerfold::accumulator_t<T>, T>);
  static_assert(peerfold::element_traits<T>::widen(T{77}) == 77);
  static_assert(peerfold::element_traits<T>::narrow(T{77}) == 77);
}

}  // namespace

TEST_CASE("elements are trivially copyable, and of a size that lanes can hold") {
  STATIC_REQUIRE(peerfold::element<float>);
  STATIC_REQUIRE(peerfold::element<std::int8_t>);
  STATIC_REQUIRE(!peerfold::element<const float>);
  struct three_bytes {
    char bytes[3];
  };
  STATIC_REQUIRE(peerfold::element<three_bytes>);
  struct largest {
    char bytes[peerfold::largest_element];
  };
  STATIC_REQUIRE(peerfold::element<largest>);
  struct too_large {
    largest one;
    char more;
  };
  STATIC_REQUIRE(!peerfold::element<too_large>);
  struct pair_of_floats {
    float a, b;
  };
  STATIC_REQUIRE(peerfold::element<pair_of_floats>);
}

TEST_CASE("types that need no widening are folded as they are") {
  check_integer<std::int16_t>();
  check_integer<std::uint16_t>();
  check_integer<std::int8_t>();
  check_integer<std::uint8_t>();
  check_integer<std::int32_t>();
  check_integer<std::uint32_t>();
  check_integer<std::int64_t>();
  check_integer<std::uint64_t>();
  STATIC_REQUIRE(std::is_same_v<peerfold::accumulator_t<float>, float>);
  STATIC_REQUIRE(std::is_same_v<peerfold::accumulator_t<double>, double>);
}

#if PEERFOLD_ORACLE_HAS_FLOAT16

namespace {

/// Every value of a 16-bit type, there and back, and what rounding does around it.
template <class T, int Mantissa>
void check_conversions() {
  using traits = peerfold::element_traits<T>;
  using format = oracle::binary16<Mantissa>;
  static_assert(std::is_same_v<peerfold::accumulator_t<T>, float>);
  int wrong = 0;
  const auto check_narrow = [&](std::uint32_t bits) {
    const auto expected = __builtin_bit_cast(T, format::narrow(bits));
    const auto value = __builtin_bit_cast(float, bits);
    if (!oracle::same(traits::narrow(value), expected)) ++wrong;
  };
  for (std::uint32_t i = 0; i < 0x1'0000u; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const auto value = __builtin_bit_cast(T, bits);
    const std::uint32_t wide = format::widen(bits);
    if (!oracle::same(traits::widen(value), __builtin_bit_cast(float, wide))) ++wrong;
    if (!oracle::same(traits::narrow(traits::widen(value)), value)) ++wrong;
    // Between this value and the next: just past, the middle and its neighbours, just before.
    if (format::is_nan(bits) || format::is_nan(static_cast<std::uint16_t>(bits + 1))) continue;
    const std::uint32_t next = format::widen(static_cast<std::uint16_t>(bits + 1));
    const std::uint32_t middle = wide + (next - wide) / 2;
    for (const std::uint32_t near : {wide + 1, middle - 1, middle, middle + 1, next - 1}) {
      check_narrow(near);
    }
  }
  // All over the floats, with all exponents.
  std::uint32_t bits = 0;
  for (int i = 0; i < 3'000'000; ++i) {
    bits = bits * 1664525u + 1013904223u;
    check_narrow(bits);
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("half converts as the oracle does") { check_conversions<__half, 10>(); }
TEST_CASE("bfloat16 converts as the oracle does") { check_conversions<__nv_bfloat16, 7>(); }

namespace {

/// Every value there and back, and around the middle between it and the next.
template <class T, int Mantissa>
void check_8_bits() {
  using traits = peerfold::element_traits<T>;
  using format = oracle::binary8<Mantissa>;
  static_assert(std::is_same_v<peerfold::accumulator_t<T>, float>);
  int wrong = 0;
  const auto check_narrow = [&](std::uint32_t bits) {
    const auto value = __builtin_bit_cast(float, bits);
    const auto found = oracle::bits_of(traits::narrow(value));
    if (found != format::narrow(bits)) ++wrong;
    // CUDA's own, which makes the largest number of infinity.
    if ((bits & 0x7fff'ffffu) < 0x7f80'0000u && found != oracle::bits_of(T{value})) ++wrong;
  };
  const auto check_near = [&](std::uint32_t bits) {
    for (const std::uint32_t sign : {0u, 0x8000'0000u}) {
      for (const std::uint32_t near : {bits - 1, bits, bits + 1}) check_narrow(near | sign);
    }
  };
  for (int i = 0; i < 256; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    const auto value = __builtin_bit_cast(T, bits);
    const auto wide = __builtin_bit_cast(float, format::widen(bits));
    if (!oracle::same(traits::widen(value), wide)) ++wrong;
    if (!oracle::same(traits::widen(value), static_cast<float>(value))) ++wrong;
    if (!oracle::same(traits::narrow(traits::widen(value)), value)) ++wrong;
    if (i >= format::largest) continue;
    check_near(format::value(i + 1));
    check_near(format::middle_above(i));
  }
  std::uint32_t bits = 0;
  for (int i = 0; i < 300'000; ++i) {
    bits = bits * 1664525u + 1013904223u;
    check_narrow(bits);
  }
  CHECK(wrong == 0);
  constexpr std::uint32_t infinity = 0x7f80'0000u;
  const auto narrow = [](std::uint32_t from) {
    return int{oracle::bits_of(traits::narrow(__builtin_bit_cast(float, from)))};
  };
  CHECK(narrow(infinity) == (Mantissa == 2 ? 0x7c : format::largest));
  CHECK(narrow(infinity - 1) == format::largest);
}

}  // namespace

TEST_CASE("fp8 e4m3 converts as the oracle and CUDA do") { check_8_bits<__nv_fp8_e4m3, 3>(); }
TEST_CASE("fp8 e5m2 converts as the oracle and CUDA do") { check_8_bits<__nv_fp8_e5m2, 2>(); }

#endif
