// Presets are whole; samples.test.cpp holds them against machines.
#include <peerfold/topology/presets.hpp>

#include <support/catch.hpp>

#include <string>
#include <string_view>
#include <tuple>

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
