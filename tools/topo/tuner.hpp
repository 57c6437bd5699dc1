// The tuner: measures the policies of collectives on this machine.
#pragma once

#include <peerfold/policy/tuning.hpp>
#include <peerfold/topology/graph.hpp>

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "this_machine.hpp"

namespace topo {

struct measure_options {
  std::vector<peerfold::collective> which;  // empty: all that are compiled in
  std::vector<int> devices;                 // of each rank; empty: each GPU once
  std::size_t min_bytes = std::size_t{1} << 10;
  std::size_t max_bytes = std::size_t{256} << 20;
  double seconds = 110;  // at most about so long
};

// Measures every policy that is compiled in, in memory of both kinds, at every second power of two,
// while a bar on `progress` (a terminal; elsewhere now and then a line) shows how far it is.
// Results are checked; throws std::runtime_error for a wrong one, and no_gpu. Where time runs out,
// a remark on `progress` says what was left out.
peerfold::tuning measure(const measure_options& asked, std::ostream& progress, bool is_terminal);

// The text that tuning::parse reads, with a comment on where it is from.
void write_tuning(std::ostream& out, const peerfold::tuning& measured, const std::string& comment);

// Where predictions for a node differ from what was measured by more than a fifth.
void report_differences(std::ostream& out, const peerfold::topology::graph& node,
                        const peerfold::tuning& measured, const std::vector<int>& devices);

}  // namespace topo
