// The probe on one GPU, which is its own peer; what the probe finds wrong; the machine as one GPU.
#include <peerfold/discover.hpp>
#include <peerfold/execution/peer_probe.cuh>

#include <support/catch.hpp>

#include <cuda_runtime.h>

#include <chrono>
#include <cstdint>
#include <set>

namespace pf = peerfold;
namespace execution = peerfold::execution;
namespace topology = peerfold::topology;
using execution::probe_line;

TEST_CASE("no two lines of a pattern are equal, nor those of two patterns") {
  constexpr std::uint32_t lines = 1u << 16;
  std::set<std::uint32_t> firsts;
  int same = 0;
  for (std::uint32_t i = 0; i < lines; ++i) {
    const probe_line line = execution::pattern_line(i, 7);
    const probe_line other = execution::pattern_line(i, 8);
    firsts.insert(line.word[0]);
    for (int w = 0; w < 4; ++w) same += other.word[w] == line.word[w] ? 1 : 0;
  }
  CHECK(firsts.size() == lines);
  CHECK(same < 4);
}

TEST_CASE("lines that are wrong are counted, wherever they are") {
  constexpr std::uint32_t lines = 10'000;
  probe_line* memory = nullptr;
  std::uint32_t* wrong = nullptr;
  REQUIRE(cudaMalloc(&memory, lines * sizeof(probe_line)) == cudaSuccess);
  REQUIRE(cudaMalloc(&wrong, sizeof *wrong) == cudaSuccess);
  execution::store_pattern<probe_line><<<3, 512>>>(memory, lines, 5, 2);
  const auto counted = [&](std::uint32_t seed) {
    std::uint32_t found = 0;
    REQUIRE(cudaMemset(wrong, 0, sizeof *wrong) == cudaSuccess);
    execution::check_pattern<probe_line><<<5, 512>>>(memory, lines, seed, wrong);
    REQUIRE(cudaMemcpy(&found, wrong, sizeof found, cudaMemcpyDeviceToHost) == cudaSuccess);
    return found;
  };
  CHECK(counted(5) == 0);
  CHECK(counted(6) == lines);
  for (const std::uint32_t line : {0u, 17u, lines - 1}) {
    REQUIRE(cudaMemset(&memory[line].word[line % 4], 0xa5, 1) == cudaSuccess);
  }
  CHECK(counted(5) == 3);
  REQUIRE(cudaFree(memory) == cudaSuccess);
  REQUIRE(cudaFree(wrong) == cudaSuccess);
}

TEST_CASE("a flag that does not come ends the wait") {
  std::uint32_t* words = nullptr;
  std::uint64_t* ns = nullptr;
  REQUIRE(cudaMalloc(&words, 2 * sizeof *words) == cudaSuccess);
  REQUIRE(cudaMalloc(&ns, sizeof *ns) == cudaSuccess);
  REQUIRE(cudaMemset(words, 0, 2 * sizeof *words) == cudaSuccess);
  REQUIRE(cudaMemset(ns, 0xff, sizeof *ns) == cudaSuccess);
  execution::ping_pong<std::uint32_t><<<1, 1>>>(words, words + 1, true, 10, 1000, ns);
  std::uint64_t measured = 1;
  REQUIRE(cudaMemcpy(&measured, ns, sizeof measured, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(measured == 0);
  REQUIRE(cudaFree(words) == cudaSuccess);
  REQUIRE(cudaFree(ns) == cudaSuccess);
}

TEST_CASE("a device reaches itself") {
  topology::pair_facts there;
  topology::pair_facts back;
  {
    execution::peer_probe probe{{0, 0}};
    CHECK(probe.shares(0).has_value());
    probe.examine(0, 1, there, back);
  }
  for (const topology::pair_facts* facts : {&there, &back}) {
    CHECK(facts->trouble.empty());
    CHECK(facts->carries_data == true);
    CHECK(facts->measured_gbps.value_or(0) > 0);
    CHECK(facts->latency_us.value_or(0) > 0);  // its two kernels run at once
  }
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("where CUDA denies access, nothing is tried") {
  topology::pair_facts there;
  topology::pair_facts back;
  there.can_access = back.can_access = false;
  execution::peer_probe probe{{0, 0}, {.measure = false}};
  probe.examine(0, 1, there, back);
  CHECK_FALSE(there.carries_data.has_value());
  back.can_access = true;
  probe.examine(0, 1, there, back);
  CHECK_FALSE(there.carries_data.has_value());
  CHECK(back.carries_data == true);
  CHECK_FALSE(back.measured_gbps.has_value());
}

TEST_CASE("without patience the probe gives up, and for good") {
  topology::pair_facts there;
  topology::pair_facts back;
  topology::pair_facts later;
  {
    execution::peer_probe probe{{0, 0}, {.patience = std::chrono::milliseconds{-1}}};
    probe.examine(0, 1, there, back);
    probe.examine(0, 1, later, later);
  }
  CHECK(there.carries_data == false);
  CHECK_THAT(there.trouble, Catch::Contains("did not come"));
  CHECK_FALSE(back.carries_data.has_value());
  CHECK_FALSE(later.carries_data.has_value());
  CHECK_THAT(later.trouble, Catch::Contains("an earlier probe did not end"));
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

TEST_CASE("one GPU is a graph") {
  for (const bool probe : {false, true}) {
    const auto [g, remarks] = topology::discover({.devices = {0}, .probe = probe});
    REQUIRE(g.size() == 1);
    CHECK_FALSE(g.gpu_at(0).name.empty());
    CHECK_FALSE(g.gpu_at(0).bus_id.empty());
    CHECK(g.gpu_at(0).sm.value_or(0) >= 50);
  }
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("devices that are not there are refused") {
  for (const int device : {-1, 1000}) {
    try {
      static_cast<void>(topology::discover({.devices = {0, device}}));
      FAIL("not refused");
    } catch (const pf::error& reason) {
      CHECK(reason.code() == pf::errc::no_device);
      CHECK_THAT(reason.what(), Catch::Contains("devices[1]"));
    }
  }
}
