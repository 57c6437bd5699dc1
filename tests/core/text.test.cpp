#include <peerfold/core/text.hpp>

#include <support/catch.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

using peerfold::detail::text_of;
using peerfold::detail::text_part;

TEST_CASE("texts are their parts, one behind the other") {
  const std::string owned = "owned, ";
  CHECK(text_of({}).empty());
  CHECK(text_of({"literal, ", owned, std::string_view{"view"}, ".", ""}) ==
        "literal, owned, view.");
  CHECK(text_of({"a", std::string_view{}, "b"}) == "ab");
}

TEST_CASE("numbers of any width, in decimal") {
  CHECK(text_of({std::int8_t{-128}, " ", std::uint8_t{255}, " ", short{-1}}) == "-128 255 -1");
  CHECK(text_of({0, " ", -0, " ", std::numeric_limits<int>::min()}) == "0 0 -2147483648");
  CHECK(text_of({std::numeric_limits<std::int64_t>::min()}) == "-9223372036854775808");
  CHECK(text_of({std::numeric_limits<std::uint64_t>::max()}) == "18446744073709551615");
}

TEST_CASE("what is no number of its own is no part") {
  STATIC_REQUIRE_FALSE(std::is_constructible_v<text_part, bool>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<text_part, char>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<text_part, double>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<text_part, std::nullptr_t>);
}
