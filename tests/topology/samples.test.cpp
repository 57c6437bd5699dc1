// Descriptions of real machines (samples/NOTICE.md) are read as what they are, or refused; presets
// equal the machines that they stand for.
#include <import.hpp>
#include <peerfold/topology/presets.hpp>

#include <support/catch.hpp>
#include <topology/invariants.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace topology = peerfold::topology;
using topology::graph;
using topology::path_kind;

namespace {

const std::string folder = PEERFOLD_TOPOLOGY_SAMPLES;

graph sample(const std::string& file) {
  return topo::import_topology(topo::source_text::read(folder + "/" + file));
}

graph preset(std::string_view name) {
  const auto* const found = topology::find_preset(name);
  REQUIRE(found != nullptr);
  return found->make();
}

/// What joins two GPUs in a word: NV2 is direct, NV2s through switches, NV2? either; PIX, PIX?
/// where NVLinks beside it are not ruled out; OK and NO of peer access alone.
std::string word_of(const topology::connection& c) {
  const auto& through = c.through_switch;
  if (c.path == path_kind::nvlink) {
    return "NV" + (c.links ? std::to_string(*c.links) : "#") +
           (!through   ? "?"
            : *through ? "s"
                       : "");
  }
  if (c.path == path_kind::unknown && c.peer_access) return *c.peer_access ? "OK" : "NO";
  return std::string(to_string(c.path)) + (c.links ? "" : "?");
}

/// `n` GPUs with the same word between each two.
std::string all(int n, const std::string& word) {
  std::string rows;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) rows += (j == i ? "X" : word) + (j + 1 < n ? " " : "\n");
  }
  return rows;
}

/// `n` GPUs in groups of `inner` within groups of `outer`, and the word of two that share the inner
/// one, the outer one, neither.
std::string nested(int n, int inner, int outer, const std::string& words) {
  std::istringstream in(words);
  std::string near, far, rest;
  in >> near >> far >> rest;
  std::string rows;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      rows += i == j ? "X" : i / inner == j / inner ? near : i / outer == j / outer ? far : rest;
      rows += j + 1 < n ? " " : "\n";
    }
  }
  return rows;
}

constexpr std::string_view cube =
    "X   NV1 NV1 NV2 NV2 SYS SYS SYS\n"
    "NV1 X   NV2 NV1 SYS NV2 SYS SYS\n"
    "NV1 NV2 X   NV2 SYS SYS NV1 SYS\n"
    "NV2 NV1 NV2 X   SYS SYS SYS NV1\n"
    "NV2 SYS SYS SYS X   NV1 NV1 NV2\n"
    "SYS NV2 SYS SYS NV1 X   NV2 NV1\n"
    "SYS SYS NV1 SYS NV1 NV2 X   NV2\n"
    "SYS SYS SYS NV1 NV2 NV1 NV2 X\n";
constexpr std::string_view cube_otherwise_numbered =
    "X   NV1 NV2 NV1 SYS SYS SYS NV2\n"
    "NV1 X   NV1 NV2 SYS SYS NV2 SYS\n"
    "NV2 NV1 X   NV2 SYS NV1 SYS SYS\n"
    "NV1 NV2 NV2 X   NV1 SYS SYS SYS\n"
    "SYS SYS SYS NV1 X   NV2 NV2 NV1\n"
    "SYS SYS NV1 SYS NV2 X   NV1 NV2\n"
    "SYS NV2 SYS SYS NV2 NV1 X   NV1\n"
    "NV2 SYS SYS SYS NV1 NV2 NV1 X\n";

struct machine {
  std::string file;
  std::string words;       ///< a row a GPU
  std::string numa_nodes;  ///< of the GPUs; -: unknown
};

