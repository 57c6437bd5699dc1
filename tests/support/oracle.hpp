/// \file
/// The serial reference of the collectives: what every policy in every place must give, bit for
/// bit. It shares nothing with the library but the collectives' names. Elements are folded in rank
/// order in the accumulator type and rounded once; conversions of 8- and 16-bit types are integer
/// arithmetic; floating-point operations stand in oracle.cpp, which is built without the options of
/// the test around it.
#pragma once

#include <algorithm>
#include <peerfold/core/collective.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__CUDACC__) || __has_include(<cuda_bf16.h>)
#define PEERFOLD_ORACLE_HAS_FLOAT16 1
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#else
#define PEERFOLD_ORACLE_HAS_FLOAT16 0
#endif

namespace peerfold::test::oracle {

/// `mix` is no operator of the library but a functor of the tests: 3 a + b on the bits of the
/// accumulators, or byte by byte where no integer is as wide. It commutes with nothing, and rounds
/// nothing.
enum class operation { sum, prod, min, max, avg, mix, bit_and, bit_or, bit_xor, argmin, argmax };

// oracle.cpp: one IEEE operation each, rounded to nearest even, with subnormals.
float add(float a, float b);
float multiply(float a, float b);
float divide(float a, float b);
double add(double a, double b);
double multiply(double a, double b);
double divide(double a, double b);

/// A binary floating-point format of 16 bits with `Mantissa` stored bits of the significand.
template <int Mantissa>
struct binary16 {
  static constexpr int exponent_bits = 15 - Mantissa;
  static constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  static constexpr std::uint32_t infinity = ((1u << exponent_bits) - 1) << Mantissa;
  /// The exponent of the last place of the smallest numbers.
  static constexpr int least = 1 - bias - Mantissa;

  static constexpr bool is_nan(std::uint16_t bits) { return (bits & 0x7fffu) > infinity; }

