#include "support/catch.hpp"
#include "transport/by_hand.hpp"

#include <peerfold/core/reduction_op.hpp>
#include <peerfold/sync/sequence.hpp>
#include <peerfold/transport/sentinel.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

namespace pf = peerfold;
using pf::test::message;
using namespace std::chrono_literals;

namespace {

using channel = pf::test::hand_driven_channel<2>;
template <class T>
using rank_of = pf::test::hand_driven_rank<pf::transport::sentinel, 2, T>;
using rank = rank_of<float>;

constexpr std::uint64_t empty = pf::sync::nothing_yet;

/// Line i of a message's slot, behind the header, in the ring at one rank from the other; -1: the
/// header.
pf::arch::word_pair* line(channel& c, int at, std::uint64_t m, int i) {
  const auto& layout = c.view().layout;
  auto* slot = c.region(at) + layout.sentinel_ring(0, at, 1 - at) + layout.sentinel_slot(m);
  if (i < 0) return reinterpret_cast<pf::arch::word_pair*>(slot);
  return reinterpret_cast<pf::arch::word_pair*>(slot + layout.sentinel_header) + i;
}

bool is_empty(channel& c, int at, std::uint64_t m) {
  bool all = true;
  for (int i = -1; i < 16; ++i) {
    const pf::arch::word_pair* found = line(c, at, m, i);
    all = all && found->low == empty && found->high == empty;
  }
  return all;
}

/// Exchanges the next message between both ranks, and says whether it arrived as it was sent.
bool exchange(rank& a, rank& b, std::uint32_t packs, std::uint32_t base) {
  a.send(packs, base);
  a.commit();
  b.send(packs, base + 1000);
  b.commit();
  const bool right = b.receive(packs) == message<rank>(packs, base) &&
                     a.receive(packs) == message<rank>(packs, base + 1000);
  return a.release() && b.release() && right;
}

pf::arch::word_pair header(std::uint64_t m) { return pf::test::packet_line(m, 0, 0); }
pf::arch::word_pair bits(const std::array<float, 4>& values) {
  return std::bit_cast<pf::arch::word_pair>(values);
}

}  // namespace

TEST_CASE("sentinels arrive as they were sent, whatever the number they start with") {
  for (const std::uint64_t first :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x7ffb}, std::uint64_t{0x7ffe},
        (std::uint64_t{1} << 32) - 5, (std::uint64_t{1} << 63) - 4}) {
    CAPTURE(first);
    channel c{first};
    std::uint64_t last = first;
    for (std::uint32_t call = 0; call < 5; ++call) {
      rank a{c, 0};
      rank b{c, 1};
      for (std::uint32_t m = 0; m < 1 + call; ++m) {
        // Large and small in turn, so that what is wiped is not what is read.
        REQUIRE(exchange(a, b, (call + m) % 3 == 0 ? 13 : 1 + m, 100 * m + call));
        ++last;
        for (const int at : {0, 1}) {
          REQUIRE(is_empty(c, at, last - 1));
          REQUIRE_FALSE(is_empty(c, at, last));
        }
      }
    }
  }
}

TEST_CASE("a message is taken when its header and all of its words are there, not before") {
  channel c{41, 20ms};
  const auto data = bits({1, 2, 3, 4});
  const auto head = header(42);
  struct arrived {
    pf::arch::word_pair head;
    pf::arch::word_pair data;
  };
  const arrived part = GENERATE_COPY(values<arrived>({{{empty, empty}, data},
                                                      {{head.low, empty}, data},
                                                      {{empty, head.high}, data},
                                                      {head, {data.low, empty}},
                                                      {head, {empty, data.high}}}));
  *line(c, 1, 42, -1) = part.head;
  *line(c, 1, 42, 0) = part.data;
  {
    rank b{c, 1};
    CHECK_FALSE(b.receive(1).has_value());
    CHECK_FALSE(b.release());
  }
  CHECK(c.report(1).kind == pf::fault_kind::timeout);
  CHECK(c.report(1).peer == 0);
  CHECK(c.report(1).expected == pf::sync::wire(42));
}

TEST_CASE("words may come in any order") {
  channel c{41};
  const auto data = bits({1, 2, 3, 4});
  const auto head = header(42);
  std::thread late{[&] {
    std::this_thread::sleep_for(10ms);
    pf::arch::store_relaxed(&line(c, 1, 42, 0)->high, data.high);
    pf::arch::store_relaxed(&line(c, 1, 42, -1)->high, head.high);
    std::this_thread::sleep_for(10ms);
    pf::arch::store_relaxed(&line(c, 1, 42, -1)->low, head.low);
    pf::arch::store_relaxed(&line(c, 1, 42, 0)->low, data.low);
  }};
  rank b{c, 1};
  const auto got = b.receive(1);
  late.join();
  REQUIRE(got.has_value());
  CHECK(*got == std::vector<float>{1, 2, 3, 4});
}

// The mark of message 0x7fff is all ones but for the digest, as an empty header is.
TEST_CASE("a header of which nothing has come, or half, is none of another call") {
  const std::uint64_t next = GENERATE(as<std::uint64_t>{}, 42, 0x7fff, 0x8000, 0xffff);
  const int came = GENERATE(0, 1, 2);  // nothing, the low word, the high one
  CAPTURE(next, came);
  {
    channel c{next - 1, 20ms};
    if (came == 1) line(c, 1, next, -1)->low = header(next).low;
    if (came == 2) line(c, 1, next, -1)->high = header(next).high;
    {
      rank b{c, 1};
      CHECK_FALSE(b.receive(1).has_value());
    }
    CHECK(c.report(1).kind == pf::fault_kind::timeout);
    CHECK(c.report(1).expected == pf::sync::wire(next));
  }
}

