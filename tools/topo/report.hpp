// A graph in words and as JSON.
#pragma once

#include <peerfold/topology/graph.hpp>

#include <iosfwd>
#include <string>

namespace topo {

using peerfold::topology::graph;

// Tables of what joins the GPUs and of what it carries. `source`: where the graph is from.
void print_tables(std::ostream& out, const graph& g, const std::string& source);

// {"source", "gpus": [...], "pairs": [{"from", "to", "path", "links", "through_switch", "gbps",
// "peer_access"}, ...]}: a pair for each GPU and each other one; null: unknown.
void print_json(std::ostream& out, const graph& g, const std::string& source);

}  // namespace topo
