/// \file
/// The built-in operators: folds over accumulators, and the finish that turns the result into an
/// element. Their floating-point operations are plain IEEE ones, rounded to nearest even, with
/// subnormals: neither contraction nor fast-math options of the surrounding build change a bit.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/rank.hpp>

namespace peerfold {

namespace detail {

/// Hides a value from the host optimiser, so that an operation on it is neither contracted nor
/// reassociated with its neighbours.
template <class T>
PEERFOLD_HD inline T opaque(T value) noexcept {
#if !PEERFOLD_DEVICE_PASS && defined(__GNUC__)
#if defined(__x86_64__)
  asm("" : "+x"(value));
#elif defined(__aarch64__)
  asm("" : "+w"(value));
#else
  asm("" : "+m"(value));
#endif
#endif
  return value;
}

#if PEERFOLD_DEVICE_PASS
#define PEERFOLD_IEEE_BINARY(name, instruction, expression)            \
  __device__ inline float name(float a, float b) noexcept {            \
    float r;                                                           \
    asm(instruction ".rn.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); \
    return r;                                                          \
  }                                                                    \
  __device__ inline double name(double a, double b) noexcept {         \
    double r;                                                          \
    asm(instruction ".rn.f64 %0, %1, %2;" : "=d"(r) : "d"(a), "d"(b)); \
    return r;                                                          \
  }
#else
#define PEERFOLD_IEEE_BINARY(name, instruction, expression)     \
  PEERFOLD_HD inline float name(float a, float b) noexcept {    \
    return opaque(opaque(a) expression opaque(b));              \
  }                                                             \
  PEERFOLD_HD inline double name(double a, double b) noexcept { \
    return opaque(opaque(a) expression opaque(b));              \
  }
#endif
PEERFOLD_IEEE_BINARY(ieee_add, "add", +)
PEERFOLD_IEEE_BINARY(ieee_sub, "sub", -)
PEERFOLD_IEEE_BINARY(ieee_mul, "mul", *)
PEERFOLD_IEEE_BINARY(ieee_div, "div", /)
#undef PEERFOLD_IEEE_BINARY

/// Unsigned arithmetic wraps; signed overflow would be undefined. Narrow types are widened first,
/// since uint16_t * uint16_t would be computed in (signed) int.
template <class T>
using wrapping_t = stl::conditional_t<(sizeof(T) < 4), uint32_t, stl::make_unsigned_t<T>>;

/// A floating-point value as an integer of the same order, with -0 below +0. NaNs lie outside.
PEERFOLD_HD constexpr int32_t ordered_bits(float value) noexcept {
  const auto bits = peerfold::bit_cast<int32_t>(value);
  return bits ^ ((bits >> 31) & 0x7fff'ffff);
}
PEERFOLD_HD constexpr int64_t ordered_bits(double value) noexcept {
  const auto bits = peerfold::bit_cast<int64_t>(value);
  return bits ^ ((bits >> 63) & 0x7fff'ffff'ffff'ffff);
}
PEERFOLD_HD constexpr bool is_nan(float value) noexcept {
  return (peerfold::bit_cast<uint32_t>(value) & 0x7fff'ffffu) > 0x7f80'0000u;
}
PEERFOLD_HD constexpr bool is_nan(double value) noexcept {
  return (peerfold::bit_cast<uint64_t>(value) & 0x7fff'ffff'ffff'ffffu) > 0x7ff0'0000'0000'0000u;
}

/// The parts of a complex number, whose own operators need not be device functions.
template <complex_number T>
struct complex_parts {
  typename T::value_type real;
  typename T::value_type imag;
};

}  // namespace detail

/// a + b. Integers wrap.
struct sum {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    if constexpr (stl::is_floating_point_v<A>) {
      return detail::ieee_add(a, b);
    } else if constexpr (stl::is_integral_v<A>) {
      using U = detail::wrapping_t<A>;
      return static_cast<A>(static_cast<U>(a) + static_cast<U>(b));
    } else if constexpr (complex_number<A>) {
      using parts = detail::complex_parts<A>;
      const auto x = peerfold::bit_cast<parts>(a);
      const auto y = peerfold::bit_cast<parts>(b);
      return peerfold::bit_cast<A>(
          parts{detail::ieee_add(x.real, y.real), detail::ieee_add(x.imag, y.imag)});
    } else {
      return a + b;
    }
  }
};

/// a * b. Integers wrap. Of complex numbers it is (ac - bd) + (ad + bc)i, each operation rounded,
/// without the C standard's second thoughts about infinities.
struct prod {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    if constexpr (stl::is_floating_point_v<A>) {
      return detail::ieee_mul(a, b);
    } else if constexpr (stl::is_integral_v<A>) {
      using U = detail::wrapping_t<A>;
      return static_cast<A>(static_cast<U>(a) * static_cast<U>(b));
    } else if constexpr (complex_number<A>) {
      using parts = detail::complex_parts<A>;
      const auto x = peerfold::bit_cast<parts>(a);
      const auto y = peerfold::bit_cast<parts>(b);
      const auto ac = detail::ieee_mul(x.real, y.real);
      const auto bd = detail::ieee_mul(x.imag, y.imag);
      const auto ad = detail::ieee_mul(x.real, y.imag);
      const auto bc = detail::ieee_mul(x.imag, y.real);
      return peerfold::bit_cast<A>(parts{detail::ieee_sub(ac, bd), detail::ieee_add(ad, bc)});
    } else {
      return a * b;
    }
  }
};

/// The smaller of both, as IEEE 754-2019 `minimum`: a NaN of any rank reaches every rank, and
/// -0 is smaller than +0.
struct min {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    if constexpr (stl::is_floating_point_v<A>) {
      if (detail::is_nan(a)) return a;
      if (detail::is_nan(b)) return b;
      return detail::ordered_bits(b) < detail::ordered_bits(a) ? b : a;
    } else {
      return b < a ? b : a;
    }
  }
};

/// The larger of both, as IEEE 754-2019 `maximum`: a NaN of any rank reaches every rank, and
/// +0 is larger than -0.
struct max {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    if constexpr (stl::is_floating_point_v<A>) {
      if (detail::is_nan(a)) return a;
      if (detail::is_nan(b)) return b;
      return detail::ordered_bits(a) < detail::ordered_bits(b) ? b : a;
    } else {
      return a < b ? b : a;
    }
  }
};

/// The sum divided by the number of ranks, once, in the accumulator type. Integer sums wrap before
/// the division, which truncates toward zero; types of your own need a / int. It is `sum` with the
/// finish `divide_by_ranks`.
struct avg : sum {};

/// The bits that both have, that one has, that just one of them has. For integers and bool.
struct bit_and {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    return static_cast<A>(a & b);
  }
};
struct bit_or {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    return static_cast<A>(a | b);
  }
};
struct bit_xor {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    return static_cast<A>(a ^ b);
  }
};