TEST_CASE("a header of another call is found out") {
  const auto half = GENERATE(0, 1);  // which half of the digest differs
  channel c{41};
  auto said = header(42);
  (half == 0 ? said.low : said.high) ^= std::uint64_t{1} << 32;
  *line(c, 1, 42, -1) = said;
  *line(c, 1, 42, 0) = bits({1, 2, 3, 4});
  {
    rank b{c, 1};
    b.send(1, 7);
    b.commit();
    CHECK_FALSE(b.receive(1).has_value());
    CHECK_FALSE(b.release());
  }
  CHECK(c.report(1).kind == pf::fault_kind::disagreement);
  CHECK(c.report(1).peer == 0);
}

namespace {

/// Rank 0 sends by one transport, rank 1 waits by another, and finds out.
template <class Sender, class Waiter>
void disagree_by_transport() {
  channel c{41};
  {
    Sender a{c, 0};
    a.send(1, 7);
    a.commit();
    Waiter b{c, 1};
    b.send(1, 7);
    b.commit();
    CHECK_FALSE(b.receive(1).has_value());
  }
  CHECK(c.report(1).kind == pf::fault_kind::disagreement);
  CHECK(c.report(1).peer == 0);
}

}  // namespace

TEST_CASE("a message by a transport that nobody waits at is found out") {
  using packets = pf::test::hand_driven_rank<pf::transport::packet, 2>;
  using stores = pf::test::hand_driven_rank<pf::transport::store_flag, 2>;
  disagree_by_transport<packets, rank>();
  disagree_by_transport<stores, rank>();
  disagree_by_transport<rank, packets>();
  disagree_by_transport<rank, stores>();
}

TEST_CASE("a ticket that another kernel holds ends a wait for sentinels at once") {
  channel c{41};
  {
    rank a{c, 0};
    c.state(0).busy = 1;
    a.send(1, 7);
    a.commit();
    CHECK_FALSE(a.receive(1).has_value());
    CHECK_FALSE(a.release());
  }
  CHECK(c.report(0).kind == pf::fault_kind::channel_busy);
  CHECK(c.report(0).peer == 1);
}

namespace {

/// What both ranks get where rank r gives the elements with the bits of given[r].
template <class T, std::size_t Size>
void fold_bits(const std::array<std::array<std::uint64_t, Size>, 2>& given,
               std::array<std::array<T, Size>, 2>& got) {
  using bits_type = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  channel c;
  rank_of<T> ranks[2] = {{c, 0}, {c, 1}};
  const pf::transport::tile x{0, Size};
  const auto mine = [&](int r) {
    return ranks[r].transport().load(x, [&given, r](std::size_t i) {
      return std::bit_cast<T>(static_cast<bits_type>(given[static_cast<std::size_t>(r)][i]));
    });
  };
  for (int r = 0; r < 2; ++r) {
    ranks[r].transport().send(1, x, mine(r));
    ranks[r].commit();
  }
  // The value of rank 0, or if it is zero that of rank 1: bits go through.
  const auto first = [](T a, T b) { return a == 0 ? b : a; };
  for (int r = 0; r < 2; ++r) {
    auto& t = ranks[r].transport();
    const auto theirs = t.receive(x);
    REQUIRE(static_cast<bool>(theirs));
    const auto keep = [&](std::size_t i, T value) { got[static_cast<std::size_t>(r)][i] = value; };
    t.store(x, t.fold(x, mine(r), theirs, first, pf::round_to<T>{}), t.destination(x, keep));
  }
}

}  // namespace

TEST_CASE("all ones arrive as a NaN, with the same bits everywhere") {
  constexpr std::uint64_t ones = 0xffff'ffffu;
  std::array<std::array<float, 8>, 2> got;
  fold_bits<float, 8>({{{ones, ones, ones, 0, 0, 0, 0x3f80'0000, 0x8000'0000},
                        {0, 0, 0, ones, ones, ones, 0, 0x8000'0000}}},
                      got);
  for (std::size_t i = 0; i < 8; ++i) {
    CAPTURE(i);
    CHECK(std::bit_cast<std::uint32_t>(got[0][i]) == std::bit_cast<std::uint32_t>(got[1][i]));
    CHECK(std::isnan(got[0][i]) == (i < 6));
  }
  CHECK(got[0][6] == 1.0f);
  CHECK(std::bit_cast<std::uint32_t>(got[0][7]) == 0x8000'0000u);
}

TEST_CASE("of a double all bits arrive that are no NaN's") {
  constexpr std::array<std::uint64_t, 4> given{0x3ff0'0000'ffff'ffff, 0x8000'0000'0000'0001,
                                               0xffef'ffff'ffff'ffff, 0xfff0'0000'0000'0000};
  std::array<std::array<double, 4>, 2> got;
  fold_bits<double, 4>({given, {empty, empty, empty, empty}}, got);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::bit_cast<std::uint64_t>(got[0][i]) == given[i]);
    CHECK(std::bit_cast<std::uint64_t>(got[1][i]) == given[i]);
  }
  fold_bits<double, 4>({{{empty, 0, empty, 0}, {0, empty, empty, 0}}}, got);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::isnan(got[0][i]));
    CHECK(std::bit_cast<std::uint64_t>(got[0][i]) == std::bit_cast<std::uint64_t>(got[1][i]));
  }
}
