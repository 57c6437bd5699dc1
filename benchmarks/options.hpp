// The command line of peerfold-bench.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "collective.hpp"
#include "element.hpp"

namespace bench {

struct options {
  std::vector<collective> which = {collective::all_reduce};
  bool named = true;  // false where which is all that are compiled in
  std::size_t min_bytes = std::size_t{1} << 10;
  std::size_t max_bytes = std::size_t{256} << 20;
  std::size_t factor = 4;
  element type = element::float32;
  reduction op = reduction::sum;
  int ranks = 0;                // 0: one for each entry of devices
  std::vector<int> devices;     // of each rank; empty: ranks spread over the GPUs there are
  bool run_time_ranks = false;  // peerfold by the kernels that learn their rank count at run time
  std::vector<std::string> policies = {"automatic"};  // empty: all that a collective has
  bool symmetric = true;                              // memory kinds to measure
  bool ordinary = true;
  bool in_place = false;
  int max_blocks = 0;   // 0: the library's choice
  bool skewed = false;  // all_to_all: rank 0 gets four times as much from each as others
  int shift = 0;        // of peerfold's ordinary memory, in elements
  int tensors = 1;      // into which all-reduce's messages are divided, for a grouped call
  int iterations = 0;   // calls a graph or batch; 0: by size
  int replays = 21;
  bool graph = true;
  bool nccl = true;
  bool rival = true;
  bool limits = true;
  bool list = false;
  std::string json;

  // From min_bytes to max_bytes by factor, of messages: message_of() makes calls of them.
  std::vector<std::size_t> sizes() const;
};

// What the process should do: run with the options, or leave with a status.
struct command_line {
  options values;
  std::optional<int> exit_status;
};

inline constexpr int status_failed = 1;       // wrong results, or the run broke off
inline constexpr int status_bad_options = 2;  // one line on stderr says which
inline constexpr int status_no_gpu = 77;      // a GPU is not there: ctest's SKIP_RETURN_CODE

// Prints the help to stdout, or one line on what is wrong to stderr, and sets the
// status where the process should not go on. Needs no GPU.
command_line parse_command_line(int argc, const char* const* argv);

// Fills in the rank count and the devices for a machine with this many GPUs. Throws
// std::invalid_argument where one that was asked for is not there.
void place_ranks(options& values, int gpus);

}  // namespace bench