/// A value and where it stands: the elements of argmin and argmax.
template <class V, class I = int32_t>
struct value_index {
  using value_type = V;
  using index_type = I;
  V value;
  I index;

  friend PEERFOLD_HD bool operator==(const value_index& a, const value_index& b) noexcept {
    return a.value == b.value && a.index == b.index;
  }
};

namespace detail {

/// Whether b goes before a: it has the extreme value, or the same and the smaller index.
template <class Op, class A>
PEERFOLD_HD inline bool goes_before(const A& b, const A& a, const Op& op) noexcept {
  using traits = element_traits<typename A::value_type>;
  const auto x = traits::widen(a.value);
  const auto y = traits::widen(b.value);
  const auto found = op(x, y);
  const auto same = [](const auto& u, const auto& v) {
    if constexpr (stl::is_floating_point_v<stl::remove_cvref_t<decltype(u)>>) {
      if (is_nan(u) || is_nan(v)) return is_nan(u) && is_nan(v);
      return ordered_bits(u) == ordered_bits(v);
    } else {
      return u == v;
    }
  };
  if (same(x, y)) return b.index < a.index;
  return same(found, y);
}

}  // namespace detail

/// The pair with the smaller (larger) value, as min (max) has it; of equal values, and of two NaNs,
/// that with the smaller index. For value_index.
struct argmin {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    return detail::goes_before(b, a, min{}) ? b : a;
  }
};
struct argmax {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    return detail::goes_before(b, a, max{}) ? b : a;
  }
};

/// The operators of the library.
using builtin_operators =
    type_list<sum, prod, min, max, avg, bit_and, bit_or, bit_xor, argmin, argmax>;

/// Finish: the accumulator rounded to an element.
template <class T>
struct round_to {
  PEERFOLD_HD T operator()(const accumulator_t<T>& value) const noexcept {
    return element_traits<T>::narrow(value);
  }
};

