#include "support/catch.hpp"
#include "transport/by_hand.hpp"

#include <peerfold/sync/sequence.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace pf = peerfold;
using pf::test::message;
using namespace std::chrono_literals;

namespace {

using channel = pf::test::hand_driven_channel<2>;
using rank = pf::test::hand_driven_rank<pf::transport::store_flag, 2>;

constexpr std::uint64_t half_wrap = std::uint64_t{1} << 30;
constexpr std::uint64_t wrap = std::uint64_t{1} << 31;  // wire numbers come round
constexpr std::uint32_t slots = pf::sync::store_slots;

std::uint64_t any_start() {
  return GENERATE(as<std::uint64_t>{}, 0, half_wrap - 5, half_wrap - 1, wrap - 5, wrap - 1, wrap,
                  2 * wrap - 5);
}

}  // namespace

TEST_CASE("stores arrive as they were sent, whatever the number they start with") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first};
  for (std::uint32_t call = 0; call < 3; ++call) {
    rank a{c, 0};
    rank b{c, 1};
    for (std::uint32_t m = 0; m < 2 * slots; ++m) {
      const std::uint32_t packs = 1 + m % 16;
      a.send(packs, m + call);
      a.commit();
      b.send(packs, m + 1000);
      b.commit();
      REQUIRE(a.receive(packs) == message<rank>(packs, m + 1000));
      REQUIRE(b.receive(packs) == message<rank>(packs, m + call));
      REQUIRE(a.release());
      REQUIRE(b.release());
    }
  }
}

// A block for which a message is too small, in a kernel of the caller's.
TEST_CASE("a call without messages leaves the numbers alone") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first};
  for (int r = 0; r < 2; ++r) rank idle{c, r};
  for (int r = 0; r < 2; ++r) {
    CHECK(c.state(r).store[0].sent == first);
    CHECK(c.state(r).store[0].received == first);
  }
}

TEST_CASE("numbers that move on before the ticket is taken are a conflict") {
  channel c{41};
  {
    rank a{c, 0};
    c.state(0).store[0].sent = 42;
    a.send(1, 7);
    a.commit();
  }
  CHECK(c.report(0).kind == pf::fault_kind::channel_busy);
}

TEST_CASE("a ring of messages may be under way, and all of them arrive") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first, 20ms};
  rank a{c, 0};
  rank b{c, 1};
  for (std::uint32_t m = 0; m < slots; ++m) {
    a.send(3, m);
    a.commit();
  }
  for (std::uint32_t m = 0; m < slots; ++m) REQUIRE(b.receive(3) == message<rank>(3, m));
}

TEST_CASE("a message that was not committed is not received") {
  channel c{any_start(), 20ms};
  {
    rank a{c, 0};
    rank b{c, 1};
    a.send(3, 1);
    CHECK_FALSE(b.receive(3).has_value());
    CHECK_FALSE(b.release());
  }
  CHECK(c.report(1).kind == pf::fault_kind::timeout);
  CHECK(c.report(1).peer == 0);
}

TEST_CASE("a sender a ring ahead waits for credit, and gives up if none comes") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first, 20ms};
  {
    rank a{c, 0};
    rank b{c, 1};
    for (std::uint32_t m = 0; m < slots; ++m) {
      a.send(2, 100 * m);
      a.commit();
    }
    // Receiving is no credit, releasing without telling is none either.
    REQUIRE(b.receive(2) == message<rank>(2, 0));
    REQUIRE(b.release());
    a.send(2, 800);
    CHECK_FALSE(a.release());
  }
  CHECK(c.report(0).kind == pf::fault_kind::timeout);
  CHECK(c.report(0).peer == 1);
  CHECK(c.report(0).expected == pf::sync::wire(first + 1));
}

TEST_CASE("a call knows from the last one whether it has room") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first};
  {
    rank a{c, 0};
    CHECK(a.transport().has_room());
    for (std::uint32_t m = 0; m < slots; ++m) {
      a.send(2, m);
      a.commit();
    }
  }
  {
    rank a{c, 0};
    CHECK_FALSE(a.transport().has_room());
    rank b{c, 1};
    REQUIRE(b.receive(2) == message<rank>(2, 0));
    REQUIRE(b.release());
    b.commit();
    REQUIRE(a.transport().receive({}));
  }
  rank a{c, 0};
  CHECK(a.transport().has_room());
}

TEST_CASE("credit lets a waiting sender go on, one message for one") {
  const std::uint64_t first = any_start();
  CAPTURE(first);
  channel c{first};
  rank a{c, 0};
  rank b{c, 1};
  for (std::uint32_t m = 0; m < slots; ++m) {
    a.send(2, 100 * m);
    a.commit();
  }
  std::atomic<std::uint32_t> sent{slots};
  std::thread sender{[&] {
    for (std::uint32_t m = slots; m < 3 * slots; ++m) {
      a.send(2, 100 * m);
      a.commit();
      sent.store(m + 1);
    }
  }};
  bool right = true;
  bool ahead = false;
  for (std::uint32_t m = 0; m < 3 * slots; ++m) {
    if (m % 4 == 0) {
      std::this_thread::sleep_for(2ms);
      ahead = ahead || sent.load() > m + slots;
    }
    right = right && b.receive(2) == message<rank>(2, 100 * m) && b.release();
    b.commit();  // an empty message brings the credit
  }
  sender.join();
  CHECK(right);
  CHECK_FALSE(ahead);
  CHECK(sent.load() == 3 * slots);
}

// Both ranks run as far ahead as credit lets them, at their own random pace.
TEST_CASE("rings under pressure lose nothing") {
  const std::uint64_t first = any_start();
  const auto seed = GENERATE(range(1u, 5u));
  CAPTURE(first, seed);
  constexpr std::uint32_t messages = 200;
  channel c{first};
  bool right[2] = {true, true};
  const auto run = [&](int self) {
    std::minstd_rand random{seed * 2 + static_cast<unsigned>(self)};
    const auto dawdle = [&] {
      if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds{random() % 50});
    };
    const auto value = [](int of, std::uint32_t m) {
      return static_cast<std::uint32_t>(of) * 1'000'000 + m * 100;
    };
    const auto packs = [](int of, std::uint32_t m) {
      return 1 + (m * 7 + static_cast<std::uint32_t>(of)) % 16;
    };
    rank me{c, self};
    std::uint32_t sent = 0;
    const auto send = [&] {
      dawdle();
      me.send(packs(self, sent), value(self, sent));
      me.commit();
      ++sent;
    };
    // With up to `ahead` messages more sent than received, a rank never waits for a credit that
    // only its own next message would bring.
    constexpr std::uint32_t ahead = slots / 2;
    for (std::uint32_t m = 0; m < messages; ++m) {
      while (sent < messages && (sent <= m || (sent < m + ahead && random() % 2 == 0))) send();
      dawdle();
      const auto got = me.receive(packs(1 - self, m));
      dawdle();
      right[self] = right[self] && got == message<rank>(packs(1 - self, m), value(1 - self, m)) &&
                    me.release();
    }
  };
  std::thread other{run, 1};
  run(0);
  other.join();
  CHECK(right[0]);
  CHECK(right[1]);
}
