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

TEST_CASE("elements are trivially copyable and fill packs") {
  STATIC_REQUIRE(peerfold::element<float>);
  STATIC_REQUIRE(peerfold::element<std::int8_t>);
  STATIC_REQUIRE(!peerfold::element<const float>);
  STATIC_REQUIRE(!peerfold::element<long double>);
  struct three_bytes {
    char bytes[3];
  };
  STATIC_REQUIRE(!peerfold::element<three_bytes>);
  struct pair_of_floats {
    float a, b;
  };
  STATIC_REQUIRE(peerfold::element<pair_of_floats>);
}

TEST_CASE("types that need no widening are folded as they are") {
  check_integer<std::int8_t>();
  check_integer<std::uint8_t>();
  check_integer<std::int32_t>();
  check_integer<std::uint32_t>();
  check_integer<std::int64_t>();
  check_integer<std::uint64_t>();
  STATIC_REQUIRE(std::is_same_v<peerfold::accumulator_t<float>, float>);
  STATIC_REQUIRE(std::is_same_v<peerfold::accumulator_t<double>, double>);
}

#if PEERFOLD_HAS_FLOAT16

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

#endif
