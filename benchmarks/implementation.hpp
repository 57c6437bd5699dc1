// What the runner measures: peerfold, NCCL and the hand-specialised kernels behind one interface.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "collective.hpp"
#include "element.hpp"
#include "stopwatch.hpp"
#include "verify.hpp"

namespace bench {

// A collective of one element type and operator over a fixed set of ranks.
class implementation {
 public:
  struct identity {
    std::string library;  // peerfold, nccl, hand
    std::string policy;   // such as one_shot/packet; empty for NCCL, which chooses for itself
    std::string memory;   // symmetric or ordinary
    bool run_time_ranks = false;
    int tensors = 1;  // of a grouped call
    int shift = 0;    // as in the assignment
    bool skewed = false;
    std::string title() const {
      return library + (policy.empty() ? "" : " " + policy) + ", " + memory + " memory" +
             (run_time_ranks ? ", run-time rank count" : "") +
             (tensors > 1 ? ", group of " + std::to_string(tensors) + " tensors" : "") +
             (shift > 0 ? ", shifted by " + std::to_string(shift) + " elements" : "") +
             (skewed ? ", skewed" : "");
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

  // Whether it can be run with parts of this many elements, and whether it can be run there.
  virtual bool supports(std::size_t count) const = 0;
  virtual bool runs(placement where) const = 0;

  // Makes room in buffers() for parts of `count` elements. Called before enqueue, and again for
  // each size.
  virtual void prepare(std::size_t count) = 0;

  // Gives the buffers of the last prepare() back.
  virtual void release() = 0;
  virtual const rank_pointers& buffers() const = 0;

  // The streams that enqueue() uses.
  virtual std::span<const lane> lanes() const = 0;

  // Enqueues that many calls of every rank, one after the other, without waiting, from and to
  // where buffers().input() and output() say. May be captured.
  virtual void enqueue(placement where, int calls) = 0;

  // Throws with the report where a call has failed. Called when the streams are empty.
  virtual void check_health() = 0;
};

// The ranks and what they do.
struct assignment {
  collective which = collective::all_reduce;
  element type = element::float32;
  reduction op = reduction::sum;
  std::vector<int> devices;   // of each rank
  std::size_t max_bytes = 0;  // of a message
  int max_blocks = 0;
  int multiprocessors = 0;  // of the smallest GPU
  int tensors = 1;          // into which a message is divided, for a grouped call
  bool skewed = false;      // as in message
  int shift = 0;            // of ordinary memory, in elements past a boundary of 256 bytes
  int ranks() const { return static_cast<int>(devices.size()); }
  message call(std::size_t count) const { return {which, type, ranks(), count, skewed}; }
};

}  // namespace bench
