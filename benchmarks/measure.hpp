// One measurement of an implementation: checked results and a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "implementation.hpp"
#include "options.hpp"

namespace bench {

struct figure {
  double time_us = 0;  // of one call
  double algorithm_gbps = 0;
  double bus_gbps = 0;
  std::uint64_t wrong = 0;  // elements, over all ranks and both checks
  std::optional<launch_shape> shape;
};

// A row of nccl-tests' table.
struct row {
  std::size_t bytes = 0;
  std::size_t count = 0;
  figure out_of_place;
  std::optional<figure> in_place;
  std::optional<double> floor_us;
};

struct table {
  collective which = collective::all_reduce;
  implementation::identity who;
  std::vector<row> rows;
};

// The same algorithm from the generic templates and from a hand-specialised kernel, replayed in
// turn so that both see the same clocks, and made anew several times: where their memory lies tells
// in their times.
struct comparison {
  implementation::identity generic;
  implementation::identity hand;
  std::size_t bytes = 0;
  int made = 0;                            // how many times so far
  std::vector<double> generic_times = {};  // µs, of every replay
  std::vector<double> hand_times = {};
  double generic_us() const { return median(generic_times); }
  double hand_us() const { return median(hand_times); }
  double ratio() const { return generic_us() / hand_us(); }
};

// Calls in one graph: many for small messages, few for large ones.
int calls_for(const options& how, std::size_t bytes);

// Measures and checks parts of `count` elements; the caller prepares and releases the buffers.
figure measure(implementation& what, const assignment& ranks, const options& how, std::size_t count,
               placement where);

// Adds replays of both implementations, which the caller has prepared with the same count.
void compare(implementation& generic, implementation& hand, const assignment& ranks,
             const options& how, std::size_t count, comparison& result);

}  // namespace bench
