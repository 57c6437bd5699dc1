/// \file
/// Texts of errors and reports, put together from characters and numbers.
#pragma once

#include <peerfold/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace peerfold::detail {

/// A part of a text: characters, which it does not own, or a whole number in decimal. Made from
/// either as it stands in a list of parts; no number is a bool or a char.
class text_part {
 public:
  text_part(std::string_view characters) noexcept  // NOLINT: parts stand in lists of parts
      : characters_{characters} {}
  text_part(const char* characters) noexcept : characters_{characters} {}  // NOLINT
  text_part(const std::string& characters) noexcept                        // NOLINT
      : characters_{characters} {}
  text_part(std::nullptr_t) = delete;
  template <std::integral I>
    requires(!std::same_as<I, bool> && !std::same_as<I, char>)
  text_part(I number) noexcept  // NOLINT
      : is_number_{true}, magnitude_{static_cast<std::uint64_t>(number)} {
    if constexpr (std::is_signed_v<I>) {
      is_negative_ = number < 0;
      if (is_negative_) magnitude_ = 0 - magnitude_;
    }
  }

  /// Puts this part behind `text`.
  void append_to(std::string& text) const {
    if (is_negative_) text += '-';
    is_number_ ? text += std::to_string(magnitude_) : text += characters_;
  }

 private:
  std::string_view characters_ = {};
  bool is_number_ = false;
  bool is_negative_ = false;
  std::uint64_t magnitude_ = 0;
};

/// The parts, one behind the other. A call where a text is needed, instead of the code of a sum of
/// strings: users compile dozens of these with every collective. Cold, as other functions that run
/// once a team or when something is wrong: compilers then make them short, in less time.
[[gnu::noinline, gnu::cold]] inline std::string text_of(std::initializer_list<text_part> parts) {
  std::string text;
  for (const text_part& part : parts) part.append_to(text);
  return text;
}

}  // namespace peerfold::detail
