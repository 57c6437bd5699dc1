/// \file
/// Seeded randomness whose results are the same on every machine. (The standard library fixes what
/// its engines give, but neither std::shuffle nor its distributions.)
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace digits {

/// SplitMix64.
class generator {
 public:
  explicit constexpr generator(std::uint64_t seed) noexcept : state_{seed} {}

  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15u);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9u;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebu;
    return z ^ (z >> 31);
  }

  /// A number from 0 to bound - 1, each as likely as the others; bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    const std::uint64_t surplus = (0 - bound) % bound;  // 2^64 modulo bound
    std::uint64_t x = next();
    while (x < surplus) x = next();
    return x % bound;
  }

  /// A number in [-limit, limit).
  constexpr float within(float limit) noexcept {
    return (static_cast<float>(next() >> 40) * 0x1p-23f - 1.0f) * limit;
  }

 private:
  std::uint64_t state_;
};

/// Fisher and Yates's shuffle.
template <class T>
constexpr void shuffle(std::span<T> values, generator& random) noexcept {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[random.below(left)]);
  }
}

/// The numbers from 0 to count - 1 in order.
inline std::vector<int> indices(int count) {
  std::vector<int> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace digits
