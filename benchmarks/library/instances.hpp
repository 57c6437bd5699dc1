// The instances of peerfold that are compiled in. The list stands in benchmarks/CMakeLists.txt.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "../implementation.hpp"

namespace bench::library {

struct choice {
  std::string policy;  // as peerfold::parse_policy reads it
  bool symmetric = true;
};

struct instance {
  collective which;
  int ranks;  // or peerfold::run_time_ranks
  element type;
  reduction op;  // of collectives that reduce
  std::unique_ptr<implementation> (*make)(const assignment&, const choice&);
};

std::span<const instance> instances();

// The instance for a collective, or null where it is not compiled in. `ranks` as in an instance.
const instance* find_instance(collective which, int ranks, element type, reduction op);

}  // namespace bench::library
