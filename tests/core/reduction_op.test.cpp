#include <support/catch.hpp>
#include <support/contract_program.hpp>
#include <support/oracle.hpp>

#include <peerfold/core/reduction_op.hpp>

#include <array>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace {

namespace oracle = peerfold::test::oracle;
using oracle::operation;

// Padding is folded by the library's own operators and finishes alone.
struct my_sum : peerfold::sum {};
template <class Op, class Finish>
constexpr bool folds_padding = peerfold::folds_padding<float, Op, Finish>;
using round = peerfold::default_finish_t<peerfold::sum, float, 2>;
using average = peerfold::default_finish_t<peerfold::avg, float, 2>;
static_assert(folds_padding<peerfold::sum, round> && folds_padding<peerfold::avg, average>);
template <class T, class Op>
constexpr bool folds_padding_of =
    peerfold::folds_padding<T, Op, peerfold::default_finish_t<Op, T, 2>>;
static_assert(folds_padding_of<bool, peerfold::bit_or> &&
              folds_padding_of<std::complex<float>, peerfold::avg>);
static_assert(!folds_padding_of<peerfold::value_index<float>, peerfold::argmin>);
static_assert(!folds_padding<my_sum, round> && !folds_padding<peerfold::sum, my_sum>);

/// Folds as the library does, of one element of each of N ranks.
template <class Op, class T, int N>
T fold(const std::array<T, N>& values) {
  using traits = peerfold::element_traits<T>;
  auto total = traits::widen(values[0]);
  for (std::size_t r = 1; r < N; ++r) total = Op{}(total, traits::widen(values[r]));
  return peerfold::default_finish_t<Op, T, N>{}(total);
}

template <class Op, class T, int N>
void check_against_oracle(operation op) {
  INFO("operation " << static_cast<int>(op) << ", " << sizeof(T) << " bytes, " << N << " ranks");
  int wrong = 0;
  for (std::size_t i = 0; i < 20'000; ++i) {
    std::array<T, N> values;
    for (int r = 0; r < N; ++r) {
      values[static_cast<std::size_t>(r)] = peerfold::test::input_value<T>(op, 3, r, i);
    }
    if (!oracle::same(fold<Op, T, N>(values), oracle::all_reduce<T>(op, values))) ++wrong;
  }
  CHECK(wrong == 0);
}

template <class T>
void check_type() {
  check_against_oracle<peerfold::sum, T, 2>(operation::sum);
  check_against_oracle<peerfold::sum, T, 8>(operation::sum);
  check_against_oracle<peerfold::prod, T, 3>(operation::prod);
  check_against_oracle<peerfold::min, T, 4>(operation::min);
  check_against_oracle<peerfold::max, T, 4>(operation::max);
  check_against_oracle<peerfold::avg, T, 1>(operation::avg);
  check_against_oracle<peerfold::avg, T, 3>(operation::avg);
  check_against_oracle<peerfold::avg, T, 7>(operation::avg);
}

template <class T>
void check_bits() {
  check_against_oracle<peerfold::bit_and, T, 3>(operation::bit_and);
  check_against_oracle<peerfold::bit_or, T, 4>(operation::bit_or);
  check_against_oracle<peerfold::bit_xor, T, 5>(operation::bit_xor);
}

template <class T>
std::string bits(T value) {
  return std::to_string(oracle::bits_of(value));
}

