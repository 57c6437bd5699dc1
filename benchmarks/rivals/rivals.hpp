// The hand-specialised kernels behind the runner's interface: what the generic templates have to
// keep up with. All-reduces of two ranks, float sum.
#pragma once

#include <memory>

#include "../implementation.hpp"

namespace bench::rivals {

// Whether there are rivals for this.
inline bool apply_to(const assignment& ranks) {
  return ranks.which == collective::all_reduce && ranks.ranks() == 2 &&
         ranks.type == element::float32 && ranks.op == reduction::sum;
}

std::unique_ptr<implementation> make_one_shot_packet(const assignment& ranks);
std::unique_ptr<implementation> make_one_shot_sentinel(const assignment& ranks);
std::unique_ptr<implementation> make_two_shot_push(const assignment& ranks);

}  // namespace bench::rivals
