// Tables as nvidia-smi prints them and as people paste them, and what is no such table.
#include <peerfold/topology/smi_text.hpp>

#include <support/catch.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace topology = peerfold::topology;
using topology::graph;
using topology::path_kind;

namespace {

/// What is said of a text that is refused.
std::string refusal(std::string_view text) {
  try {
    static_cast<void>(topology::read_smi_text(text, "t"));
  } catch (const peerfold::error& reason) {
    return reason.what();
  }
  return "taken";
}

constexpr std::string_view four_in_a_mesh =
    "\tGPU0\tGPU1\tGPU2\tGPU3\tmlx5_0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n"
    "GPU0\t X \tNV4\tNV4\tNV4\tPXB\t0-31\t0\t\tN/A\n"
    "GPU1\tNV4\t X \tNV4\tNV4\tSYS\t0-31\t0-1\t\tN/A\n"
    "GPU2\tNV4\tNV4\t X \tNV4\tSYS\t32-63\t\tN/A\t\tN/A\n"
    "GPU3\tNV4\tNV4\tNV4\tX \tSYS\t32-63\t1\t\tN/A\n"
    "mlx5_0\tPXB\tSYS\tSYS\tSYS\t X \t\t\t\t\n"
    "\n"
    "Legend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n";

/// The table of `n` GPUs with the same cell between each two.
std::string uniform(int n, const std::string& cell, const std::string& rest = "") {
  std::string text = "  ";
  for (int j = 0; j < n; ++j) text += "  GPU" + std::to_string(j);
  for (int i = 0; i < n; ++i) {
    text += "\nGPU" + std::to_string(i);
    for (int j = 0; j < n; ++j) text += "  " + (i == j ? std::string("X") : cell);
  }
  return text + "\n" + rest;
}

}  // namespace

TEST_CASE("a mesh with NICs, affinities and a legend") {
  const graph g = topology::read_smi_text(four_in_a_mesh);
  REQUIRE(g.size() == 4);
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      CAPTURE(i, j);
      CHECK(g.at(i, j).path == (i == j ? path_kind::self : path_kind::nvlink));
      CHECK(g.at(i, j).links == (i == j ? 0 : 4));
      CHECK(g.at(i, j).through_switch == false);
    }
  }
  CHECK(g.gpu_at(0).name == "GPU0");
  CHECK(g.gpu_at(0).numa_node == 0);
  CHECK_FALSE(g.gpu_at(1).numa_node.has_value());  // a range is no node
  CHECK_FALSE(g.gpu_at(2).numa_node.has_value());
  CHECK(g.gpu_at(3).numa_node == 1);
  CHECK(g.all_linked() == true);
}

TEST_CASE("more links than a GPU has lead to switches, and two GPUs do not tell") {
  const graph eight = topology::read_smi_text(uniform(8, "NV18"));
  CHECK(eight.at(0, 7).links == 18);
  CHECK(eight.at(0, 7).through_switch == true);
  const graph two = topology::read_smi_text(uniform(2, "NV12"));
  CHECK(two.at(0, 1).links == 12);
  CHECK_FALSE(two.at(0, 1).through_switch.has_value());
  // Three of eight behind switches look like a mesh of three.
  CHECK_FALSE(topology::read_smi_text(uniform(3, "NV6")).at(0, 1).through_switch.has_value());
}

TEST_CASE("whether there are switches is the same in both directions") {
  const auto same = [](const graph& g) {
    for (int i = 0; i < g.size(); ++i) {
      for (int j = 0; j < g.size(); ++j) {
        CAPTURE(i, j);
        CHECK(g.at(i, j).through_switch == g.at(j, i).through_switch);
      }
    }
  };
  // In a row of three the cells of the one in the middle are the same.
  const graph row =
      topology::read_smi_text("GPU0 GPU1 GPU2\nGPU0 X NV4 SYS\nGPU1 NV4 X NV4\nGPU2 SYS NV4 X\n");
  CHECK(row.at(1, 0).through_switch == false);
  same(row);
  // GPU0 has more links than it can, and GPU3 none to it.
  const graph tail = topology::read_smi_text(
      "GPU0 GPU1 GPU2 GPU3\nGPU0 X NV12 NV12 SYS\nGPU1 NV12 X SYS SYS\nGPU2 NV12 SYS X NV4\n"
      "GPU3 SYS SYS NV4 X\n");
  CHECK(tail.at(3, 2).through_switch == true);
  same(tail);
}

