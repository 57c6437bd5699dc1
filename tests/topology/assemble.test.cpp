// Graphs of what CUDA says and of what was tried. (nvml_facts.test.cpp and sysfs.test.cpp have the
// rest.)
#include <peerfold/topology/assemble.hpp>

#include <support/catch.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace topology = peerfold::topology;
using topology::link_end;

namespace {

/// GPUs that CUDA joins, each with 18 links to a hidden switch.
topology::node_facts linked(std::size_t count) {
  std::vector<topology::gpu_facts> gpus(count);
  for (std::size_t i = 0; i < count; ++i) {
    gpus[i].name = "a GPU";
    gpus[i].bus_id = "0000:1" + std::to_string(i) + ":00.0";
    gpus[i].sm = 90;
    gpus[i].shares = true;
    gpus[i].links = std::vector<link_end>(18, {link_end::kind::nvswitch, ""});
  }
  topology::node_facts facts{gpus};
  for (topology::pair_facts& pair : facts.pairs) {
    pair.can_access = true;
    pair.native_atomics = true;
  }
  return facts;
}

}  // namespace

TEST_CASE("nothing is known of nothing") {
  CHECK(topology::assemble(topology::node_facts{}).node.size() == 0);
  const auto found = topology::assemble(topology::node_facts{std::vector<topology::gpu_facts>(2)});
  CHECK(found.remarks.empty());
  CHECK(found.node.at(0, 1) == topology::connection{});
}

TEST_CASE("what was tried counts more than what CUDA says") {
  topology::node_facts facts = linked(3);
  for (topology::pair_facts& pair : facts.pairs) {
    pair.carries_data = true;
    pair.measured_gbps = 390;
    pair.latency_us = 0.8;
  }
  topology::pair_facts& bad = facts.at(2, 0);
  bad.carries_data = false;
  bad.trouble = "7 lines were wrong";
  bad.measured_gbps = bad.latency_us = {};
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks == std::vector<std::string>{"GPU 2 (0000:12:00.0) to GPU 0 (0000:10:00.0): 7 lines "
                                            "were wrong; counts as without peer access"});
  CHECK(g.at(2, 0).peer_access == false);
  CHECK(g.at(2, 0).ipc == false);
  CHECK(g.at(2, 0).links == 18);
  CHECK(g.at(0, 2).peer_access == true);
  CHECK(g.at(0, 2).ipc == true);
  CHECK(g.at(0, 2).native_atomics == true);
  CHECK(g.at(0, 2).measured_gbps == 390);
  CHECK(g.at(0, 2).latency_us == 0.8);
  CHECK(g.at(0, 2).gbps == 18 * 26.5625);  // beside what was measured
}

TEST_CASE("why nothing was tried is said once") {
  topology::node_facts facts = linked(4);
  for (topology::pair_facts& pair : facts.pairs) pair.trouble = "no room; not tried";
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks.size() == 1);
  CHECK(g.at(2, 3).peer_access == true);
}

TEST_CASE("links that carry much less than they should are a remark") {
  topology::node_facts facts = linked(2);
  facts.at(0, 1).measured_gbps = 21.4;
  facts.at(1, 0).measured_gbps = 380;
  const auto found = topology::assemble(facts);
  CHECK(found.remarks == std::vector<std::string>{"GPU 0 (0000:10:00.0) to GPU 1 (0000:11:00.0): "
                                                  "stores reach 21 GB/s, and its 18 NVLinks carry "
                                                  "478"});
}

TEST_CASE("peer access and atomics are CUDA's, and NVML's where it says nothing") {
  topology::node_facts facts = linked(2);
  topology::pair_facts& there = facts.at(0, 1);
  topology::pair_facts& back = facts.at(1, 0);
  there.can_access = there.native_atomics = false;
  there.reads = there.writes = there.atomics = true;
  back.can_access = back.native_atomics = {};
  back.reads = back.writes = true;
  back.atomics = false;
  facts.gpus[0].shares = false;
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks.empty());
  CHECK(g.at(0, 1).peer_access == false);
  CHECK(g.at(0, 1).native_atomics == false);
  CHECK(g.at(1, 0).peer_access == true);
  CHECK(g.at(1, 0).native_atomics == false);
  CHECK(g.at(1, 0).ipc == false);
  back.writes = {};
  CHECK_FALSE(topology::assemble(facts).node.at(1, 0).peer_access.has_value());
}
