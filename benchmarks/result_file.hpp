// Results as JSON, for plot.py and for keeping.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limits.hpp"
#include "machine.hpp"
#include "measure.hpp"
#include "options.hpp"

namespace bench {

struct results {
  machine where;
  options how;
  std::string nccl;
  std::optional<limits> floors;
  std::vector<table> tables;
  std::vector<comparison> comparisons;
  bool complete = false;  // false where the run broke off
};

// Overwrites the file. Throws where it cannot be written.
void write_results(const std::string& path, const results& all);

}  // namespace bench