template <class T>
void check_zeros_and_nans() {
  // From their bits: -ffast-math would fold a literal.
  using word = oracle::bits_t<T>;
  constexpr auto one_bit = [](int i) { return static_cast<word>(word{1} << i); };
  constexpr int width = 8 * static_cast<int>(sizeof(T));
  constexpr int mantissa = std::numeric_limits<T>::digits - 1;
  const T plus = 0;
  const T minus = __builtin_bit_cast(T, one_bit(width - 1));
  const T infinity =
      __builtin_bit_cast(T, static_cast<word>(one_bit(width - 1) - one_bit(mantissa)));
  const T nan =
      __builtin_bit_cast(T, static_cast<word>(one_bit(width - 1) - one_bit(mantissa - 1) + 5));
  const T tiny = __builtin_bit_cast(T, word{1});
  const peerfold::min min;
  const peerfold::max max;
  CHECK(bits(min(plus, minus)) == bits(minus));
  CHECK(bits(min(minus, plus)) == bits(minus));
  CHECK(bits(max(plus, minus)) == bits(plus));
  CHECK(bits(max(minus, plus)) == bits(plus));
  CHECK(bits(peerfold::sum{}(minus, minus)) == bits(minus));
  CHECK(bits(peerfold::sum{}(minus, plus)) == bits(plus));
  CHECK(bits(peerfold::sum{}(tiny, tiny)) == bits(__builtin_bit_cast(T, word{2})));
  CHECK(bits(peerfold::prod{}(tiny, T{1})) == bits(tiny));
  CHECK(bits(peerfold::prod{}(minus, T{3})) == bits(minus));
  for (const T other : {plus, T{-3}, infinity}) {
    CHECK(oracle::is_nan(min(nan, other)));
    CHECK(oracle::is_nan(min(other, nan)));
    CHECK(oracle::is_nan(max(nan, other)));
    CHECK(oracle::is_nan(max(other, nan)));
    CHECK(oracle::is_nan(peerfold::sum{}(nan, other)));
  }
  CHECK(oracle::is_nan(peerfold::sum{}(
      infinity,
      __builtin_bit_cast(T, static_cast<word>(oracle::bits_of(infinity) | one_bit(width - 1))))));
  CHECK(oracle::is_nan(peerfold::prod{}(infinity, plus)));
}

}  // namespace

TEMPLATE_TEST_CASE("built-in operators fold as the oracle does", "", float, double, std::int32_t,
                   std::uint32_t, std::int64_t, std::uint64_t, std::int16_t, std::uint16_t,
                   std::int8_t, std::uint8_t) {
  check_type<TestType>();
  if constexpr (std::is_integral_v<TestType>) check_bits<TestType>();
}

TEST_CASE("bool is folded bit by bit, or by order") {
  check_bits<bool>();
  check_against_oracle<peerfold::min, bool, 3>(operation::min);
  check_against_oracle<peerfold::max, bool, 3>(operation::max);
}

TEST_CASE("complex numbers are folded part by part") {
  using complex = std::complex<float>;
  const complex tiny{0, 0x1p-70f};
  CHECK(peerfold::prod{}(tiny, tiny) == complex{-0x1p-140f, 0});
  check_against_oracle<peerfold::sum, complex, 8>(operation::sum);
  check_against_oracle<peerfold::prod, complex, 3>(operation::prod);
  check_against_oracle<peerfold::avg, complex, 7>(operation::avg);
}

TEST_CASE("which operators fold which elements") {
  using namespace peerfold;
  struct vector_2 {
    float x, y;
    vector_2 operator+(const vector_2& other) const { return {x + other.x, y + other.y}; }
  };
  struct vector_with_quotient : vector_2 {
    vector_with_quotient operator+(const vector_with_quotient& other) const { return other; }
    vector_with_quotient operator/(int) const { return *this; }
  };
  STATIC_REQUIRE(folds_elements<avg, std::int8_t>);
  STATIC_REQUIRE(folds_elements<bit_xor, std::uint64_t>);
  STATIC_REQUIRE(!folds_elements<bit_xor, float>);
  STATIC_REQUIRE(!folds_elements<sum, bool>);
  STATIC_REQUIRE(!folds_elements<prod, bool>);
  STATIC_REQUIRE(!folds_elements<avg, bool>);
  STATIC_REQUIRE(folds_elements<avg, std::complex<float>>);
  STATIC_REQUIRE(!folds_elements<min, std::complex<float>>);
  STATIC_REQUIRE(folds_elements<sum, vector_2>);
  STATIC_REQUIRE(!folds_elements<prod, vector_2>);
  STATIC_REQUIRE(!folds_elements<max, vector_2>);
  STATIC_REQUIRE(!folds_elements<avg, vector_2>);
  STATIC_REQUIRE(folds_elements<avg, vector_with_quotient>);
  STATIC_REQUIRE(folds_elements<argmin, value_index<float>>);
  STATIC_REQUIRE(!folds_elements<argmin, float>);
  STATIC_REQUIRE(!folds_elements<sum, value_index<float>>);
  STATIC_REQUIRE(!folds_elements<argmax, value_index<vector_2>>);
  enum plain { one };
  STATIC_REQUIRE(!folds_elements<sum, plain>);
}