  /// Exact.
  static constexpr std::uint32_t widen(std::uint16_t bits) {
    const std::uint32_t sign = (bits & 0x8000u) << 16;
    const std::uint32_t magnitude = bits & 0x7fffu;
    if (magnitude > infinity) return sign | 0x7fc0'0000u;
    if (magnitude == infinity) return sign | 0x7f80'0000u;
    if (magnitude == 0) return sign;
    const std::uint32_t field = magnitude >> Mantissa;
    std::uint32_t significand = magnitude & ((1u << Mantissa) - 1);
    int exponent = least;  // of the significand's last place
    if (field != 0) {
      significand |= 1u << Mantissa;
      exponent += static_cast<int>(field) - 1;
    }
    // A float's significand has 24 bits, its smallest last place is 2^-149.
    while (significand < (1u << 23) && exponent > -149) {
      significand <<= 1;
      --exponent;
    }
    if (significand < (1u << 23)) return sign | significand;
    return sign | (static_cast<std::uint32_t>(exponent + 150) << 23) | (significand & 0x7f'ffffu);
  }

  /// Rounded to nearest, ties to even.
  static constexpr std::uint16_t narrow(std::uint32_t bits) {
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fff'ffffu;
    if (magnitude > 0x7f80'0000u) return 0x7fff;
    if (magnitude == 0x7f80'0000u) return static_cast<std::uint16_t>(sign | infinity);
    const std::uint32_t field = magnitude >> 23;
    const std::uint32_t significand = (magnitude & 0x7f'ffffu) | (field != 0 ? 1u << 23 : 0);
    const int exponent = static_cast<int>(field != 0 ? field : 1) - 150;
    int last = exponent + 24 - (Mantissa + 1);  // of the result, if it is not tiny
    if (last < least) last = least;
    const int shift = last - exponent;
    if (shift > 25) return static_cast<std::uint16_t>(sign);
    const std::uint32_t half = 1u << (shift - 1);
    const std::uint32_t rest = significand & (2 * half - 1);
    std::uint32_t rounded = significand >> shift;
    if (rest > half || (rest == half && (rounded & 1u) != 0)) ++rounded;
    // The leading bit of `rounded`, where there is one, adds one to the exponent field.
    const std::uint32_t result = (static_cast<std::uint32_t>(last - least) << Mantissa) + rounded;
    return static_cast<std::uint16_t>(sign | (result < infinity ? result : infinity));
  }
};

/// A binary floating-point format of 8 bits with `Mantissa` stored bits of the significand: 3
/// (e4m3, without infinity) or 2 (e5m2). By way of half precision: the numbers of e5m2 are the
/// upper halves of its numbers, those of e4m3 are its numbers times 2^8.
template <int Mantissa>
struct binary8 {
  static constexpr int largest = Mantissa == 3 ? 0x7e : 0x7b;

  /// Number `magnitude`, at most the largest, as the bits of a float.
  static constexpr std::uint32_t value(int magnitude) {
    constexpr int shift = Mantissa == 3 ? 7 : 8;
    constexpr std::uint32_t scale = Mantissa == 3 ? 8u << 23 : 0;
    const std::uint32_t half = binary16<10>::widen(static_cast<std::uint16_t>(magnitude << shift));
    return half == 0 ? 0 : half + scale;
  }
  static constexpr std::uint32_t widen(std::uint8_t bits) {
    const std::uint32_t sign = (bits & 0x80u) << 24;
    const int magnitude = bits & 0x7f;
    if (magnitude <= largest) return sign | value(magnitude);
    return sign | (Mantissa == 2 && magnitude == largest + 1 ? 0x7f80'0000u : 0x7fc0'0000u);
  }
  /// The nearest number, of two the even one, however far; e5m2 keeps infinity. A NaN is all ones.
  static constexpr std::uint8_t narrow(std::uint32_t bits) {
    const std::uint32_t wanted = bits & 0x7fff'ffffu;
    const std::uint32_t sign = bits >> 24 & 0x80u;
    if (wanted > 0x7f80'0000u) return 0x7f;
    int low = 0;  // the last number that is not above it
    for (int step = 64; step != 0; step /= 2) {
      if (low + step <= largest && value(low + step) <= wanted) low += step;
    }
    if (low < largest) {
      const std::uint32_t middle = middle_above(low);
      if (wanted > middle || (wanted == middle && low % 2 == 1)) ++low;
    }
    if (Mantissa == 2 && wanted == 0x7f80'0000u) low = largest + 1;
    return static_cast<std::uint8_t>(sign | static_cast<unsigned>(low));
  }
  /// Half way from number `low` to the next, as the bits of a float; these grow evenly between two
  /// powers of two, and no number and the next lie on both sides of one.
  static constexpr std::uint32_t middle_above(int low) {
    if (low == 0) return value(1) - (1u << 23);
    return value(low) + (value(low + 1) - value(low)) / 2;
  }
};

/// An unsigned integer as wide as T.
template <class T>
using bits_t = std::conditional_t<
    sizeof(T) == 1, std::uint8_t,
    std::conditional_t<sizeof(T) == 2, std::uint16_t,
                       std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

template <class T>
inline constexpr bool has_bits =
    sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8;
template <class T>
constexpr bits_t<T> bits_of(const T& value) {
  return __builtin_bit_cast(bits_t<T>, value);
}
/// The bytes of a value.
template <class T>
struct bytes_of_value {
  unsigned char at[sizeof(T)];

  constexpr bool operator==(const bytes_of_value&) const = default;
};
template <class T>
constexpr bytes_of_value<T> bytes_in(const T& value) {
  return __builtin_bit_cast(bytes_of_value<T>, value);
}

namespace detail {

/// How elements of type T are folded: here, by the operators that they have.
template <class T>
struct arithmetic {
  using accumulator = T;
  static T widen(const T& value) { return value; }
  static T narrow(const T& value) { return value; }
  static bool is_nan(const T&) { return false; }
  static T add(const T& a, const T& b)
    requires requires { a + b; }
  {
    return a + b;
  }
  static T divide(const T& a, int n)
    requires requires { a / n; }
  {
    return a / n;
  }
};

template <class T>
  requires std::is_integral_v<T>
struct arithmetic<T> {
  // All in 64 unsigned bits, cut down to T after every step: that is what wrapping means.
  using accumulator = T;
  static accumulator widen(T value) { return value; }
  static T narrow(accumulator value) { return value; }
  static bool is_nan(T) { return false; }
  static T add(T a, T b) {
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
  static T multiply(T a, T b) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
  static T divide(T a, int n) {
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(static_cast<std::int64_t>(a) / n);
    } else {
      return static_cast<T>(static_cast<std::uint64_t>(a) / static_cast<unsigned>(n));
    }
  }
  static bool less(T a, T b) { return a < b; }
};

template <class T>
  requires std::is_floating_point_v<T>
struct arithmetic<T> {
  using accumulator = T;
  using bits = bits_t<T>;
  static constexpr bits sign = bits{1} << (8 * sizeof(T) - 1);
  static constexpr bits infinity =
      sizeof(T) == 4 ? static_cast<bits>(0x7f80'0000u) : static_cast<bits>(0x7ff0'0000'0000'0000u);
  static accumulator widen(T value) { return value; }
  static T narrow(accumulator value) { return value; }
  static bool is_nan(T value) { return (bits_of(value) & ~sign) > infinity; }
  static T add(T a, T b) { return oracle::add(a, b); }
  static T multiply(T a, T b) { return oracle::multiply(a, b); }
  static T divide(T a, int n) { return oracle::divide(a, static_cast<T>(n)); }
  /// -0 is less than +0.
  static bool less(T a, T b) { return key(a) < key(b); }

 private:
  /// Grows with the value: magnitudes above the middle, negative ones mirrored below it.
  static bits key(T value) {
    const bits b = bits_of(value);
    return (b & sign) != 0 ? static_cast<bits>(~b) : static_cast<bits>(b | sign);
  }
};

#if PEERFOLD_ORACLE_HAS_FLOAT16
template <class T, int Mantissa>
struct arithmetic_16 : arithmetic<float> {
  using format = binary16<Mantissa>;
  static float widen(const T& value) {
    return __builtin_bit_cast(float, format::widen(bits_of(value)));
  }
  static T narrow(float value) { return __builtin_bit_cast(T, format::narrow(bits_of(value))); }
};
template <>
struct arithmetic<__half> : arithmetic_16<__half, 10> {};
template <>
struct arithmetic<__nv_bfloat16> : arithmetic_16<__nv_bfloat16, 7> {};

template <class T, int Mantissa>
struct arithmetic_8 : arithmetic<float> {
  using format = binary8<Mantissa>;
  static float widen(const T& value) {
    return __builtin_bit_cast(float, format::widen(bits_of(value)));
  }
  static T narrow(float value) { return __builtin_bit_cast(T, format::narrow(bits_of(value))); }
};
template <>
struct arithmetic<__nv_fp8_e4m3> : arithmetic_8<__nv_fp8_e4m3, 3> {};
template <>
struct arithmetic<__nv_fp8_e5m2> : arithmetic_8<__nv_fp8_e5m2, 2> {};
#endif

/// A complex number.
template <class T>
  requires requires(const T& z) {
    typename T::value_type;
    z.real();
    z.imag();
  }
struct arithmetic<T> {
  using R = typename T::value_type;
  using accumulator = T;
  static T widen(const T& z) { return z; }
  static T narrow(const T& z) { return z; }
  static bool is_nan(const T& z) {
    return arithmetic<R>::is_nan(z.real()) || arithmetic<R>::is_nan(z.imag());
  }
  static T add(const T& a, const T& b) {
    return {oracle::add(a.real(), b.real()), oracle::add(a.imag(), b.imag())};
  }
  static T multiply(const T& a, const T& b) {
    return {
        oracle::add(oracle::multiply(a.real(), b.real()), -oracle::multiply(a.imag(), b.imag())),
        oracle::add(oracle::multiply(a.real(), b.imag()), oracle::multiply(a.imag(), b.real()))};
  }
  static T divide(const T& z, int n) {
    return {oracle::divide(z.real(), static_cast<R>(n)),
            oracle::divide(z.imag(), static_cast<R>(n))};
  }
};

/// A value and its index.
template <class T>
  requires requires(const T& pair) {
    pair.value;
    pair.index;
  }
struct arithmetic<T> {
  using accumulator = T;
  static T widen(const T& pair) { return pair; }
  static T narrow(const T& pair) { return pair; }
  static bool is_nan(const T&) { return false; }

  /// The one with the smaller (larger) value, a NaN before all others; else with the smaller index.
  static T extreme(bool smallest, const T& a, const T& b) {
    using math = arithmetic<std::remove_cvref_t<decltype(a.value)>>;
    const auto x = math::widen(a.value);
    const auto y = math::widen(b.value);
    if (math::is_nan(x) != math::is_nan(y)) return math::is_nan(x) ? a : b;
    if (!math::is_nan(x) && math::less(x, y)) return smallest ? a : b;
    if (!math::is_nan(x) && math::less(y, x)) return smallest ? b : a;
    return b.index < a.index ? b : a;
  }
};

template <class A>
A mixed(const A& a, const A& b) {
  if constexpr (has_bits<A>) {
    return __builtin_bit_cast(A,
                              static_cast<bits_t<A>>(bits_of(a) * std::uint64_t{3} + bits_of(b)));
  } else {
    auto x = bytes_in(a);
    const auto y = bytes_in(b);
    for (std::size_t i = 0; i < sizeof(A); ++i) {
      x.at[i] = static_cast<unsigned char>(x.at[i] * 3u + y.at[i]);
    }
    return __builtin_bit_cast(A, x);
  }
}

template <class A>
A apply(operation op, const A& a, const A& b) {
  using math = arithmetic<A>;
  switch (op) {
    case operation::sum:
    case operation::avg:
      if constexpr (requires { math::add(a, b); }) return math::add(a, b);
      break;
    case operation::prod:
      if constexpr (requires { math::multiply(a, b); }) return math::multiply(a, b);
      break;
    case operation::min:
    case operation::max:
      if constexpr (requires { math::less(a, b); }) {
        if (math::is_nan(a) || math::is_nan(b)) return math::is_nan(a) ? a : b;
        return (op == operation::min ? math::less(b, a) : math::less(a, b)) ? b : a;
      }
      break;
    case operation::argmin:
    case operation::argmax:
      if constexpr (requires { math::extreme(true, a, b); }) {
        return math::extreme(op == operation::argmin, a, b);
      }
      break;
    case operation::bit_and:
    case operation::bit_or:
    case operation::bit_xor:
      if constexpr (std::is_integral_v<A>) {
        const auto x = bits_of(a);
        const auto y = bits_of(b);
        const auto z = op == operation::bit_and ? x & y : op == operation::bit_or ? x | y : x ^ y;
        return __builtin_bit_cast(A, static_cast<bits_t<A>>(z));
      }
      break;
    case operation::mix: break;
  }
  return mixed(a, b);
}

template <class A>
A divided(const A& total, int ranks) {
  if constexpr (requires { arithmetic<A>::divide(total, ranks); }) {
    return arithmetic<A>::divide(total, ranks);
  }
  return total;
}

}  // namespace detail

/// What one call is to do.
struct request {
  collective which = collective::all_reduce;
  operation op = operation::sum;
  int ranks = 1;
  std::size_t count = 0;
  int root = 0;
  std::vector<int> to;  ///< of send_recv: to[r] is the rank that r sends to, or -1
  /// All-reduce and reduce: folded as a balanced tree, in which positions a … b - 1 are those below
  /// their middle, the middle itself and those above it. Each folds its own value and what comes
  /// from the two in the order of their ranks; position p is rank tree[p], or p.
  bool as_tree = false;
  std::vector<int> tree = {};
  /// All-reduce: folded from rank path[0] on, by each with what came in the order of the two ranks.
  std::vector<int> path = {};
};

/// How many elements rank `rank` gives, and gets.
inline std::size_t given(const request& call, int rank) {
  const std::size_t all = call.count * static_cast<std::size_t>(call.ranks);
  switch (call.which) {
    case collective::none:
    case collective::custom:
    case collective::barrier: return 0;
    case collective::reduce_scatter:
    case collective::all_to_all: return all;
    case collective::scatter: return rank == call.root ? all : 0;
    case collective::broadcast: return rank == call.root ? call.count : 0;
    case collective::send_recv: return call.to[static_cast<std::size_t>(rank)] < 0 ? 0 : call.count;
    default: return call.count;
  }
}
/// The rank that sends to `rank` in a send_recv; -1: none.
inline int sender_to(const request& call, int rank) {
  for (int q = 0; q < call.ranks; ++q) {
    if (call.to[static_cast<std::size_t>(q)] == rank) return q;
  }
  return -1;
}
inline std::size_t got(const request& call, int rank) {
  const std::size_t all = call.count * static_cast<std::size_t>(call.ranks);
  switch (call.which) {
    case collective::none:
    case collective::custom:
    case collective::barrier: return 0;
    case collective::all_gather:
    case collective::all_to_all: return all;
    case collective::gather: return rank == call.root ? all : 0;
    case collective::reduce: return rank == call.root ? call.count : 0;
    case collective::send_recv: return sender_to(call, rank) < 0 ? 0 : call.count;
    default: return call.count;
  }
}

/// Element `index`, below got(call, rank), of what rank `rank` gets, where given(q, i) is element i
/// that rank q gave, and an exclusive scan starts from `initial`.
template <class T, class Given>
T result(const request& call, int rank, std::size_t index, const T& initial, Given given) {
  using math = detail::arithmetic<T>;
  const std::size_t part = static_cast<std::size_t>(rank) * call.count;
  const auto fold = [&](typename math::accumulator total, int first, int end, std::size_t i) {
    for (int q = first; q < end; ++q) {
      total = detail::apply(call.op, total, math::widen(given(q, i)));
    }
    if (call.op == operation::avg) total = detail::divided(total, call.ranks);
    return math::narrow(total);
  };
  const auto fold_from_first = [&](int end, std::size_t i) {
    return fold(math::widen(given(0, i)), 1, end, i);
  };
  const auto rank_at = [&](int position) {
    return call.tree.empty() ? position : call.tree[static_cast<std::size_t>(position)];
  };
  using partial = std::pair<int, typename math::accumulator>;  // of whom
  // The fold of positions begin … end - 1; returns whose it is.
  const auto of_tree = [&](auto&& below, int begin, int end,
                           typename math::accumulator& total) -> int {
    const int middle = begin + (end - begin) / 2;
    const int own = rank_at(middle);
    std::vector<partial> parts{{own, math::widen(given(own, index))}};
    const auto add = [&](int first, int last) {
      if (first == last) return;
      parts.push_back(parts[0]);
      parts.back().first = below(below, first, last, parts.back().second);
    };
    add(begin, middle);
    add(middle + 1, end);
    std::sort(parts.begin(), parts.end(),
              [](const partial& a, const partial& b) { return a.first < b.first; });
    total = parts[0].second;
    for (std::size_t k = 1; k < parts.size(); ++k) {
      total = detail::apply(call.op, total, parts[k].second);
    }
    return own;
  };
  const auto along_path = [&] {
    typename math::accumulator total = math::widen(given(call.path[0], index));
    for (std::size_t k = 1; k < call.path.size(); ++k) {
      const auto mine = math::widen(given(call.path[k], index));
      total = call.path[k] < call.path[k - 1] ? detail::apply(call.op, mine, total)
                                              : detail::apply(call.op, total, mine);
    }
    return total;
  };
  const auto source = [&] { return static_cast<int>(index / call.count); };
  switch (call.which) {
    case collective::all_reduce:
    case collective::reduce:
      if (call.as_tree || !call.path.empty()) {
        typename math::accumulator total = math::widen(given(0, index));
        if (call.as_tree) {
          of_tree(of_tree, 0, call.ranks, total);
        } else {
          total = along_path();
        }
        if (call.op == operation::avg) total = detail::divided(total, call.ranks);
        return math::narrow(total);
      }
      return fold_from_first(call.ranks, index);
    case collective::reduce_scatter: return fold_from_first(call.ranks, part + index);
    case collective::inclusive_scan: return fold_from_first(rank + 1, index);
    case collective::exclusive_scan: return fold(math::widen(initial), 0, rank, index);
    case collective::all_gather:
    case collective::gather: return given(source(), index % call.count);
    case collective::all_to_all: return given(source(), part + index % call.count);
    case collective::broadcast: return given(call.root, index);
    case collective::scatter: return given(call.root, part + index);
    case collective::send_recv: return given(sender_to(call, rank), index);
    case collective::none:
    case collective::custom:
    case collective::barrier: break;
  }
  return initial;
}

/// The element that all ranks get by an all-reduce where rank r gave values[r].
template <class T>
T all_reduce(operation op, std::span<const T> values) {
  request call;
  call.op = op;
  call.ranks = static_cast<int>(values.size());
  call.count = 1;
  return result<T>(call, 0, 0, values.front(),
                   [&](int q, std::size_t) { return values[static_cast<std::size_t>(q)]; });
}

template <class T>
bool is_nan(const T& value) {
  using math = detail::arithmetic<T>;
  return math::is_nan(math::widen(value));
}

/// The same bits, or both a NaN: a complex number has two that can be.
template <class T>
bool same(const T& a, const T& b) {
  if constexpr (requires { a.imag(); }) {
    return same(a.real(), b.real()) && same(a.imag(), b.imag());
  } else {
    return bytes_in(a) == bytes_in(b) || (is_nan(a) && is_nan(b));
  }
}

}  // namespace peerfold::test::oracle
