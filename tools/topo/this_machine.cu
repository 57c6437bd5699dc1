#include "this_machine.hpp"

#include <peerfold/discover.hpp>

namespace topo {

peerfold::topology::discovery look_at_machine(bool probe) {
  try {
    return peerfold::topology::discover({.probe = probe});
  } catch (const peerfold::error& reason) {
    if (reason.code() != peerfold::errc::no_device) throw;
    throw no_gpu(reason.what());
  }
}

}  // namespace topo
