/// \file
/// Programs: sequences of all-reduces without a pause between them, the memory that they work in,
/// and what must stand there afterwards. A rank's memory is one slab: every call has its input and
/// its output in it, and all bytes beside the outputs must be the same afterwards.
#pragma once

#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/sync/arena.hpp>

#include <support/contract.hpp>
#include <support/oracle.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace peerfold::test {

/// Who calls: the team for all its ranks, or every rank for itself, from threads of their own, and
/// on all channels at once.
enum class caller { team, ranks };

/// Where inputs and outputs are.
enum class memory_kind { ordinary, symmetric };

/// One all-reduce of a program.
struct step {
  std::size_t count = 0;
  peerfold::policy policy;
  bool in_place = false;
  unsigned in_shift = 0;   ///< elements past a boundary of 128 bytes
  unsigned out_shift = 0;  ///< likewise
  int channel = 0;
  int max_blocks = 0;

  [[nodiscard]] std::string to_string() const;
};

/// What the borders of messages depend on.
struct geometry {
  std::size_t element_bytes = 1;
  int ranks = 1;
  int channels = 1;
  sync::channel_shape shape;   ///< of channel 0
  std::size_t most_bytes = 0;  ///< no message is larger
};

/// Calls of every policy with counts of all kinds: none, one, around the borders of packs, tiles,
/// slots and blocks, several laps of the ring; in place and not, aligned and not, with all blocks
/// and fewer.
std::vector<step> make_steps(const geometry& where, const std::vector<peerfold::policy>& policies);

/// Element `index` of a rank's input: a mixture of ordinary and special values (NaNs of several
/// payloads, infinities, zeros, subnormals, the largest, any bits). Without NaNs for `mix`.
template <class T>
T input_value(oracle::operation op, std::uint64_t seed, int rank, std::size_t index);

/// The steps of a program with elements of type T.
template <class T>
class program {
 public:
  program(oracle::operation op, int ranks, std::vector<step> steps, std::uint64_t seed);

  [[nodiscard]] const std::vector<step>& steps() const { return steps_; }
  /// The size of a rank's slab.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// What rank `rank`'s slab holds at the start.
  [[nodiscard]] const std::vector<std::byte>& image(int rank) const {
    return images_[static_cast<std::size_t>(rank)];
  }
  /// The input and output of step i in a rank's slab.
  [[nodiscard]] T* in(std::byte* slab, std::size_t i) const {
    return reinterpret_cast<T*>(slab + in_[i]);
  }
  [[nodiscard]] T* out(std::byte* slab, std::size_t i) const {
    return reinterpret_cast<T*>(slab + out_[i]);
  }

  /// Compares what rank `rank`'s slab holds at the end with the oracle.
  void check(int rank, std::vector<std::byte> found, report& result) const;

 private:
  std::vector<step> steps_;
  int ranks_;
  std::size_t bytes_ = 0;
  std::vector<std::size_t> in_;   ///< offsets in bytes
  std::vector<std::size_t> out_;  ///< likewise
  std::vector<std::vector<std::byte>> images_;
  std::vector<std::vector<T>> expected_;
};

}  // namespace peerfold::test
