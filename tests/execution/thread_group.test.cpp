#include <support/catch.hpp>

#include <peerfold/execution/crew.hpp>
#include <peerfold/execution/thread_group.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace execution = peerfold::execution;

TEST_CASE("a barrier counts votes, round after round, and orders what came before") {
  constexpr int width = 3;
  constexpr int rounds = 2000;
  execution::voting_barrier barrier{width};
  std::vector<int> plain(width);  // not atomic: the barrier orders it, or ThreadSanitizer complains
  std::vector<int> wrong(width);
  std::vector<std::thread> threads;
  for (int lane = 0; lane < width; ++lane) {
    threads.emplace_back([&, lane] {
      const execution::thread_group group{barrier, lane, width};
      const auto me = static_cast<std::size_t>(lane);
      const auto next = static_cast<std::size_t>((lane + 1) % width);
      for (int round = 0; round < rounds; ++round) {
        plain[me] = round;
        const bool voted = round % 5 == lane;
        if (group.any(voted) != (round % 5 < width)) ++wrong[me];
        if (plain[next] != round) ++wrong[me];
        group.sync();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::count(wrong.begin(), wrong.end(), 0) == width);
}

TEST_CASE("one lane needs no barrier") {
  execution::voting_barrier barrier{1};
  const execution::thread_group group{barrier, 0, 1};
  CHECK(group.elect());
  CHECK(group.any(true));
  CHECK(!group.any(false));
  group.sync();
}

TEST_CASE("a crew runs one task after the other on all its lanes") {
  struct job {
    std::atomic<int> lanes{0};
    std::atomic<int> elected{0};
    std::atomic<std::uint64_t> scratch{0};
  };
  constexpr int width = 4;
  execution::crew crew{width};
  const execution::crew::task task{
      [](const void* opaque, const execution::thread_group& group, void* scratch) {
        auto& mine = *const_cast<job*>(static_cast<const job*>(opaque));
        mine.lanes += 1 << (4 * group.lane());
        mine.elected += group.elect() ? 1 : 0;
        // All lanes of the group share the scratch memory.
        mine.scratch ^= reinterpret_cast<std::uintptr_t>(scratch);
      },
      nullptr};
  for (int i = 0; i < 200; ++i) {
    job next;
    crew.start({task.run, &next});
    crew.finish();
    REQUIRE(next.lanes == 0x1111);
    REQUIRE(next.elected == 1);
    REQUIRE(next.scratch == 0);
  }
}
