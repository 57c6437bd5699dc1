// The machine that the program runs on.
#pragma once

#include <peerfold/topology/assemble.hpp>

#include <stdexcept>
#include <string>

namespace topo {

// There is no GPU here, or no way to ask.
class no_gpu : public std::runtime_error {
 public:
  explicit no_gpu(const std::string& why)
      : std::runtime_error(why + "; --from FILE and --preset NAME show other machines") {}
};

// What joins its GPUs. `probe`: moves data between each two, and measures. Throws no_gpu.
peerfold::topology::discovery look_at_machine(bool probe);

}  // namespace topo
