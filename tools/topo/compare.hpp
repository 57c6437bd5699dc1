// Predictions beside what peerfold-bench measured.
#pragma once

#include <peerfold/policy/cost_model.hpp>

#include <iosfwd>
#include <string>

#include "source_text.hpp"

namespace topo {

// Tables, from the results of a run: by policy, memory and rank count the error of the predictions
// at every second size, to which constants are fitted, and at those between; and where the policy
// that is selected takes over 5 % more than the best. GPUs are those of `model`'s node by their
// numbers. Throws bad_source.
void compare(std::ostream& out, const peerfold::cost_model& model, const source_text& run);

// [{"collective", "policy", "memory", "ranks", "bytes", "measured_us", "predicted_us",
// "further_steps", "further_rounds", "edge_us", "sharing", "fitted"}, ...]: what fits take.
void compare_json(std::ostream& out, const peerfold::cost_model& model, const source_text& run);

}  // namespace topo
