/// \file
/// Texts of errors and reports, put together from characters and numbers.
#pragma once

#include <peerfold/core/config.hpp>

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace peerfold::detail {

/// A part of a text: characters, which it does not own, or a whole number in decimal.
class text_part {
 public:
  text_part(std::string_view characters) noexcept  // NOLINT: parts stand in lists of parts
      : characters_{characters.data()}, value_{characters.size()} {}
  text_part(const char* characters) noexcept : text_part{std::string_view{characters}} {}  // NOLINT
  text_part(const std::string& characters) noexcept                                        // NOLINT
      : text_part{std::string_view{characters}} {}
  template <std::integral I>
    requires(!stl::same_as<I, bool> && !stl::same_as<I, char>)
  text_part(I number) noexcept  // NOLINT
      : value_{static_cast<uint64_t>(number)} {
    if constexpr (stl::is_signed_v<I>) {
      negative_ = number < 0;
      if (negative_) value_ = 0 - value_;
    }
  }

  void append_to(std::string& text) const {
    if (characters_ != nullptr) {
      text.append(characters_, value_);
    } else {
      if (negative_) text += '-';
      text += std::to_string(value_);
    }
  }

 private:
  const char* characters_ = nullptr;  ///< null: a number
  uint64_t value_;                    ///< its magnitude, or how many characters
  bool negative_ = false;
};

/// The parts, one behind the other. A call where a text is needed, instead of the code of a sum of
/// strings: users compile dozens of these with every collective.
[[gnu::noinline, gnu::cold]] inline std::string text_of(std::initializer_list<text_part> parts) {
  std::string text;
  for (const text_part& part : parts) part.append_to(text);
  return text;
}

}  // namespace peerfold::detail
