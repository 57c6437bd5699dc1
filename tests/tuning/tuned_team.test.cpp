// Teams of threads under PEERFOLD_TUNING, which CMakeLists.txt sets: each case is run by itself.
#include <peerfold/all_gather.hpp>
#include <peerfold/all_reduce.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/team/team.hpp>

#include <support/catch.hpp>

#include <cstddef>
#include <string>

namespace pf = peerfold;

namespace {

/// Messages that block 0 of rank 0 has sent, by packets and by stores.
struct sent {
  std::uint64_t packets;
  std::uint64_t stores;
};
sent sent_by(const pf::thread_team<2>& team) {
  const auto view = team.ranks()->view_of(0, 0);
  const auto* const state = view.layout.state(view.region[0], 0);
  return {state->packet[0].sent, state->store[0].sent};
}

sent after_all_reduce(std::size_t count) {
  auto team = pf::thread_team<2>::on_threads();
  pf::symmetric_buffer<float, 2> buffer(team, count);
  for (int r = 0; r < 2; ++r) {
    for (std::size_t i = 0; i < count; ++i) buffer.data(r)[i] = static_cast<float>(r + 1);
  }
  pf::all_reduce(team, buffer, pf::sum{});
  for (int r = 0; r < 2; ++r) {
    for (std::size_t i = 0; i < count; ++i) REQUIRE(buffer.data(r)[i] == 3);
  }
  return sent_by(team);
}

}  // namespace

TEST_CASE("untuned", "[untuned]") {
  CHECK(pf::thread_team<2>::on_threads().measured() == nullptr);
  CHECK(after_all_reduce(16).packets == 1);
  CHECK(after_all_reduce(16).stores == 0);
}

// The file says that packets are slow for 64 bytes, and fast for 4 KiB.
TEST_CASE("automatic takes what was measured to be the fastest", "[tuned]") {
  REQUIRE(pf::thread_team<2>::on_threads().measured() != nullptr);
  CHECK(after_all_reduce(16).packets == 0);
  CHECK(after_all_reduce(16).stores > 0);
  CHECK(after_all_reduce(1024).packets > 0);
  CHECK(after_all_reduce(1024).stores == 0);
}

TEST_CASE("a policy that is named is taken, whatever was measured", "[tuned]") {
  auto team = pf::thread_team<2>::on_threads();
  pf::symmetric_buffer<float, 2> buffer(team, 16);
  pf::all_reduce(team, buffer, pf::sum{}, {.policy = pf::one_shot_packet});
  CHECK(sent_by(team).packets == 1);
}

TEST_CASE("of collectives and rank counts that were not measured a tuning says nothing",
          "[tuned]") {
  auto team = pf::thread_team<2>::on_threads();
  pf::symmetric_buffer<float, 2> in(team, 16);
  pf::symmetric_buffer<float, 2> out(team, 32);
  pf::all_gather(team, in, out);
  CHECK(sent_by(team).packets == 1);
}

TEST_CASE("a tuning of another machine is not used", "[other]") {
  CHECK(pf::thread_team<2>::on_threads().measured() == nullptr);
}

TEST_CASE("a tuning that is not there, or wrong, refuses teams", "[wrong]") {
  try {
    static_cast<void>(pf::thread_team<2>::on_threads());
    FAIL("not refused");
  } catch (const pf::error& reason) {
    CHECK(reason.code() == pf::errc::invalid_argument);
    CHECK(std::string(reason.what()).starts_with("PEERFOLD_TUNING: "));
    CHECK(std::string(reason.what()).find(".tuning") != std::string::npos);
  }
}
