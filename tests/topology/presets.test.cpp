// Presets are the machines that they stand for.
#include <peerfold/topology/presets.hpp>
#include <peerfold/topology/smi_text.hpp>

#include <support/catch.hpp>

#include <string_view>
#include <utility>
#include <vector>

namespace topology = peerfold::topology;
using topology::graph;
using topology::path_kind;

namespace {

graph preset(std::string_view name) {
  const auto* const found = topology::find_preset(name);
  REQUIRE(found != nullptr);
  return found->make();
}

int links_of(const graph& g, int i) {
  int sum = 0;
  for (int j = 0; j < g.size(); ++j) sum += *g.at(i, j).links;
  return sum;
}

/// Whether two graphs have the same paths, links and switches, as far as both say.
void check_same_links(const graph& a, const graph& b) {
  REQUIRE(a.size() == b.size());
  for (int i = 0; i < a.size(); ++i) {
    for (int j = 0; j < a.size(); ++j) {
      CAPTURE(i, j);
      CHECK(a.at(i, j).links == b.at(i, j).links);
      CHECK((a.at(i, j).path == path_kind::nvlink) == (b.at(i, j).path == path_kind::nvlink));
      const auto& x = a.at(i, j).through_switch;
      const auto& y = b.at(i, j).through_switch;
      if (x && y) CHECK(*x == *y);
    }
  }
}

}  // namespace

TEST_CASE("every preset is whole: symmetric, and all links are there") {
  for (const topology::preset& p : topology::presets) {
    CAPTURE(std::string(p.name));
    const graph g = p.make();
    for (int i = 0; i < g.size(); ++i) {
      for (int j = 0; j < g.size(); ++j) {
        CAPTURE(i, j);
        const topology::connection& c = g.at(i, j);
        CHECK(c == g.at(j, i));
        CHECK(c.path != path_kind::unknown);
        REQUIRE(c.links.has_value());
        CHECK((c.path == path_kind::nvlink) == (*c.links > 0));
        if (c.path == path_kind::nvlink) CHECK(c.gbps.value_or(0) > 0);
      }
    }
  }
}

TEST_CASE("links of the GPUs of each preset") {
  const graph mesh = preset("a100-mesh");
  const graph cube = preset("dgx-1v");
  for (int i = 0; i < 4; ++i) CHECK(links_of(mesh, i) == 12);
  for (int i = 0; i < 8; ++i) CHECK(links_of(cube, i) == 6);
  CHECK(cube.all_linked() == false);
  for (const auto& [name, gpus, links] :
       {std::tuple{"dgx-a100", 8, 12}, std::tuple{"hgx-h100", 8, 18}, std::tuple{"hgx-h200", 8, 18},
        std::tuple{"hgx-b200", 8, 18}, std::tuple{"nvl72", 72, 18}}) {
    CAPTURE(name);
    const graph g = preset(name);
    CHECK(g.size() == gpus);
    CHECK(g.all_linked() == true);
    CHECK(g.at(0, gpus - 1).links == links);
    CHECK(g.at(0, gpus - 1).through_switch == true);
  }
  CHECK(preset("hgx-h200").at(0, 1).gbps == 18 * 26.5625);
  CHECK(preset("hgx-b200").at(0, 1).gbps == 18 * 53.125);
  CHECK(preset("pcie-1").at(0, 3).path == path_kind::phb);
  CHECK(preset("pcie-2").at(0, 3).path == path_kind::phb);
  CHECK(preset("pcie-2").at(0, 4).path == path_kind::sys);
  CHECK(topology::find_preset("hgx") == nullptr);
}

// The facts of a machine of each kind, as its nvidia-smi printed them.
TEST_CASE("presets equal what such machines say of themselves") {
  check_same_links(preset("a100-mesh"), topology::read_smi_text(R"(
        GPU0    GPU1    GPU2    GPU3
GPU0     X      NV4     NV4     NV4
GPU1    NV4      X      NV4     NV4
GPU2    NV4     NV4      X      NV4
GPU3    NV4     NV4     NV4      X)"));
  check_same_links(preset("nvlink-bridges"), topology::read_smi_text(R"(
        GPU0    GPU1    GPU2    GPU3
GPU0     X      NV4     SYS     SYS
GPU1    NV4      X      SYS     SYS
GPU2    SYS     SYS      X      NV4
GPU3    SYS     SYS     NV4      X)"));
  // A DGX-1V that numbers its GPUs otherwise: by this order they are those of the preset.
  const graph other = topology::read_smi_text(R"(
     GPU0 GPU1 GPU2 GPU3 GPU4 GPU5 GPU6 GPU7
GPU0  X   NV1  NV2  NV1  SYS  SYS  SYS  NV2
GPU1 NV1   X   NV1  NV2  SYS  SYS  NV2  SYS
GPU2 NV2  NV1   X   NV2  SYS  NV1  SYS  SYS
GPU3 NV1  NV2  NV2   X   NV1  SYS  SYS  SYS
GPU4 SYS  SYS  SYS  NV1   X   NV2  NV2  NV1
GPU5 SYS  SYS  NV1  SYS  NV2   X   NV1  NV2
GPU6 SYS  NV2  SYS  SYS  NV2  NV1   X   NV1
GPU7 NV2  SYS  SYS  SYS  NV1  NV2  NV1   X)");
  const graph cube = preset("dgx-1v");
  const std::vector<int> order{0, 1, 3, 2, 7, 6, 4, 5};
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      const auto at = [&](int k) { return order[static_cast<std::size_t>(k)]; };
      CAPTURE(i, j);
      CHECK(cube.at(i, j).links == other.at(at(i), at(j)).links);
    }
  }
}
