/// \file
/// What a policy says of itself, for a collective and a rank count: known at compile time.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/policy/policy.hpp>

namespace peerfold {

/// A fraction of two small numbers, for amounts that a rank count divides.
struct ratio {
  int numerator = 0;
  int denominator = 1;

  [[nodiscard]] constexpr double value() const noexcept {
    return static_cast<double>(numerator) / denominator;
  }
  friend constexpr bool operator==(const ratio& a, const ratio& b) noexcept {
    return a.numerator * b.denominator == b.numerator * a.denominator;
  }
};

/// Whether a collective can be carried out by a policy.
constexpr bool has_policy(collective which, const policy& p) noexcept {
  if (p.transport == transport_id::automatic) return false;
  switch (p.algorithm) {
    case algorithm_id::one_shot:
      return p.transport != transport_id::bulk && which != collective::none;
    case algorithm_id::two_shot:
      return p.transport != transport_id::bulk && which == collective::all_reduce;
    case algorithm_id::direct:
      return p.transport != transport_id::packet && which != collective::none &&
             !is_reduction(which) && which != collective::send_recv && which != collective::barrier;
    case algorithm_id::automatic: break;
  }
  return false;
}

/// The properties of policy P in collective Which among N ranks. A part is the `count` elements of
/// the call.
template <collective Which, policy P, int N>
  requires(has_policy(Which, P))
struct policy_traits {
  /// Whether the bits of the result depend on nothing but the values and their order of ranks.
  static constexpr bool reproducible = true;
  /// Whether outputs may take the place of inputs.
  static constexpr bool in_place =
      Which != collective::barrier &&
      !(P.algorithm == algorithm_id::direct && Which == collective::all_to_all);
  /// Whether outputs must be in symmetric memory. (Two-shot uses it where it is there.)
  static constexpr bool needs_symmetric = P.algorithm == algorithm_id::direct;
  /// How many times a message crosses a link before the last element is there, one after another.
  static constexpr int steps = P.algorithm == algorithm_id::one_shot   ? 1
                               : P.algorithm == algorithm_id::two_shot ? 2
                                                                       : 3;
  /// How many parts leave the rank that sends most. (Empty messages, of 16 bytes or a flag, come on
  /// top.)
  static constexpr ratio parts_sent = [] {
    if (P.algorithm == algorithm_id::two_shot) return ratio{2 * (N - 1), N};
    switch (Which) {
      case collective::barrier: return ratio{0};
      case collective::reduce:
      case collective::gather:
      case collective::send_recv: return ratio{N > 1 ? 1 : 0};
      default: return ratio{N - 1};
    }
  }();
  /// Bytes on the wire for each byte of a part.
  static constexpr int expansion = P.transport == transport_id::packet ? 2 : 1;

  /// Bytes that leave the rank that sends most, for parts of so many bytes.
  static constexpr double bytes_sent(size_t part_bytes) noexcept {
    return parts_sent.value() * expansion * static_cast<double>(part_bytes);
  }
};

}  // namespace peerfold
