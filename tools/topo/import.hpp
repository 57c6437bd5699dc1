// Topologies from files.
#pragma once

#include <peerfold/topology/graph.hpp>

#include <string>

#include "source_text.hpp"

namespace topo {

using peerfold::topology::graph;

class xml_source;

// Of the format that the content shows: nvidia-smi's tables, NCCL's or hwloc's XML. Throws
// bad_source.
graph import_topology(const source_text& source);

// The XML that NCCL dumps (NCCL_TOPO_DUMP_FILE) or reads (NCCL_TOPO_FILE).
graph import_nccl(const xml_source& xml);

// The XML of hwloc 2 and 3, whose distances say what NVLinks carry.
graph import_hwloc(const xml_source& xml);

}  // namespace topo