TEST_CASE("NUMA nodes are read by their title") {
  const graph g = topology::read_smi_text(
      "GPU0 GPU1 CPU Affinity GPU NUMA ID\nGPU0 X PHB 0-7 5\nGPU1 PHB X 8-15 6\n");
  CHECK_FALSE(g.gpu_at(0).numa_node.has_value());
  const graph large =
      topology::read_smi_text("GPU0 CPU Affinity NUMA Affinity\nGPU0 X 0-7 99999999999\n");
  CHECK_FALSE(large.gpu_at(0).numa_node.has_value());
}

TEST_CASE("two islands are not all linked") {
  const graph g = topology::read_smi_text(
      "GPU0 GPU1 GPU2 GPU3\nGPU0 X NV4 SYS SYS\nGPU1 NV4 X SYS SYS\nGPU2 SYS SYS X NV4\n"
      "GPU3 SYS SYS NV4 X");
  CHECK(g.at(0, 1).links == 4);
  CHECK(g.at(0, 1).through_switch == false);
  CHECK(g.at(1, 2).links == 0);
  CHECK(g.at(1, 2).path == path_kind::sys);
  CHECK(g.all_linked() == false);
}

TEST_CASE("colours, and what is left of them, are no part of a name") {
  const graph real = topology::read_smi_text(
      "\t\x1b[4mGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
      "GPU0\t X \tNV18\t0-31\t0\t\tN/A\nGPU1\tNV18\t X \t0-31\t0\t\tN/A\n");
  CHECK(real.at(1, 0).links == 18);
  const graph residue = topology::read_smi_text("\t[4mGPU0\tGPU1[0m\nGPU0\tX\tPHB\nGPU1\tPHB\tX");
  CHECK(residue.size() == 2);
  CHECK(residue.gpu_at(0).name == "GPU0");
  CHECK(residue.gpu_at(1).name == "GPU1");
  for (const std::string_view end : {"[0m[0m", "\x1b[0m\x1b[K", "\x1b[0m \x1b[K"}) {
    const std::string text = "GPU0 GPU1" + std::string(end) + "\nGPU0 X PHB\nGPU1 PHB X\n";
    CHECK(topology::read_smi_text(text).size() == 2);
  }
}

TEST_CASE("without NVLinks in its legend a table says nothing of them") {
  const graph mp = topology::read_smi_text(uniform(2, "PIX", "\nLegend:\n\n  X    = Self\n"));
  CHECK(mp.at(0, 1).path == path_kind::pix);
  CHECK_FALSE(mp.at(0, 1).links.has_value());
  CHECK_FALSE(mp.all_linked().has_value());
  const graph m = topology::read_smi_text(uniform(2, "PIX", "\nLegend:\n  NV#  = links\n"));
  CHECK(m.at(0, 1).links == 0);
}

TEST_CASE("a table of peer access") {
  const graph g = topology::read_smi_text(
      " \tGPU0\tGPU1\tGPU2\t\n GPU0\tX\tGNS\tOK\t\n GPU1\tCNS\tX\tU\t\n GPU2\tOK\tOK\tX\t\n");
  CHECK(g.at(0, 1).peer_access == false);
  CHECK(g.at(1, 0).peer_access == false);
  CHECK(g.at(0, 2).peer_access == true);
  CHECK_FALSE(g.at(1, 2).peer_access.has_value());
  CHECK(g.at(2, 1).peer_access == true);
  CHECK(g.at(0, 1).path == path_kind::unknown);
  CHECK_FALSE(g.at(0, 1).links.has_value());
}