TEST_CASE("argmin and argmax: the extreme value, of equal ones the smaller index") {
  using pair = peerfold::value_index<float>;
  const auto nan = __builtin_bit_cast(float, 0x7fc0'0001u);
  const auto first = [](const auto& op, const pair& a, const pair& b) {
    CHECK(op(a, b).index == op(b, a).index);
    return op(a, b).index;
  };
  const peerfold::argmin min;
  const peerfold::argmax max;
  CHECK(first(min, {1, 7}, {2, 3}) == 7);
  CHECK(first(max, {1, 7}, {2, 3}) == 3);
  CHECK(first(min, {5, 7}, {5, 3}) == 3);
  CHECK(first(max, {5, 7}, {5, 3}) == 3);
  CHECK(first(min, {0.0f, 1}, {-0.0f, 2}) == 2);
  CHECK(first(max, {0.0f, 2}, {-0.0f, 1}) == 2);
  CHECK(first(min, {nan, 9}, {-1, 2}) == 9);
  CHECK(first(max, {nan, 9}, {1, 2}) == 9);
  CHECK(first(max, {nan, 9}, {nan, 4}) == 4);
  using integers = peerfold::value_index<std::int16_t, std::uint16_t>;
  CHECK(max(integers{-3, 1}, integers{4, 2}) == integers{4, 2});
  CHECK(min(integers{-3, 5}, integers{-3, 2}) == integers{-3, 2});
#if PEERFOLD_ORACLE_HAS_FLOAT16
  using halves = peerfold::value_index<__half, std::int16_t>;
  CHECK(max(halves{__float2half(2), 1}, halves{__float2half(3), 2}).index == 2);
#endif
}

#if PEERFOLD_ORACLE_HAS_FLOAT16
TEST_CASE("built-in operators fold half as the oracle does") { check_type<__half>(); }
TEST_CASE("built-in operators fold bfloat16 as the oracle does") { check_type<__nv_bfloat16>(); }
TEST_CASE("built-in operators fold fp8 as the oracle does") {
  check_type<__nv_fp8_e4m3>();
  check_type<__nv_fp8_e5m2>();
}
#endif

TEMPLATE_TEST_CASE("zeros have signs, and a NaN reaches the result", "", float, double) {
  check_zeros_and_nans<TestType>();
}

TEST_CASE("integers wrap") {
  constexpr auto most = std::numeric_limits<std::int32_t>::max();
  constexpr auto least = std::numeric_limits<std::int32_t>::min();
  CHECK(peerfold::sum{}(most, 1) == least);
  CHECK(peerfold::prod{}(most, 2) == -2);
  CHECK(peerfold::prod{}(least, -1) == least);
  CHECK(peerfold::sum{}(std::int8_t{127}, std::int8_t{1}) == -128);
  CHECK(peerfold::prod{}(std::uint8_t{16}, std::uint8_t{17}) == 16);
  CHECK(peerfold::prod{}(std::uint16_t{0xffff}, std::uint16_t{0xffff}) == 1);
  CHECK(peerfold::sum{}(std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}) ==
        std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("an integer average divides the wrapped sum and truncates toward zero") {
  CHECK(fold<peerfold::avg, std::int32_t, 2>({-3, 0}) == -1);
  CHECK(fold<peerfold::avg, std::int32_t, 3>({1, 1, 3}) == 1);
  CHECK(fold<peerfold::avg, std::int8_t, 2>({100, 100}) == -28);
  CHECK(fold<peerfold::avg, std::uint8_t, 2>({200, 100}) == 22);
}

TEST_CASE("operators and finishes travel to kernels") {
  STATIC_REQUIRE(std::is_trivially_copyable_v<peerfold::sum>);
  STATIC_REQUIRE(std::is_empty_v<peerfold::avg>);
  STATIC_REQUIRE(std::is_same_v<peerfold::default_finish_t<peerfold::sum, float, 3>,
                                peerfold::round_to<float>>);
  STATIC_REQUIRE(std::is_same_v<peerfold::default_finish_t<peerfold::avg, float, 3>,
                                peerfold::divide_by_ranks<float, 3>>);
}
