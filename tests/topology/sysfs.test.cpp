// A sysfs that is made up, in a folder of its own.
#include <peerfold/topology/assemble.hpp>
#include <peerfold/topology/sysfs.hpp>

#include <support/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
namespace topology = peerfold::topology;
using topology::path_kind;

namespace {

class fake_sysfs {
 public:
  fake_sysfs() : root_{fs::temp_directory_path() / ("peerfold." + std::to_string(getpid()))} {
    fs::remove_all(root_);
    fs::create_directories(root_ / "bus/pci/devices");
  }
  ~fake_sysfs() { fs::remove_all(root_); }
  fake_sysfs(const fake_sysfs&) = delete;
  fake_sysfs& operator=(const fake_sysfs&) = delete;

  /// A device at the end of `path`, below devices/.
  void add(const std::string& path, const std::string& numa_node, const std::string& pci_class) {
    const fs::path folder = root_ / "devices" / path;
    fs::create_directories(folder);
    std::ofstream{folder / "numa_node"} << numa_node << '\n';
    std::ofstream{folder / "class"} << pci_class << '\n';
    fs::create_directory_symlink(folder, root_ / "bus/pci/devices" / folder.filename());
  }
  [[nodiscard]] std::string root() const { return root_.string(); }

 private:
  fs::path root_;
};

topology::node_facts gpus_at(const std::vector<std::string>& bus_ids) {
  std::vector<topology::gpu_facts> gpus;
  for (const std::string& bus_id : bus_ids) {
    topology::gpu_facts gpu;
    gpu.bus_id = bus_id;
    gpus.push_back(gpu);
  }
  return topology::node_facts{gpus};
}

}  // namespace

TEST_CASE("bridges, host bridges and NUMA nodes") {
  fake_sysfs sys;
  const std::string below = "pci0000:15/0000:15:01.0/0000:16:00.0/";
  sys.add(below + "0000:17:00.0/0000:18:00.0", "0", "0x030200");
  sys.add(below + "0000:17:01.0/0000:19:00.0", "0", "0x030200");
  sys.add(below + "0000:17:02.0/0000:1a:00.0/0000:1b:00.0/0000:1c:00.0", "0", "0x030200");
  sys.add("pci0000:15/0000:15:02.0/0000:1d:00.0", "0", "0x030200");
  sys.add("pci0000:80/0000:80:01.0/0000:81:00.0", "0", "0x030200");
  sys.add("pci0000:c0/0000:c0:01.0/0000:c1:00.0", "1", "0x030200");
  topology::node_facts facts = gpus_at({"0000:18:00.0", "0000:19:00.0", "0000:1c:00.0",
                                        "0000:1d:00.0", "0000:81:00.0", "0000:c1:00.0"});
  topology::add_sysfs(facts, sys.root());
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks.empty());
  CHECK(g.gpu_at(0).host_bridge == "pci0000:15");
  CHECK(g.gpu_at(0).bridges == std::vector<std::string>{"0000:16:00.0"});
  CHECK(g.gpu_at(2).bridges == std::vector<std::string>{"0000:16:00.0", "0000:1a:00.0"});
  CHECK(g.gpu_at(3).bridges.empty());
  CHECK(g.gpu_at(5).numa_node == 1);
  CHECK(g.at(0, 1).path == path_kind::pix);
  CHECK(g.at(0, 2).path == path_kind::pxb);
  CHECK(g.at(0, 3).path == path_kind::phb);
  CHECK(g.at(0, 4).path == path_kind::node);
  CHECK(g.at(0, 5).path == path_kind::sys);
}

TEST_CASE("virtual machines have host bridges without bridges, and no NUMA nodes") {
  fake_sysfs sys;
  const std::string hub = "LNXSYSTM:00/LNXSYBUS:00/ACPI0004:00/VMBUS:00/47505500-0001/";
  sys.add(hub + "pci0001:00/0001:00:00.0", "-1", "0x030200");
  sys.add("pci0000:00/0000:00:05.0", "-1", "0x030200");
  sys.add("pci0000:00/0000:00:06.0", "-1", "0x030200");
  topology::node_facts facts = gpus_at({"0001:00:00.0", "0000:00:05.0", "0000:00:06.0"});
  facts.gpus[1].numa_node = 3;  // of NVML
  topology::add_sysfs(facts, sys.root());
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks.empty());
  CHECK(g.gpu_at(0).host_bridge == "pci0001:00");
  CHECK(g.gpu_at(0).bridges.empty());
  CHECK_FALSE(g.gpu_at(0).numa_node.has_value());
  CHECK(g.gpu_at(1).numa_node == 3);
  CHECK(g.at(0, 1).path == path_kind::unknown);
  CHECK(g.at(1, 2).path == path_kind::phb);
}

TEST_CASE("without sysfs it is one remark, and unknown") {
  topology::node_facts facts = gpus_at({"0000:18:00.0", "0000:19:00.0"});
  topology::add_sysfs(facts, "/nowhere/at/all");
  const auto [g, remarks] = topology::assemble(facts);
  CHECK(remarks ==
        std::vector<std::string>{"/nowhere/at/all/bus/pci/devices has 0 of 2 GPUs; the others' "
                                 "PCIe bridges are unknown"});
  CHECK(g.at(0, 1).path == path_kind::unknown);
}

TEST_CASE("ends of links that NVML has no name for, by their class") {
  using kind = topology::link_end::kind;
  fake_sysfs sys;
  sys.add("pci0000:00/0000:00:01.0/0000:05:00.0", "0", "0x068000");
  sys.add("pci0000:00/0000:00:02.0/0000:06:00.0", "0", "0x030200");
  sys.add("pci0004:00/0004:00:00.0", "0", "0x068001");
  topology::node_facts facts = gpus_at({"0000:06:00.0"});
  facts.gpus[0].links = {{kind::unknown, "0000:05:00.0"},
                         {kind::unknown, "0000:06:00.0"},
                         {kind::unknown, "0004:00:00.0"},
                         {kind::unknown, "0000:07:00.0"},
                         {kind::unknown, ""}};
  topology::add_sysfs(facts, sys.root());
  std::vector<kind> kinds;
  for (const topology::link_end& end : *facts.gpus[0].links) kinds.push_back(end.at);
  CHECK(kinds ==
        std::vector<kind>{kind::nvswitch, kind::gpu, kind::cpu, kind::unknown, kind::unknown});
}
