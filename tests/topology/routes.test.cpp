// Routes over a node, and its edges.
#include <peerfold/topology/edges.hpp>
#include <peerfold/topology/presets.hpp>
#include <peerfold/topology/routes.hpp>
#include <peerfold/topology/smi_text.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace topology = peerfold::topology;
using peerfold::link_routes;
using topology::edge_map;
using topology::graph;
using topology::path_kind;

namespace {

graph preset(std::string_view name) { return topology::find_preset(name)->make(); }

std::vector<int> first(int count) {
  std::vector<int> gpus(static_cast<std::size_t>(count));
  std::iota(gpus.begin(), gpus.end(), 0);
  return gpus;
}

/// The nodes along a route, joined by " > ".
std::string way(const edge_map& map, int from, int to) {
  std::string text;
  for (const int e : map.route(from, to)) {
    const auto& at = map.edges()[static_cast<std::size_t>(e)];
    if (text.empty()) text = at.from;
    text += " > " + at.to;
  }
  return text;
}

bool linked(const graph& g, int i, int j) { return g.at(i, j).path == path_kind::nvlink; }

}  // namespace

TEST_CASE("where all GPUs are linked, or none, routes are straight") {
  for (const char* const name : {"hgx-h200", "dgx-a100", "a100-mesh", "pcie-1", "pcie-2"}) {
    CAPTURE(name);
    const graph g = preset(name);
    CHECK(plan_routes(g, first(g.size())).all_straight());
  }
  const graph g = preset("hgx-h100");
  CHECK(plan_routes(g, {0, 0, 1, 1}) == link_routes::straight(4));
  CHECK(plan_routes(preset("nvl72"), first(72)) == link_routes{});
}

TEST_CASE("over the cube mesh relays are linked to both ends, and orders follow links") {
  const graph g = preset("dgx-1v");
  const link_routes routes = plan_routes(g, first(8));
  std::array<std::array<int, 8>, 8> shares{};
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      if (i == j) continue;
      CAPTURE(i, j);
      const int p = routes.via[i][j];
      CHECK((p == j) == linked(g, i, j));
      CHECK(linked(g, i, p));
      if (p != j) CHECK(linked(g, p, j));
      shares[static_cast<std::size_t>(i)][static_cast<std::size_t>(p)] += 1;
    }
  }
  for (int p = 0; p < 8; ++p) {
    CAPTURE(p);
    CHECK(linked(g, routes.ring[p], routes.ring[(p + 1) % 8]));
    // The widest ring: the machine has one of pairs of links.
    CHECK(g.at(routes.ring[p], routes.ring[(p + 1) % 8]).links == 2);
    const int above = std::array{1, 2, 4, 2, -1, 6, 4, 6}[static_cast<std::size_t>(p)];
    if (above >= 0) CHECK(linked(g, routes.tree[p], routes.tree[above]));
  }
  for (const auto& order : {routes.ring, routes.tree}) {
    std::vector<int> sorted(order, order + 8);
    std::ranges::sort(sorted);
    CHECK(sorted == first(8));
  }
}

TEST_CASE("among some GPUs of the cube mesh") {
  const graph g = preset("dgx-1v");
  const link_routes three = plan_routes(g, {4, 0, 1});  // 4 and 1 are not linked
  CHECK(three.via[0][2] == 1);
  CHECK(three.via[2][0] == 1);
  CHECK(three.is_straight(0, 1));
  // 0 and 7 have nobody between them here: straight, over PCIe.
  CHECK(plan_routes(g, {0, 7}).all_straight());
  CHECK(plan_routes(preset("nvlink-bridges"), first(4)).all_straight());
}

TEST_CASE("a route climbs to the lowest bridge that both are below") {
  topology::graph g({{.name = "a", .numa_node = 0, .host_bridge = "h", .bridges = {"s", "p"}},
                     {.name = "b", .numa_node = 0, .host_bridge = "h", .bridges = {"s", "q"}},
                     {.name = "c", .numa_node = 0, .host_bridge = "h", .bridges = {"t"}},
                     {.name = "d", .numa_node = 0, .host_bridge = "i"},
                     {.name = "e", .numa_node = 1, .host_bridge = "j"}});
  join_over_pcie(g);
  const edge_map map(g);
  CHECK(way(map, 0, 0).empty());
  CHECK(way(map, 0, 1) == "GPU 0 > PCIe p > PCIe s > PCIe q > GPU 1");
  CHECK(way(map, 0, 2) == "GPU 0 > PCIe p > PCIe s > host bridge h > PCIe t > GPU 2");
  CHECK(way(map, 2, 3) == "GPU 2 > PCIe t > host bridge h > NUMA node 0 > host bridge i > GPU 3");
  CHECK(way(map, 3, 4) ==
        "GPU 3 > host bridge i > NUMA node 0 > NUMA node 1 > host bridge j > GPU 4");
  const int between = map.find("NUMA node 0", "NUMA node 1");
  REQUIRE(between >= 0);
  CHECK(map.edges()[static_cast<std::size_t>(between)].kind == topology::edge_kind::socket);
  CHECK(map.find("NUMA node 0", "NUMA node 2") == -1);
}

TEST_CASE(
    "a table without bridges: GPUs of one host bridge share one, NUMA nodes what joins them") {
  const edge_map map(topology::read_smi_text(R"(
     GPU0 GPU1 GPU2 GPU3 CPU Affinity
GPU0  X   PHB  SYS  SYS  0-7
GPU1 PHB   X   SYS  SYS  0-7
GPU2 SYS  SYS   X   NODE 8-15
GPU3 SYS  SYS  NODE  X   8-15)"));
  CHECK(way(map, 0, 1) == "GPU 0 > host bridge of GPU 0 > GPU 1");
  CHECK(way(map, 2, 3) ==
        "GPU 2 > host bridge of GPU 2 > NUMA node of GPU 2 > host bridge of GPU 3 > GPU 3");
  CHECK(way(map, 1, 3) ==
        "GPU 1 > host bridge of GPU 0 > NUMA node of GPU 0 > NUMA node of GPU 2 > "
        "host bridge of GPU 3 > GPU 3");
  for (const auto& e : map.edges()) CHECK(e.is_assumed);
}

TEST_CASE("links are edges of their own, behind switches one to them and one from them") {
  const edge_map mesh(preset("a100-mesh"));
  CHECK(mesh.edges().size() == 12);
  CHECK(way(mesh, 3, 1) == "GPU 3 > GPU 1");
  CHECK(mesh.edges()[0].gbps == 100);
  const edge_map switched(preset("hgx-h100"));
  CHECK(switched.edges().size() == 16);
  CHECK(way(switched, 3, 1) == "GPU 3 > NVSwitches > GPU 1");
  CHECK(switched.edges()[0].gbps == 18 * 26.5625);
  CHECK_FALSE(switched.edges()[0].is_assumed);
}
