// Graphs of what NVML answers, on machines that are made up.
#include <peerfold/topology/assemble.hpp>
#include <peerfold/topology/nvml_facts.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "fake_nvml.hpp"

namespace test = peerfold::test;
namespace topology = peerfold::topology;
namespace nvml = peerfold::topology::nvml;
using topology::path_kind;

namespace {

topology::discovery look(const test::fake_nvml& machine, const std::vector<std::size_t>& order) {
  topology::node_facts facts = machine.facts(order);
  topology::add_nvml(facts, machine.functions);
  CHECK(machine.started == 0);
  return topology::assemble(facts);
}

bool says(const topology::discovery& found, const std::string& what) {
  return std::ranges::any_of(found.remarks, [&](const std::string& remark) {
    return remark.find(what) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("a bus id is read with as many digits as there are") {
  using topology::pci_address;
  CHECK(pci_address::parse("0000:1B:00.0")->text() == "0000:1b:00.0");
  CHECK(pci_address::parse("00000000:1b:1f.1")->text() == "0000:1b:1f.1");
  CHECK(pci_address::parse("10000:01:00.0")->text() == "10000:01:00.0");
  for (const char* const text : {"", "1b:00.0", "0000:1b:00", "0000:1b:00.", "0000:1b:20.0",
                                 "0000:100:00.0", "0000:1b:00.0 ", "fffffff:ffff:ff", "x:1:2.0",
                                 "ffffffff:ff:1f.0", "-1:00:00.0", "fffffffff:00:00.0"}) {
    CAPTURE(text);
    CHECK_FALSE(pci_address::parse(text).has_value());
  }
}

TEST_CASE("in a virtual machine links end at a switch that is hidden") {
  // What drivers answer there: ones, for a type that is known, unknown, or not asked for.
  for (const int how : {0, 1, 2, 3, 4}) {
    CAPTURE(how);
    test::fake_nvml machine;
    machine.add(2);
    machine.link_to_switch(test::hidden, 18);
    for (const auto& gpu : machine.gpus) {
      for (test::fake_link& link : gpu->links) {
        if (how == 1) link.type = nvml::device_type_unknown;
        if (how == 2) link.type_result = nvml::error_not_supported;
        if (how == 3) link.remote = {};
        if (how == 4) {
          link.type = nvml::device_type_unknown;
          link.remote_result = nvml::error_not_supported;
        }
      }
      gpu->speed = 26562;
    }
    const auto [g, remarks] = look(machine, {0, 1});
    CHECK(remarks.empty());
    REQUIRE(g.nvswitches().size() == 1);
    CHECK(g.nvswitches()[0].bus_id.empty());
    CHECK(g.gpu_at(0).ports == std::vector<topology::switch_port>{{0, 18}});
    for (const auto& c : {g.at(0, 1), g.at(1, 0)}) {
      CHECK(c.path == path_kind::nvlink);
      CHECK(c.links == 18);
      CHECK(c.through_switch == true);
      CHECK(c.gbps == 18 * 26.5625);  // and not the rounded rate
      CHECK(c.peer_access == true);
      CHECK(c.native_atomics == true);
    }
  }
}

TEST_CASE("switches that are seen, with unequal numbers of links") {
  test::fake_nvml machine;
  machine.add(8);
  machine.link_to_switch({0, 0x80, 0, 0}, 5);
  machine.link_to_switch({0, 0x81, 0, 0}, 4);
  machine.link_to_switch({0, 0x82, 0, 0}, 4);
  machine.link_to_switch({0, 0x83, 0, 0}, 5);
  machine[3].links.back().state = 0;  // one is down
  const auto [g, remarks] = look(machine, {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(remarks.empty());
  REQUIRE(g.nvswitches().size() == 4);
  CHECK(g.nvswitches()[1].bus_id == "0000:81:00.0");
  CHECK(g.gpu_at(7).ports == std::vector<topology::switch_port>{{0, 5}, {1, 4}, {2, 4}, {3, 5}});
  CHECK(g.at(0, 1).links == 18);
  CHECK(g.at(0, 3).links == 17);
  CHECK(g.all_linked() == true);
}

TEST_CASE("a direct mesh, and CUDA's order of its GPUs") {
  test::fake_nvml machine;
  machine.add(4);
  machine.link(0, 1, 1);
  machine.link(0, 2, 2);
  machine.link(0, 3, 3);
  machine.link(1, 2, 4);
  machine.link(1, 3, 5);
  machine.link(2, 3, 6);
  const auto all = look(machine, {3, 1, 0, 2});
  CHECK(all.remarks.empty());
  const topology::graph& g = all.node;
  CHECK(g.gpu_at(0).bus_id == "0000:13:00.0");
  CHECK(g.at(0, 1).links == 5);
  CHECK(g.at(1, 0).links == 5);
  CHECK(g.at(0, 2).links == 3);
  CHECK(g.at(2, 3).links == 2);
  CHECK(g.at(0, 1).through_switch == false);
  // Links to GPUs that CUDA does not show count for nothing.
  const auto two = look(machine, {2, 1});
  CHECK(two.remarks.empty());
  CHECK(two.node.at(0, 1).links == 4);
  CHECK(two.node.gpu_at(0).ports.empty());
}

TEST_CASE("bridges join pairs, and the rest goes over PCIe") {
  test::fake_nvml machine;
  machine.add(4);
  machine.link(0, 1, 4);
  machine.link(2, 3, 4);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      const bool near = i / 2 == j / 2;
      machine[i].level[&machine[j]] = near ? nvml::topology_single : nvml::topology_system;
      if (i != j && !near) machine.say(i, j, nvml::p2p_nvlink, 5);
    }
    machine[i].near_nodes = i < 2 ? 1 : 2;
  }
  const auto [g, remarks] = look(machine, {0, 1, 2, 3});
  CHECK(remarks.empty());
  CHECK(g.at(0, 1).links == 4);
  CHECK(g.at(0, 1).path == path_kind::nvlink);
  CHECK(g.at(0, 2).links == 0);
  CHECK(g.at(0, 2).path == path_kind::sys);
  CHECK(g.gpu_at(3).numa_node == 1);
  CHECK(g.all_linked() == false);
}

TEST_CASE("GPUs without NVLinks have none, which is known") {
  test::fake_nvml machine;
  machine.add(2);
  machine.say(0, 1, nvml::p2p_nvlink, 5);
  machine.say(0, 1, nvml::p2p_read, 1);
  const auto [g, remarks] = look(machine, {0, 1});
  CHECK(remarks.empty());
  CHECK(g.at(0, 1).links == 0);
  CHECK(g.at(0, 1).path == path_kind::unknown);
  CHECK(g.at(0, 1).peer_access == false);
  CHECK(g.all_linked() == false);
}

TEST_CASE("without NVML, or without much of it, links stay unknown") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link(0, 1, 2);
  SECTION("there is none") {
    machine.functions = {};
    const auto found = look(machine, {0, 1});
    CHECK(says(found, "no NVML"));
    CHECK(found.node.size() == 2);
    CHECK_FALSE(found.node.at(0, 1).links.has_value());
    CHECK_FALSE(found.node.at(0, 1).peer_access.has_value());
  }
  SECTION("it does not start") {
    machine.init_result = 9;
    machine.functions.shutdown = nullptr;
    topology::node_facts facts = machine.facts({0, 1});
    topology::add_nvml(facts, machine.functions);
    CHECK(says(topology::assemble(facts), "NVML does not start (error 9)"));
  }
  SECTION("only handles") {
    nvml::functions few;
    few.init = machine.functions.init;
    few.shutdown = machine.functions.shutdown;
    few.handle_by_bus_id = machine.functions.handle_by_bus_id;
    machine.functions = few;
    const auto found = look(machine, {0, 1});
    CHECK(found.remarks.empty());
    CHECK_FALSE(found.node.at(0, 1).links.has_value());
  }
  SECTION("nothing of the other ends") {
    machine.functions.link_remote_type = nullptr;
    machine.functions.link_remote_pci = nullptr;
    const auto found = look(machine, {0, 1});
    CHECK(says(found, "where 2 of its 2 active NVLinks end is unknown"));
    CHECK(found.node.at(0, 1).path == path_kind::nvlink);  // P2P status says so
    CHECK_FALSE(found.node.at(0, 1).links.has_value());
  }
  SECTION("addresses, but no kinds") {
    machine.functions.link_remote_type = nullptr;
    const auto found = look(machine, {0, 1});
    CHECK(found.remarks.empty());
    CHECK(found.node.at(0, 1).links == 2);
  }
  SECTION("it does not have one of the GPUs") {
    topology::node_facts facts = machine.facts({0, 1});
    facts.gpus[1].bus_id = "0000:77:00.0";
    topology::add_nvml(facts, machine.functions);
    const auto found = topology::assemble(facts);
    CHECK(says(found, "GPU 1 (0000:77:00.0): NVML does not give it (error 6)"));
    CHECK(found.node.at(0, 1).links == 0);  // as all links of GPU 0 end elsewhere
    machine.link_to_switch(test::hidden, 1);
    facts = machine.facts({0, 1});
    facts.gpus[1].bus_id = "0000:77:00.0";
    topology::add_nvml(facts, machine.functions);
    CHECK_FALSE(topology::assemble(facts).node.at(0, 1).links.has_value());
  }
  SECTION("it fails on a link") {
    machine[0].links[1].state_result = 15;
    const auto found = look(machine, {0, 1});
    CHECK(says(found, "the state of NVLink 1 (error 15)"));
    CHECK(found.node.at(0, 1).links == 2);  // as the other end has it
  }
}

TEST_CASE("links that end at their own GPU say nothing") {
  test::fake_nvml machine;
  machine.add(2);
  for (const auto& gpu : machine.gpus) gpu->links.assign(12, {.remote = gpu->address});
  const auto found = look(machine, {0, 1});
  CHECK(says(found, "where 12 of its 12 active NVLinks end is unknown"));
  CHECK_FALSE(found.node.at(0, 1).links.has_value());
  CHECK(found.node.at(0, 1).path == path_kind::nvlink);
}

TEST_CASE("links that one end denies are fewer") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link(0, 1, 3);
  machine[1].links.pop_back();
  const auto found = look(machine, {0, 1});
  CHECK(says(found, "3 NVLinks, but 2 in the other direction"));
  CHECK(found.node.at(0, 1).links == 2);
  CHECK(found.node.at(1, 0).links == 2);
}

TEST_CASE("a fabric that is not there, or not well") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link_to_switch(test::hidden, 18);
  nvml::fabric_info_v fabric{};
  fabric.state = nvml::fabric_completed;
  machine[0].fabric = machine[1].fabric = fabric;
  SECTION("well") { CHECK(look(machine, {0, 1}).remarks.empty()); }
  SECTION("of an older driver") {
    machine.fabric_version = nvml::fabric_info_v2;
    machine[1].fabric->state = nvml::fabric_in_progress;
    CHECK(says(look(machine, {0, 1}), "GPU 1 (0000:11:00.0): the fabric of its NVSwitches is not"));
  }
  SECTION("of a driver that is older still") {
    machine.functions.fabric_v = nullptr;
    machine.functions.fabric = [](nvml::device, nvml::fabric_info* info) {
      info->state = nvml::fabric_not_started;
      return nvml::success;
    };
    CHECK(says(look(machine, {0, 1}), "GPU 0 (0000:10:00.0): the fabric of its NVSwitches is not"));
  }
  SECTION("failed") {
    machine[1].fabric->status = 999;
    CHECK(says(look(machine, {0, 1}), "could not be set up (NVML's error 999)"));
  }
  SECTION("degraded") {
    machine[1].fabric->health = 1;
    CHECK(says(look(machine, {0, 1}), "has less bandwidth than it should have"));
    machine[1].fabric->health = 1u << 4;
    CHECK(says(look(machine, {0, 1}), "has routes that are not healthy"));
    machine[1].fabric->health = 4u << 8;
    CHECK(says(look(machine, {0, 1}), "is not configured as it should be"));
    machine[1].fabric->health = 2 | 2u << 4 | 1u << 8;
    CHECK(look(machine, {0, 1}).remarks.empty());
  }
  SECTION("two partitions") {
    machine[1].fabric->clique = 7;
    machine.say(0, 1, nvml::p2p_nvlink, 5);
    const auto found = look(machine, {0, 1});
    CHECK(says(found, "are in different partitions of the NVSwitches"));
    CHECK(found.node.at(0, 1).links == 0);
  }
}

TEST_CASE("NVML says no where links meet") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link_to_switch(test::hidden, 18);
  for (const int capability : {nvml::p2p_read, nvml::p2p_write, nvml::p2p_nvlink}) {
    machine.say(0, 1, capability, 4);
  }
  topology::node_facts facts = machine.facts({0, 1});
  topology::add_nvml(facts, machine.functions);
  const auto found = topology::assemble(facts);
  CHECK(says(found, "so they do not count"));
  CHECK(found.node.at(0, 1).links == 0);
  CHECK(found.node.at(0, 1).path == path_kind::unknown);
  CHECK(found.node.at(0, 1).peer_access == false);
  // CUDA's word counts more.
  facts.at(0, 1).can_access = facts.at(1, 0).can_access = true;
  const auto other = topology::assemble(facts);
  CHECK(says(other, "so they count"));
  CHECK(says(other, "CUDA has peer access, NVML has not; it was not tried"));
  CHECK(other.node.at(0, 1).links == 18);
  CHECK(other.node.at(0, 1).peer_access == true);
}

