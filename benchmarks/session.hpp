// A run of the runner: the limits, then every implementation, size by size.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "library/instances.hpp"
#include "result_file.hpp"

namespace bench {

class session {
 public:
  // Throws std::invalid_argument for what this machine or this build cannot run.
  session(machine where, options how);

  // Measures and prints everything that was asked for; true if every result was right.
  bool run();

  // Writes the JSON file, if one was asked for.
  void save() const;

 private:
  using maker = std::unique_ptr<implementation> (*)(const assignment&);

  // Of the collective of ranks_.
  void measure_peerfold();
  void measure_rivals();
  void measure_nccl();
  void measure_table(implementation& what);
  void compare_with(const std::string& policy, maker hand, std::size_t max_bytes);
  std::unique_ptr<implementation> make_peerfold(const std::string& policy, bool symmetric) const;

  results all_;
  assignment ranks_;
  std::vector<const library::instance*> instances_;  // of each collective
  const library::instance* instance_ = nullptr;      // of that of ranks_
};

// Prints the GPUs and what is compiled in.
void print_list(const machine& where);

}  // namespace bench
