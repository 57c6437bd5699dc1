#include <support/catch.hpp>

#include <peerfold/core/error.hpp>

#include <exception>
#include <string>
#include <type_traits>

using peerfold::errc;
using peerfold::error;

TEST_CASE("an error has a code and a message") {
  const error reason{errc::no_device, "devices[1]: device 7"};
  CHECK(reason.code() == errc::no_device);
  CHECK(std::string{reason.what()} == "devices[1]: device 7");
  CHECK(static_cast<bool>(reason));
}

TEST_CASE("no error is none") {
  const error none;
  CHECK(none.code() == errc::ok);
  CHECK(!static_cast<bool>(none));
  CHECK(std::string{none.what()}.empty());
}

#if PEERFOLD_EXCEPTIONS
TEST_CASE("a refusal is thrown, as a std::exception too") {
  STATIC_REQUIRE(std::is_base_of_v<std::exception, error>);
  STATIC_REQUIRE(std::is_same_v<peerfold::outcome<int>, int>);
  STATIC_REQUIRE(std::is_same_v<peerfold::outcome<>, void>);
  CHECK_THROWS_AS(peerfold::detail::refuse({errc::invalid_argument, "count: -1"}), error);
  CHECK_THROWS_WITH(peerfold::detail::refuse<int>({errc::invalid_argument, "count: -1"}),
                    "count: -1");
}
#endif
