// A graph as a picture.
#pragma once

#include <peerfold/topology/graph.hpp>

#include <iosfwd>
#include <string>

namespace topo {

// An SVG: the GPUs in a row; above them NVLinks, between them or to the switches, as thick as they
// are fast; below them what they hang on, PCIe bridges, host bridges and NUMA nodes, as far as the
// source says. `source`: where the graph is from.
void draw_svg(std::ostream& out, const peerfold::topology::graph& g, const std::string& source);

}  // namespace topo
