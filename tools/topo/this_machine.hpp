// The machine that the program runs on.
#pragma once

#include <peerfold/topology/assemble.hpp>

#include <stdexcept>
namespace topo {

// There is no GPU here, not those that were named, or no way to ask: the program leaves with the
// status of a skipped test.
class no_gpu : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What joins its GPUs. `probe`: moves data between each two, and measures. Throws no_gpu.
peerfold::topology::discovery look_at_machine(bool probe);

}  // namespace topo