const std::vector<machine>& machines() {
  static const std::vector<machine> known{
      {"dgx1v-8xV100.topo.txt", std::string(cube_otherwise_numbered), "0 0 0 0 1 1 1 1"},
      {"dgx1v-8xV100.ragged-tabs.topo.txt", std::string(cube_otherwise_numbered),
       "0 0 0 0 1 1 1 1"},
      {"dgx1v-8xV100.topo-mp.txt", nested(8, 2, 4, "PIX? PHB? SYS?"), "0 0 0 0 1 1 1 1"},
      {"dgxa100-8.topo.txt", all(8, "NV12s"), "3 3 1 1 7 7 5 5"},
      {"hgx-h100-8.no-affinity.topo.txt", all(8, "NV18s"), "- - - - - - - -"},
      {"hgx-h100-8.topo-p2p.txt", all(8, "OK"), "- - - - - - - -"},
      {"own/a100-8.narrow-columns.topo.txt", all(8, "NV12s"), "0 0 0 0 1 1 1 1"},
      {"own/hgx-h100-8.two-ranges.topo.txt", all(8, "NV18s"), "0 0 0 0 1 1 1 1"},
      {"own/hgx-b300-8.ansi-residue.topo.txt", all(8, "NV18s"), "0 0 0 0 1 1 1 1"},
      {"own/hgx-h200-2of8-vm.ansi.topo.txt", all(2, "NV18?"), "0 0"},
      {"own/a100-4.mesh.numa-range.topo.txt", all(4, "NV4"), "- - - -"},
      {"own/a30-4.nvlink-bridges.topo.txt", nested(4, 2, 4, "NV4 SYS SYS"), "0 0 1 1"},
      {"own/h100pcie-2.indented.topo.txt", all(2, "NV12?"), "1 1"},
      {"own/rtx5090-2.pcie.topo.txt", all(2, "PHB"), "0 0"},
      {"own/rtx5090-2.pcie.topo-p2p.txt", all(2, "NO"), "- -"},
      {"own/rtx3090-2.pcie.numa-na.topo.txt", all(2, "SYS"), "- 1"},
      {"own/a10-4.pcie.one-node.topo.txt", all(4, "SYS"), "0 0 0 0"},
      {"dgx1v-8xV100.nccl.xml", std::string(cube), "0 0 0 0 1 1 1 1"},
      {"hgx-h100-8.oci.nccl.xml", all(8, "NV18s"), "0 0 0 0 1 1 1 1"},
      {"ncv4.nccl.xml", all(4, "SYS?"), "0 1 2 3"},
      {"ndv2.nccl.xml", nested(8, 4, 8, "PHB? SYS? SYS?"), "0 0 0 0 1 1 1 1"},
      {"ndv4.nccl.xml", nested(8, 2, 8, "PIX? SYS? SYS?"), "0 0 1 1 2 2 3 3"},
      {"ndv5.nccl.xml", nested(8, 4, 8, "PHB? SYS? SYS?"), "0 0 0 0 1 1 1 1"},
      {"p4d-24xl.nccl.xml", nested(8, 2, 4, "PIX? PHB? SYS?"), "0 0 0 0 1 1 1 1"},
      {"a100-8.oci-flattened-b4.nccl.xml", nested(8, 2, 8, "PIX? SYS? SYS?"), "3 3 1 1 7 7 5 5"},
      {"dgx2.hwloc.xml", all(16, "NV6s"), "0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1"},
      {"power8-4gpu.hwloc.xml", nested(4, 2, 4, "NV2 SYS SYS"), "0 0 1 1"},
  };
  return known;
}

struct refused {
  std::string file;
  std::string place_and_reason;
};

const std::vector<refused>& refused_files() {
  static const std::string no_gpu = "no GPU: no <gpu>, and no <pci> of class 0x0302";
  static const std::vector<refused> known{
      {"dgxa100-8.topo-mp.affinity-only.txt",
       "9:1: affinities alone, without columns of GPUs: it does not say what joins them"},
      {"own/h200-vm.truncated.nccl.xml", "12:11: cut off: Start-end tags mismatch"},
      {"ncv4-graph.nccl-graph.xml",
       "1:2: the root is <graphs>; a topology of NCCL begins with <system>"},
      {"p5.48xl.nccl.xml", "15:2: " + no_gpu},
      {"g5.48xl.nccl.xml", "12:2: " + no_gpu},
  };
  return known;
}

/// Whether two machines are the same, as far as both say.
void check_same(const graph& a, const graph& b, int gpus) {
  const auto agree = [](const auto& x, const auto& y) { return !x || !y || *x == *y; };
  REQUIRE(a.size() >= gpus);
  REQUIRE(b.size() >= gpus);
  for (int i = 0; i < gpus; ++i) {
    for (int j = 0; j < gpus; ++j) {
      CAPTURE(i, j);
      const auto& x = a.at(i, j);
      const auto& y = b.at(i, j);
      CHECK(x.path == y.path);
      CHECK(agree(x.links, y.links));
      CHECK(agree(x.through_switch, y.through_switch));
      CHECK(agree(x.gbps, y.gbps));
      CHECK(agree(x.peer_access, y.peer_access));
    }
  }
}

void check_same_gpus(const graph& a, const graph& b) {
  const auto agree = [](const auto& x, const auto& y) { return !x || !y || *x == *y; };
  REQUIRE(a.size() == b.size());
  for (int i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(agree(a.gpu_at(i).numa_node, b.gpu_at(i).numa_node));
    CHECK(agree(a.gpu_at(i).sm, b.gpu_at(i).sm));
  }
}

}  // namespace

TEST_CASE("each machine is read as what it is") {
  for (const machine& m : machines()) {
    CAPTURE(m.file);
    const graph g = sample(m.file);
    CHECK(tests::broken_invariant(g).empty());
    std::istringstream words(m.words);
    std::istringstream nodes(m.numa_nodes);
    int count = 0;
    for (std::string row; std::getline(words, row); ++count) {
      REQUIRE(count < g.size());
      std::istringstream cells(row);
      for (int j = 0; j < g.size(); ++j) {
        CAPTURE(count, j);
        std::string expected;
        REQUIRE(cells >> expected);
        CHECK(word_of(g.at(count, j)) == expected);
      }
      std::string node;
      REQUIRE(nodes >> node);
      const auto& known = g.gpu_at(count).numa_node;
      CHECK((known ? std::to_string(*known) : "-") == node);
    }
    CHECK(g.size() == count);
  }
}

