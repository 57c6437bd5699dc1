#include <support/catch.hpp>

#include <peerfold/all_reduce.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace pf = peerfold;

#if defined(__SANITIZE_THREAD__)
// Allocations that are too large fail, as they do without the sanitizer.
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#endif

namespace {

template <class F>
void check_refused(pf::errc code, const std::vector<std::string>& said, F&& f) {
  try {
    f();
    FAIL("not refused");
  } catch (const pf::error& reason) {
    CHECK(reason.code() == code);
    for (const std::string& part : said) CHECK_THAT(reason.what(), Catch::Contains(part));
  }
}

void check_workers(int workers) {
  pf::team_options options;
  options.workers = workers;
  check_refused(pf::errc::invalid_argument, {"workers", std::to_string(workers), "1 to 64"},
                [&] { static_cast<void>(pf::thread_team<2>::on_threads(options)); });
}

}  // namespace

TEST_CASE("a team says what it is") {
  pf::team_options options;
  options.channels = {{2}, {0}, {5}};
  const auto team = pf::thread_team<3>::on_threads(options);
  const auto other = pf::thread_team<3>::on_threads(options);
  STATIC_REQUIRE(team.size == 3);
  CHECK(team.channels() == 3);
  CHECK(team.blocks(0) == 2);
  CHECK(team.blocks(1) == 1);
  CHECK(team.blocks(2) == 5);
  CHECK(team.id() != 0);
  CHECK(team.id() != other.id());
  CHECK(team.staging_bytes() == other.staging_bytes());
  CHECK(team.status().ok());
  CHECK(team.status().to_string() == "ok");
}

TEST_CASE("a team moves and is not copied") {
  using team = pf::thread_team<2>;
  STATIC_REQUIRE(!std::is_copy_constructible_v<team>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<team>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<team>);
  auto first = team::on_threads();
  const auto id = first.id();
  auto second = std::move(first);
  CHECK(second.id() == id);
  CHECK(first.id() == 0);
  auto third = team::on_threads();
  third = std::move(second);  // ends the team that was there
  CHECK(third.id() == id);
}

