// The machine that this runs on, as a graph: what holds on each.
#include <peerfold/discover.hpp>

#include <support/catch.hpp>

#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace topology = peerfold::topology;
using topology::connection;
using topology::graph;
using topology::path_kind;

namespace {

int devices() {
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  return count;
}

/// Prints what was found: whoever runs this on a machine that is new wants to see it.
void print(const topology::discovery& found) {
  const graph& g = found.node;
  for (int i = 0; i < g.size(); ++i) {
    const topology::gpu& gpu = g.gpu_at(i);
    std::printf("GPU %d: %s, %s, sm %d, NUMA node %d, %s, %zu bridges, %d links to switches\n", i,
                gpu.name.c_str(), gpu.bus_id.c_str(), gpu.sm.value_or(-1),
                gpu.numa_node.value_or(-1), gpu.host_bridge.c_str(), gpu.bridges.size(),
                gpu.links_to_switches());
  }
  const auto number = [](const auto& value) { return value ? static_cast<double>(*value) : -1.0; };
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      if (i == j) continue;
      const connection& c = g.at(i, j);
      std::printf(
          "%d to %d: %s, links %g, through switch %g, GB/s %g, measured %.1f, latency %.2f us, "
          "access %g, atomics %g, ipc %g\n",
          i, j, std::string(to_string(c.path)).c_str(), number(c.links), number(c.through_switch),
          number(c.gbps), number(c.measured_gbps), number(c.latency_us), number(c.peer_access),
          number(c.native_atomics), number(c.ipc));
    }
  }
  for (const std::string& remark : found.remarks) std::printf("remark: %s\n", remark.c_str());
}

/// Whether the current device reaches memory of `peer` as things stand: nothing to disable if not.
bool is_enabled(int device, int peer) {
  REQUIRE(cudaSetDevice(device) == cudaSuccess);
  const cudaError_t status = cudaDeviceDisablePeerAccess(peer);
  static_cast<void>(cudaGetLastError());
  if (status == cudaErrorPeerAccessNotEnabled) return false;
  REQUIRE(status == cudaSuccess);
  REQUIRE(cudaDeviceEnablePeerAccess(peer, 0) == cudaSuccess);
  return true;
}

}  // namespace

TEST_CASE("the machine as a graph") {
  REQUIRE(cudaSetDevice(1) == cudaSuccess);
  const auto begin = std::chrono::steady_clock::now();
  const topology::discovery found = topology::discover();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  int current = -1;
  CHECK(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == 1);
  CHECK(cudaGetLastError() == cudaSuccess);
  print(found);
  std::printf("%.2f s\n", seconds.count());

  const graph& g = found.node;
  REQUIRE(g.size() == devices());
  for (int i = 0; i < g.size(); ++i) {
    CHECK_FALSE(g.gpu_at(i).bus_id.empty());
    for (int j = 0; j < g.size(); ++j) {
      if (i == j) continue;
      CAPTURE(i, j);
      const connection& c = g.at(i, j);
      CHECK(g.gpu_at(i).bus_id != g.gpu_at(j).bus_id);
      CHECK(c.path == g.at(j, i).path);
      CHECK(c.links == g.at(j, i).links);
      CHECK(c.through_switch == g.at(j, i).through_switch);
      CHECK(c.latency_us == g.at(j, i).latency_us);
      CHECK(c.peer_access.has_value());
      if (c.path == path_kind::nvlink && c.links) CHECK(*c.links > 0);
      int can = 0;
      REQUIRE(cudaDeviceCanAccessPeer(&can, i, j) == cudaSuccess);
      if (can == 0) CHECK(c.peer_access == false);
      if (c.peer_access != true) continue;
      // Data went there and back.
      CHECK(c.measured_gbps.value_or(0) > 0);
      if (c.gbps) CHECK(*c.measured_gbps < 1.02 * *c.gbps);
      CHECK(c.latency_us.value_or(0) > 0.1);
      CHECK(c.latency_us.value_or(0) < 100);
      CHECK_FALSE(is_enabled(i, j));
    }
  }
}

TEST_CASE("peer access that somebody enabled stays") {
  int can = 0;
  REQUIRE(cudaDeviceCanAccessPeer(&can, 0, 1) == cudaSuccess);
  if (can == 0) return;
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  REQUIRE(cudaDeviceEnablePeerAccess(1, 0) == cudaSuccess);
  static_cast<void>(topology::discover({.devices = {0, 1}, .measure = false}));
  CHECK(is_enabled(0, 1));
  CHECK_FALSE(is_enabled(1, 0));
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  REQUIRE(cudaDeviceDisablePeerAccess(1) == cudaSuccess);
}

TEST_CASE("devices that are not there, or named twice, are refused by name") {
  const auto refusal = [](std::vector<int> devices) {
    try {
      static_cast<void>(topology::discover({.devices = std::move(devices), .probe = false}));
    } catch (const peerfold::error& reason) {
      return reason;
    }
    return peerfold::error{};
  };
  CHECK(refusal({0, 1, 0}).code() == peerfold::errc::invalid_argument);
  CHECK_THAT(refusal({0, 1, 0}).what(), Catch::Contains("devices[2]"));
  CHECK(refusal({0, 4096}).code() == peerfold::errc::no_device);
}

TEST_CASE("devices in another order, and without the probe, are the same machine") {
  const auto straight = topology::discover({.devices = {0, 1}, .probe = false}).node;
  const auto turned = topology::discover({.devices = {1, 0}, .probe = false}).node;
  CHECK(straight.gpu_at(0).bus_id == turned.gpu_at(1).bus_id);
  CHECK(straight.at(0, 1) == turned.at(1, 0));
  CHECK(straight.at(1, 0) == turned.at(0, 1));
  CHECK_FALSE(straight.at(0, 1).measured_gbps.has_value());
}
