// What a call would take by each policy: explain and crossover.
#pragma once

#include <peerfold/policy/node_selector.hpp>

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace topo {

// An element type by its name, as far as costs depend on it.
struct element_kind {
  std::string_view name;
  int bytes = 0;
  int accumulator_bytes = 0;
  bool is_floating = false;
};

// The type of that name, of which some have two ("bf16", "bfloat16"); null if there is none.
const element_kind* find_element(std::string_view name);
// All names, with commas.
std::string element_names();

// A call as the command line has it.
struct planned_call {
  peerfold::collective which = peerfold::collective::all_reduce;
  std::size_t message_bytes = 0;  // as nccl-tests count: all parts of a rank
  const element_kind* element = nullptr;
  int ranks = 0;          // 0: one for each GPU, but at most 8
  std::vector<int> gpus;  // of the ranks; empty: spread over all
  int root = 0;
  bool any_bits = false;
  bool symmetric = false;
  int max_blocks = 0;

  // The request for a node. Throws std::invalid_argument where ranks or GPUs do not fit it.
  peerfold::policy_request on(const peerfold::topology::graph& node) const;
};

// The collective of that name; none if there is none.
peerfold::collective parse_collective(std::string_view name);

// 65536: "64 KiB".
std::string size_text(double bytes);

// The candidates with their times, the choice and why. `source`: where the node is from.
void explain(std::ostream& out, const peerfold::cost_model& model, const planned_call& call,
             const peerfold::tuning* measured, const std::string& source);
void explain_json(std::ostream& out, const peerfold::cost_model& model, const planned_call& call,
                  const peerfold::tuning* measured, const std::string& source);

// A chart: a row for each rank count, a column for each size from 1 KiB to 1 GiB, a letter for each
// policy; and in words from which size on each policy is chosen.
void crossover(std::ostream& out, const peerfold::cost_model& model, const planned_call& call,
               const peerfold::tuning* measured, const std::string& source);

}  // namespace topo
