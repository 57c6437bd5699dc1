// The host twins of the word accesses. That they order what they should is shown by the tests that
// run under ThreadSanitizer; here: they move whole words, and only those.
#include "support/catch.hpp"

#include <peerfold/arch/ordered_access.hpp>

#include <cstdint>
#include <thread>
#include <type_traits>

namespace arch = peerfold::arch;

static_assert(arch::word<std::uint32_t> && arch::word<std::uint64_t>);
static_assert(!arch::word<std::uint16_t> && !arch::word<std::int32_t> && !arch::word<float>);
static_assert(sizeof(arch::word_pair) == 16 && alignof(arch::word_pair) == 16);
static_assert(std::is_trivially_copyable_v<arch::word_pair>);

TEMPLATE_TEST_CASE("words are stored and loaded whole, and nothing beside them", "", std::uint32_t,
                   std::uint64_t) {
  constexpr auto value = static_cast<TestType>(0xfedc'ba98'7654'3210u);
  constexpr auto other = static_cast<TestType>(0x1122'3344'5566'7788u);
  TestType words[3] = {other, other, other};

  SECTION("relaxed") { arch::store_relaxed(&words[1], value); }
  SECTION("released") { arch::store_release(&words[1], value); }

  CHECK(words[0] == other);
  CHECK(arch::load_relaxed(&words[1]) == value);
  CHECK(arch::load_acquire(&words[1]) == value);
  CHECK(words[2] == other);
}

TEST_CASE("an exchange returns what was there") {
  std::uint32_t word = 7;
  CHECK(arch::exchange_local(&word, 8) == 7);
  CHECK(arch::exchange_local(&word, 9) == 8);
  CHECK(word == 9);
}

TEST_CASE("word pairs keep their halves apart") {
  arch::word_pair pairs[2] = {{1, 2}, {3, 4}};
  arch::store_relaxed(&pairs[0], {5, 6});
  const arch::word_pair first = arch::load_relaxed(&pairs[0]);
  const arch::word_pair second = arch::load_relaxed(&pairs[1]);
  CHECK(first.low == 5);
  CHECK(first.high == 6);
  CHECK(second.low == 3);
  CHECK(second.high == 4);
}

TEST_CASE("who acquires a released word sees what was written before it") {
  for (int round = 0; round < 200; ++round) {
    std::uint64_t data[4] = {};
    std::uint32_t flag = 0;
    std::thread writer{[&] {
      for (auto& d : data) d = 42;
      arch::store_release(&flag, std::uint32_t{1});
    }};
    while (arch::load_acquire(&flag) == 0) std::this_thread::yield();
    bool right = true;
    for (const auto d : data) right = right && d == 42;
    writer.join();
    REQUIRE(right);
  }
}

TEST_CASE("of concurrent exchanges exactly one gets the first value") {
  for (int round = 0; round < 200; ++round) {
    std::uint32_t word = 0;
    std::uint32_t seen[2] = {};
    std::thread other{[&] { seen[1] = arch::exchange_local(&word, 1); }};
    seen[0] = arch::exchange_local(&word, 1);
    other.join();
    REQUIRE(seen[0] + seen[1] == 1);
  }
}
