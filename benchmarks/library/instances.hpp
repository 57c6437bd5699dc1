// The instances of peerfold that are compiled in, each in a translation unit of its own. The list
// stands in benchmarks/CMakeLists.txt.
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
  int ranks;
  element type;
  reduction op;
  std::unique_ptr<implementation> (*make)(const assignment&, const choice&);
};

std::span<const instance> instances();

}  // namespace bench::library