TEST_CASE("what is no machine, or cut off, is refused with its place") {
  for (const refused& r : refused_files()) {
    CHECK_THROWS_WITH(sample(r.file), folder + "/" + r.file + ":" + r.place_and_reason);
  }
}

TEST_CASE("there is no sample that is not tested") {
  std::set<std::string> tested;
  for (const machine& m : machines()) tested.insert(m.file);
  for (const refused& r : refused_files()) tested.insert(r.file);
  std::set<std::string> there;
  for (const std::string within : {"", "own/"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/" + within)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name != "NOTICE.md") there.insert(within + name);
    }
  }
  CHECK(there == tested);
}

TEST_CASE("the switches of a DGX-2 are two sets, and one fabric") {
  const graph g = sample("dgx2.hwloc.xml");
  CHECK(g.nvswitches().size() == 12);
  CHECK(std::ranges::count(g.nvswitches(), "0000:66:00.0", &topology::nvswitch::bus_id) == 1);
  std::set<int> sets[2];
  for (int i = 0; i < 16; ++i) {
    CAPTURE(i);
    CHECK(g.gpu_at(i).name == "nvml" + std::to_string(i));
    CHECK(g.gpu_at(i).sm == 70);
    CHECK(g.gpu_at(i).ports.size() == 6);
    for (const topology::switch_port& port : g.gpu_at(i).ports) {
      CHECK(port.links == 1);
      sets[i / 8].insert(port.nvswitch);
    }
    if (i > 0) CHECK(g.at(0, i).gbps == 150);
  }
  for (const auto& set : sets) CHECK(set.size() == 6);
  CHECK(*sets[0].rbegin() != *sets[1].rbegin());
  // Over PCIe, below NVLinks: two GPUs a switch, and a switch above each two of these.
  const auto path = [&](int a, int b) { return topology::pcie_path(g.gpu_at(a), g.gpu_at(b)); };
  CHECK(path(6, 7) == path_kind::pix);
  CHECK(path(5, 6) == path_kind::pxb);
  CHECK(path(8, 9) == path_kind::pix);
  CHECK(path(0, 8) == path_kind::sys);
}

TEST_CASE("an H100 has more links to some switches than to others") {
  const graph g = sample("hgx-h100-8.oci.nccl.xml");
  REQUIRE(g.nvswitches().size() == 4);
  for (const topology::gpu& each : g.gpus()) {
    CHECK(each.sm == 90);
    CHECK(each.ports.size() == 4);
    for (const topology::switch_port& port : each.ports) {
      const std::string& bus = g.nvswitches()[static_cast<std::size_t>(port.nvswitch)].bus_id;
      CAPTURE(each.name, bus);
      CHECK(port.links == (bus == "0000:1b:00.0" || bus == "0000:1c:00.0" ? 5 : 4));
    }
    CHECK(each.bridges.size() == 2);
  }
  CHECK(g.at(0, 7).gbps == 18 * 26.5625);
}

TEST_CASE("two islands of a POWER8, with links to its processors") {
  const graph g = sample("power8-4gpu.hwloc.xml");
  for (const topology::gpu& each : g.gpus()) {
    CHECK(each.sm == 60);
    CHECK(each.links_to_cpu == 2);
    CHECK(each.ports.empty());
  }
  CHECK(g.at(2, 3).gbps == 40);
  CHECK(g.all_linked() == false);
}

TEST_CASE("presets equal what such machines say of themselves") {
  struct pair {
    std::string_view name;
    std::string file;
  };
  for (const pair& each :
       {pair{"dgx-1v", "dgx1v-8xV100.nccl.xml"}, pair{"dgx-a100", "dgxa100-8.topo.txt"},
        pair{"hgx-h100", "hgx-h100-8.oci.nccl.xml"},
        pair{"hgx-h100", "hgx-h100-8.no-affinity.topo.txt"},
        pair{"hgx-h100", "own/hgx-h100-8.two-ranges.topo.txt"},
        pair{"hgx-b200", "own/hgx-b300-8.ansi-residue.topo.txt"},
        pair{"a100-mesh", "own/a100-4.mesh.numa-range.topo.txt"},
        pair{"nvlink-bridges", "own/a30-4.nvlink-bridges.topo.txt"}}) {
    CAPTURE(std::string(each.name), each.file);
    const graph real = sample(each.file);
    check_same(preset(each.name), real, real.size());
    check_same_gpus(preset(each.name), real);
  }
  // Some GPUs of a machine.
  check_same(preset("hgx-h200"), sample("own/hgx-h200-2of8-vm.ansi.topo.txt"), 2);
  check_same(preset("pcie-1"), sample("own/rtx5090-2.pcie.topo.txt"), 2);
}

TEST_CASE("a DGX-1V that numbers its GPUs otherwise is the same machine") {
  const graph other = sample("dgx1v-8xV100.topo.txt");
  const graph ours = preset("dgx-1v");
  const int order[] = {0, 1, 3, 2, 7, 6, 4, 5};
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      CAPTURE(i, j);
      CHECK(ours.at(i, j).links == other.at(order[i], order[j]).links);
    }
  }
}