namespace detail {

template <class T>
PEERFOLD_HD inline T divided(const accumulator_t<T>& value, int ranks) noexcept {
  using A = accumulator_t<T>;
  if constexpr (stl::is_floating_point_v<A>) {
    return element_traits<T>::narrow(ieee_div(value, static_cast<A>(ranks)));
  } else if constexpr (stl::is_integral_v<A>) {
    return element_traits<T>::narrow(static_cast<A>(value / static_cast<A>(ranks)));
  } else if constexpr (complex_number<A>) {
    const auto parts = peerfold::bit_cast<complex_parts<A>>(value);
    const auto n = static_cast<typename A::value_type>(ranks);
    return element_traits<T>::narrow(
        peerfold::bit_cast<A>(complex_parts<A>{ieee_div(parts.real, n), ieee_div(parts.imag, n)}));
  } else {
    return element_traits<T>::narrow(value / ranks);
  }
}

/// What elements have, as the accumulators A that they are folded in.
template <class A>
inline constexpr bool has_sum =
    !stl::is_same_v<A, bool> && (complex_number<A> || requires(const A& a) {
      { a + a } -> stl::convertible_to<A>;
    });
template <class A>
inline constexpr bool has_product =
    !stl::is_same_v<A, bool> && (complex_number<A> || requires(const A& a) {
      { a* a } -> stl::convertible_to<A>;
    });
template <class A>
inline constexpr bool has_quotient = complex_number<A> || requires(const A& a, int ranks) {
  { a / ranks } -> stl::convertible_to<A>;
};
template <class A>
inline constexpr bool has_order = requires(const A& a) {
  { a < a } -> stl::convertible_to<bool>;
};
/// Pairs of what has an order.
template <class T>
inline constexpr bool has_ordered_pairs = false;
template <class V, class I>
inline constexpr bool has_ordered_pairs<value_index<V, I>> =
    has_order<accumulator_t<V>> && has_order<I>;

template <class Op>
inline constexpr bool is_bitwise =
    stl::is_same_v<Op, bit_and> || stl::is_same_v<Op, bit_or> || stl::is_same_v<Op, bit_xor>;
template <class Op>
inline constexpr bool is_arg = stl::is_same_v<Op, argmin> || stl::is_same_v<Op, argmax>;

template <class Op, class T>
PEERFOLD_HD constexpr bool can_fold() noexcept {
  using A = accumulator_t<T>;
  if constexpr (is_bitwise<Op>) return stl::is_integral_v<A>;
  if constexpr (is_arg<Op>) return has_ordered_pairs<T>;
  if constexpr (stl::is_same_v<Op, sum>) return has_sum<A>;
  if constexpr (stl::is_same_v<Op, avg>) return has_sum<A> && has_quotient<A>;
  if constexpr (stl::is_same_v<Op, prod>) return has_product<A>;
  if constexpr (stl::is_same_v<Op, min> || stl::is_same_v<Op, max>) return has_order<A>;
  return true;
}

}  // namespace detail

/// Whether the operator folds elements of type T, as far as can be said: of the caller's functors
/// it is taken for granted.
template <class Op, class T>
inline constexpr bool folds_elements = detail::can_fold<Op, T>();

namespace detail {

/// Does not compile, and says in words why, where a built-in operator cannot fold elements of T.
template <class Op, class T>
PEERFOLD_HD constexpr void check_fold() noexcept {
  constexpr bool ok = folds_elements<Op, T>;
  static_assert(ok || !is_bitwise<Op>, "bit_and, bit_or and bit_xor fold integers and bool");
  static_assert(ok || !is_arg<Op>,
                "argmin and argmax fold elements of type value_index, of what has an order");
  static_assert(ok || !stl::is_same_v<Op, sum>,
                "sum folds elements that have a + b; bool takes bit_or or bit_xor");
  static_assert(
      ok || !stl::is_same_v<Op, avg>,
      "avg folds elements that have a + b and a / int, and not bool; others take sum and a "
      "finish functor of the caller's");
  static_assert(ok || !stl::is_same_v<Op, prod>,
                "prod folds elements that have a * b; bool takes bit_and");
  static_assert(ok || !(stl::is_same_v<Op, min> || stl::is_same_v<Op, max>),
                "min and max fold elements that have a < b");
}

}  // namespace detail

/// Finish: the accumulator divided by N, then rounded to an element.
template <class T, int N>
struct divide_by_ranks {
  PEERFOLD_HD T operator()(const accumulator_t<T>& value) const noexcept {
    return detail::divided<T>(value, N);
  }
};
/// The same where the rank count is known at run time.
template <class T>
struct divide_by_ranks<T, run_time_ranks> {
  int32_t ranks = 1;

  PEERFOLD_HD T operator()(const accumulator_t<T>& value) const noexcept {
    return detail::divided<T>(value, ranks);
  }
};

/// The finish that belongs to an operator when elements of type T of N ranks are folded.
template <class Op, class T, int N>
struct default_finish {
  using type = round_to<T>;
};
template <class T, int N>
struct default_finish<avg, T, N> {
  using type = divide_by_ranks<T, N>;
};
template <class Op, class T, int N>
using default_finish_t = typename default_finish<Op, T, N>::type;

/// The default finish for `ranks` ranks, which is N where that is not run_time_ranks.
template <class Op, class T, int N>
PEERFOLD_HD constexpr default_finish_t<Op, T, N> make_default_finish(int ranks) noexcept {
  if constexpr (stl::is_same_v<default_finish_t<Op, T, N>, divide_by_ranks<T, run_time_ranks>>) {
    return {ranks};
  } else {
    return {};
  }
}

namespace detail {

template <class T, class List>
inline constexpr bool is_in = false;
template <class T, class... Types>
inline constexpr bool is_in<T, type_list<Types...>> = (stl::is_same_v<T, Types> || ...);

template <class F>
inline constexpr bool is_builtin = is_in<F, builtin_operators>;
template <class T>
inline constexpr bool is_builtin<round_to<T>> = true;
template <class T, int N>
inline constexpr bool is_builtin<divide_by_ranks<T, N>> = true;

}  // namespace detail

/// Whether folding padding beside elements of type T does no harm: true for types, operators and
/// conversions of our own, unknown for the caller's.
template <class T, class Op, class Finish>
inline constexpr bool folds_padding = (stl::is_arithmetic_v<T> || is_float16<T> || is_float8<T> ||
                                       complex_number<T>)&&detail::is_builtin<Op> &&
                                      detail::is_builtin<Finish>;

}  // namespace peerfold