TEST_CASE("staging grows with what the options say, and is fixed") {
  pf::team_options options;
  options.channels = {{4}};
  std::size_t before = 0;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 18, std::size_t{1} << 20}) {
    options.staging_bytes = bytes;
    auto team = pf::thread_team<2>::on_threads(options);
    CHECK(team.staging_bytes() > before);
    before = team.staging_bytes();
    pf::symmetric_buffer<float, 2> large(team, 500'000);
    for (int r = 0; r < 2; ++r) std::fill_n(large.data(r), large.size(), 1.0f);
    pf::all_reduce<pf::policies<pf::two_shot_store>>(team, large, pf::sum{});
    CHECK(team.staging_bytes() == before);
    CHECK(large.span(1)[499'999] == 2);
  }
}

TEST_CASE("a rank has 1 to 64 workers") {
  check_workers(0);
  check_workers(-1);
  check_workers(65);
  check_workers(std::numeric_limits<int>::max());
  check_workers(std::numeric_limits<int>::min());
}

TEST_CASE("a channel on threads has a bounded number of blocks") {
  for (const int blocks : {-1, 1025, std::numeric_limits<int>::max()}) {
    pf::team_options options;
    options.channels = {{1}, {blocks}};
    check_refused(pf::errc::invalid_argument,
                  {"channels[1].blocks", std::to_string(blocks), "1024"},
                  [&] { static_cast<void>(pf::thread_team<2>::on_threads(options)); });
  }
}

TEST_CASE("more staging than there is memory is refused") {
  pf::team_options options;
  options.staging_bytes = std::size_t{1} << 60;
  options.channels.assign(64, {1024});  // slots of 32 KiB: more than 100 TB
  check_refused(pf::errc::out_of_resources, {"staging_bytes", "memory"},
                [&] { static_cast<void>(pf::thread_team<8>::on_threads(options)); });
}

#if !defined(__SANITIZE_THREAD__)  // which wants all addresses for itself
TEST_CASE("more threads than the system has are refused, and those that ran have ended") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = rlim_t{1} << 30;  // stacks for some hundred threads
    setrlimit(RLIMIT_AS, &limit);
    pf::team_options options;
    options.workers = 64;
    options.staging_bytes = 1;
    try {
      static_cast<void>(pf::thread_team<8>::on_threads(options));
    } catch (const pf::error& reason) {
      const bool right = reason.code() == pf::errc::out_of_resources &&
                         std::string{reason.what()}.find("workers") != std::string::npos;
      _exit(right ? 0 : 2);
    }
    _exit(3);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif

// One lane knows of the ticket; another waits for a rank that does not come.
TEST_CASE("a channel in use ends the waits of all lanes at once") {
  for (const auto& policy : {pf::one_shot_packet, pf::one_shot_store}) {
    pf::team_options options;
    options.workers = 2;
    options.wait_budget = std::chrono::minutes{10};
    auto team = pf::thread_team<3>::on_threads(options);
    auto& ranks = *team.ranks();
    ranks.view(0).layout.state(ranks.view_of(0, 0).region[0], 0)->busy = 1;
    pf::symmetric_buffer<int, 3> buffer(team, 1000);
    const auto call = [&](int rank) {
      try {
        pf::all_reduce<pf::every_policy>(team.rank(rank), buffer, buffer, pf::max{},
                                         {.policy = policy});
      } catch (const pf::error&) {  // where this thread came after the fault
      }
    };
    std::thread early{[&] { call(1); }};
    std::this_thread::sleep_for(std::chrono::milliseconds{50});  // rank 1's message is there
    call(0);
    early.join();
    const auto status = team.status();
    REQUIRE(status.size() >= 1);
    CHECK(status.begin()->kind == pf::fault_kind::channel_busy);
    CHECK(status.begin()->rank == 0);
  }
}

// Integer division by a padding of zeros would trap.
TEST_CASE("functors see elements of the message only") {
  struct remainder {
    int operator()(int a, int b) const { return a % b; }
  };
  auto team = pf::thread_team<2>::on_threads();
  for (const std::size_t count : {1, 2, 3, 5, 513, 1023}) {
    const std::vector<int> dividend(count, 17);
    const std::vector<int> divisor(count, 5);
    for (const auto& policy : pf::all_policies) {
      std::array<std::vector<int>, 2> out{std::vector<int>(count), std::vector<int>(count)};
      pf::all_reduce<pf::every_policy>(team, std::array{dividend.data(), divisor.data()},
                                       std::array{out[0].data(), out[1].data()}, count, remainder{},
                                       {.policy = policy});
      CHECK(out[0] == std::vector<int>(count, 2));
      CHECK(out[1] == out[0]);
    }
  }
}

TEST_CASE("a rank handle names its rank and its team") {
  auto team = pf::thread_team<4>::on_threads();
  const auto rank = team.rank(3);
  CHECK(rank.rank() == 3);
  CHECK(&rank.team() == &team);
  check_refused(pf::errc::invalid_argument, {"rank", "4", "0 to 3"},
                [&] { static_cast<void>(team.rank(4)); });
  check_refused(pf::errc::invalid_argument, {"rank", "-1", "0 to 3"},
                [&] { static_cast<void>(team.rank(-1)); });
}

TEST_CASE("status may be asked from any thread while calls run") {
  pf::team_options options;
  options.wait_budget = std::chrono::milliseconds{300};
  auto team = pf::thread_team<2>::on_threads(options);
  pf::symmetric_buffer<int, 2> buffer(team, 10);
  std::thread lone{[&] {
    pf::all_reduce<pf::policies<pf::one_shot_packet>>(team.rank(0), buffer, buffer, pf::max{});
  }};
  while (team.status().ok()) std::this_thread::yield();
  const auto status = team.status();
  lone.join();
  REQUIRE(status.size() == 1);
  CHECK(status.begin()->kind == pf::fault_kind::timeout);
  CHECK(status.begin()->peer == 1);
}
