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
PEERFOLD_IEEE_BINARY(ieee_mul, "mul", *)
PEERFOLD_IEEE_BINARY(ieee_div, "div", /)
#undef PEERFOLD_IEEE_BINARY

/// Unsigned arithmetic wraps; signed overflow would be undefined. Narrow types are widened first,
/// since uint16_t * uint16_t would be computed in (signed) int.
template <class T>
using wrapping_t = stl::conditional_t<(sizeof(T) < 4), uint32_t, stl::make_unsigned_t<T>>;

/// A floating-point value as an integer of the same order, with -0 below +0. NaNs lie outside.
PEERFOLD_HD constexpr int32_t ordered_bits(float value) noexcept {
  const auto bits = bit_cast<int32_t>(value);
  return bits ^ ((bits >> 31) & 0x7fff'ffff);
}
PEERFOLD_HD constexpr int64_t ordered_bits(double value) noexcept {
  const auto bits = bit_cast<int64_t>(value);
  return bits ^ ((bits >> 63) & 0x7fff'ffff'ffff'ffff);
}
PEERFOLD_HD constexpr bool is_nan(float value) noexcept {
  return (bit_cast<uint32_t>(value) & 0x7fff'ffffu) > 0x7f80'0000u;
}
PEERFOLD_HD constexpr bool is_nan(double value) noexcept {
  return (bit_cast<uint64_t>(value) & 0x7fff'ffff'ffff'ffffu) > 0x7ff0'0000'0000'0000u;
}

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
    } else {
      return a + b;
    }
  }
};

/// a * b. Integers wrap.
struct prod {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const noexcept {
    if constexpr (stl::is_floating_point_v<A>) {
      return detail::ieee_mul(a, b);
    } else if constexpr (stl::is_integral_v<A>) {
      using U = detail::wrapping_t<A>;
      return static_cast<A>(static_cast<U>(a) * static_cast<U>(b));
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
/// the division, which truncates toward zero. It is `sum` with the finish `divide_by_ranks`.
struct avg : sum {};

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
  } else {
    return element_traits<T>::narrow(static_cast<A>(value / static_cast<A>(ranks)));
  }
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

template <class F>
inline constexpr bool is_builtin =
    stl::is_same_v<F, sum> || stl::is_same_v<F, prod> || stl::is_same_v<F, min> ||
    stl::is_same_v<F, max> || stl::is_same_v<F, avg>;
template <class T>
inline constexpr bool is_builtin<round_to<T>> = true;
template <class T, int N>
inline constexpr bool is_builtin<divide_by_ranks<T, N>> = true;

}  // namespace detail

/// Whether folding padding beside elements of type T does no harm: true for types, operators and
/// conversions of our own, unknown for the caller's.
template <class T, class Op, class Finish>
inline constexpr bool folds_padding =
    (stl::is_arithmetic_v<T> || is_float16<T>)&&detail::is_builtin<Op> &&
    detail::is_builtin<Finish>;

}  // namespace peerfold