TEST_CASE("lines before the table, and every kind of blank") {
  const graph g = topology::read_smi_text(
      "$ nvidia-smi topo -m\r\n\r\n      GPU0    GPU1\r\n      GPU0     X      NODE\r\n"
      "      GPU1    NODE     X \r\n      \r\n");
  CHECK(g.at(0, 1).path == path_kind::node);
}

TEST_CASE("what is no such table is refused, with its place") {
  const auto says = [](std::string_view text, const std::string& what) {
    CHECK(refusal(text) == what);
  };
  const std::string no_table =
      "no line that begins with the columns GPU0, GPU1, …: this is not the text of nvidia-smi topo "
      "-m, -mp or -p2p";
  says("", "t:1:1: " + no_table);
  says("junk\nmore junk\n", "t:2:1: " + no_table);
  says("  CPU Affinity  NUMA Affinity\n  GPU0  48-63  3\n",
       "t:2:1: affinities alone, without columns of GPUs: it does not say what joins them");
  says("GPU0 GPU1\nGPU0 X NV4\n", "t:2:1: the rows end without that of GPU1");
  says("GPU0 GPU1\nGPU0 X NV4\nGPU1 NV4\n",
       "t:3:9: the row of GPU1 ends before the column of GPU1");
  says("GPU0 GPU1\nGPU0 X NV4\nGPU0 X NV4\n", "t:3:1: a second row of GPU0");
  says("GPU0 GPU0\nGPU0 X NV4\n", "t:1:6: a second column of GPU0");
  says("GPU0 GPU1\nGPU0 X FOO\nGPU1 FOO X\n", "t:2:8: \"FOO\" is no cell of such a table");
  says("GPU0 GPU1\nGPU0 X \x1b]0;\x07\nGPU1 NV1 X\n",
       "t:2:8: \"?]0;?\" is no cell of such a table");
  says("GPU0 GPU1\nGPU0 NV4 NV4\nGPU1 NV4 X\n", "t:2:6: a GPU is itself, X, not NV4");
  says("GPU0 GPU1\nGPU0 X X\nGPU1 X X\n",
       "t:2:8: X, which is for a GPU and itself, between two GPUs");
  says("GPU0 GPU1\nGPU0 X NV99\nGPU1 NV99 X\n", "t:2:8: NV99: a GPU has 18 links at most");
  says("GPU0 GPU1\nGPU0 X NV99999999999\nGPU1 SYS X\n",
       "t:2:8: \"NV99999999999\" is no cell of such a table");
  says("GPU0 GPU1\nGPU0 X NV4\nGPU1 SYS X\n", "t:3:6: SYS, but in the other direction NV4");
  says("GPU0 GPU1\nGPU0 X NV4\nGPU1 OK X\n", "t:3:6: OK among cells of another table");
  says("GPU0 GPU1?\nGPU0 X PHB\n", "t:1:6: \"GPU1?\" is no name of a GPU");
  says("GPU0 n\x01 n\x01\n", "t:1:9: a second column of n?");
  says("GPU0 n\nGPU0 X SYS\nn SYS X\nn SYS X\n", "t:4:1: a second row of n");
  std::string columns = "GPU0";
  for (int i = 0; i < 300'000; ++i) columns += " n" + std::to_string(i);
  says(columns, "t:1:" + std::to_string(columns.find(" n1023") + 2) + ": more than 1024 columns");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "GPU" + std::to_string(i) + " ";
  says(many, "t:1:" + std::to_string(many.find("GPU256") + 1) + ": more than 256 GPUs");
  says(std::string((std::size_t{16} << 20) + 1, 'x'),
       "t:1:1: larger than 16777216 bytes; a topology is not");
}

TEST_CASE("every prefix of a table is taken or refused") {
  int taken = 0;
  for (std::size_t length = 0; length <= four_in_a_mesh.size(); ++length) {
    taken += refusal(four_in_a_mesh.substr(0, length)) == "taken" ? 1 : 0;
  }
  CHECK(taken > 0);
  CHECK(taken < static_cast<int>(four_in_a_mesh.size()));
}
