// In place of measure.cpp where there is no CUDA, or the benchmarks are not built.
#include "tuner.hpp"

namespace topo {

peerfold::tuning measure(const measure_options& /*asked*/, std::ostream& /*progress*/,
                         bool /*is_terminal*/) {
  throw no_gpu("built without CUDA or without the benchmarks, which measure");
}

}  // namespace topo
