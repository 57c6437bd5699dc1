// What the runner measures: peerfold, NCCL and the hand-specialised kernels behind one interface.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "element.hpp"
#include "stopwatch.hpp"
#include "verify.hpp"

namespace bench {

enum class placement { out_of_place, in_place };

// An all-reduce of one element type and operator over a fixed set of ranks.
class implementation {
 public:
  struct identity {
    std::string library;  // peerfold, nccl, hand
    std::string policy;   // such as one_shot/packet; empty for NCCL, which chooses for itself
    std::string memory;   // symmetric or ordinary
    std::string title() const {
      return library + (policy.empty() ? "" : " " + policy) + ", " + memory + " memory";
    }
  };

  implementation() = default;
  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;
  virtual ~implementation() = default;

  virtual identity who() const = 0;

  // Whether it promises the bits of a fold in rank order. Otherwise it is given values whose
  // sums are exact in any order.
  virtual bool reproducible() const = 0;

  // Whether it can be run with this many elements.
  virtual bool supports(std::size_t count) const = 0;

  // Makes buffers() hold `count` elements each. Called before enqueue, and again for each size.
  virtual void prepare(std::size_t count) = 0;

  // Gives the buffers of the last prepare() back.
  virtual void release() = 0;
  virtual const rank_pointers& buffers() const = 0;

  // The streams that enqueue() uses.
  virtual std::span<const lane> lanes() const = 0;

  // Enqueues that many all-reduces of every rank, one after the other, without waiting. Out of
  // place from buffers().in to buffers().out; in place in buffers().out. May be captured.
  virtual void enqueue(placement where, int calls) = 0;

  // Throws with the report where a call has failed. Called when the streams are empty.
  virtual void check_health() = 0;
};

// The ranks and what they reduce.
struct assignment {
  element type = element::float32;
  reduction op = reduction::sum;
  std::vector<int> devices;  // of each rank
  std::size_t max_count = 0;
  int max_blocks = 0;
  int multiprocessors = 0;  // of the smallest GPU
  int ranks() const { return static_cast<int>(devices.size()); }
};

}  // namespace bench