TEST_CASE("MIG instances do not have the links of their GPU") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link(0, 1, 2);
  SECTION("as NVML says") {
    machine[1].mig = 1;
    const auto found = look(machine, {0, 1});
    CHECK(says(found, "GPU 1 (0000:11:00.0): a part of a GPU (MIG)"));
    CHECK_FALSE(found.node.at(0, 1).links.has_value());
    CHECK(found.node.at(0, 1).path == path_kind::unknown);
  }
  SECTION("as two devices at one place show") {
    const auto found = look(machine, {0, 1, 1});
    CHECK(found.remarks.size() == 2);
    CHECK(says(found, "GPU 2 (0000:11:00.0): a part of a GPU (MIG)"));
    CHECK_FALSE(found.node.at(0, 1).links.has_value());
    CHECK_FALSE(found.node.at(1, 2).links.has_value());
  }
}

TEST_CASE("links of a processor") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link(0, 1, 3);
  for (const auto& gpu : machine.gpus) {
    for (int l = 0; l < 3; ++l) {
      gpu->links.push_back({.type = nvml::device_type_cpu, .remote = {4, 0, 0, 0}});
    }
  }
  const auto [g, remarks] = look(machine, {0, 1});
  CHECK(remarks.empty());
  CHECK(g.gpu_at(0).links_to_cpu == 3);
  CHECK(g.at(0, 1).links == 3);
}

TEST_CASE("rates that no table has are NVML's") {
  test::fake_nvml machine;
  machine.add(2);
  machine.link(0, 1, 2);
  machine[0].speed = 40000;
  machine[1].speed = 30000;
  CHECK(look(machine, {0, 1}).node.at(0, 1).gbps == 60);
}

TEST_CASE("opening a library that is not there gives no functions") {
  const nvml::library none{"libpeerfold-is-not-there.so.1"};
  CHECK(none.get().init == nullptr);
}
