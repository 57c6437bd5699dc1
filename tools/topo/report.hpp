// A graph in words and as JSON.
#pragma once

#include <peerfold/topology/graph.hpp>

#include <iosfwd>
#include <string>

namespace topo {

using peerfold::topology::graph;

// Tables of what joins the GPUs and of what it carries, and a line for each GPU of where it is.
// `source`: where the graph is from.
void print_tables(std::ostream& out, const graph& g, const std::string& source);

// {"source", "gpus": [{"name", "bus_id", "numa_node", "compute_capability", "nvlink_generation",
// "host_bridge", "bridges", "links_to_cpu", "ports": [{"nvswitch", "links"}, ...]}, ...],
// "nvswitches": [{"bus_id"}, ...], "pairs": [{"from", "to", "path", "links", "through_switch",
// "gbps", "peer_access", "latency_us", "native_atomics", "ipc"}, ...]}: ports and pairs name GPUs
// and switches by their places in the lists; a pair for each GPU and each other one; null: unknown,
// and of a switch's bus_id: hidden.
void print_json(std::ostream& out, const graph& g, const std::string& source);

}  // namespace topo
