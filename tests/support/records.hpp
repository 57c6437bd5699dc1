/// \file
/// Elements of no built-in type, as users have them.
#pragma once

#include <peerfold/core/config.hpp>

#include <cstdint>

namespace peerfold::test {

/// Three bytes, with a sum.
struct colour {
  std::uint8_t red;
  std::uint8_t green;
  std::uint8_t blue;

  friend PEERFOLD_HD colour operator+(const colour& a, const colour& b) {
    return {static_cast<std::uint8_t>(a.red + b.red), static_cast<std::uint8_t>(a.green + b.green),
            static_cast<std::uint8_t>(a.blue + b.blue)};
  }
};

/// Twelve bytes, with a sum and a quotient, and no default constructor. Sums of what values() gives
/// are exact in any order: quarters.
struct particle {
  PEERFOLD_HD particle(float x, float y, std::int32_t n) : at_x{x}, at_y{y}, count{n} {}

  float at_x;
  float at_y;
  std::int32_t count;

  friend PEERFOLD_HD particle operator+(const particle& a, const particle& b) {
    return {a.at_x + b.at_x, a.at_y + b.at_y, a.count + b.count};
  }
  friend PEERFOLD_HD particle operator/(const particle& a, int ranks) {
    return {a.at_x / static_cast<float>(ranks), a.at_y / static_cast<float>(ranks),
            a.count / ranks};
  }
};

/// So many bytes, with no operator of their own.
template <int Bytes>
struct record {
  std::uint8_t at[Bytes];
};

/// A complex number that both hosts and devices know. (std::complex is for hosts; that of libcu++
/// is not where there is no toolkit.)
template <class R>
struct complex_like {
  using value_type = R;
  R real_part;
  R imaginary_part;

  [[nodiscard]] PEERFOLD_HD R real() const { return real_part; }
  [[nodiscard]] PEERFOLD_HD R imag() const { return imaginary_part; }
};

}  // namespace peerfold::test
