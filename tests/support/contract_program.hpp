/// \file
/// Programs: sequences of collectives without a pause between them, the memory that they work in,
/// and what must stand there afterwards. A rank's memory is one slab: every call has its input and
/// its output in it, and all bytes beside the outputs must be the same afterwards.
#pragma once

#include <peerfold/core/collective.hpp>
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

/// One call of a program.
struct step {
  std::size_t count = 0;
  peerfold::policy policy;
  bool in_place = false;
  unsigned in_shift = 0;   ///< elements past a boundary of 128 bytes
  unsigned out_shift = 0;  ///< likewise
  int channel = 0;
  int max_blocks = 0;
  collective which = collective::all_reduce;
  int root = 0;
  std::vector<int> to{};  ///< of send_recv: as in the call

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

/// Calls of a collective by every policy with counts of all kinds: none, one, around the borders of
/// packs, tiles, slots and blocks, several laps of the ring; in place and not, aligned and not,
/// with all blocks and fewer, to every root.
std::vector<step> make_steps(const geometry& where, collective which,
                             const std::vector<peerfold::policy>& policies);

/// Whether the collective may be carried out in place by the policy, which may be automatic.
bool can_be_in_place(collective which, const std::vector<peerfold::policy>& policies);

/// Element `index` of a rank's input: a mixture of ordinary and special values (NaNs of several
/// payloads, infinities, zeros, subnormals, the largest, any bits). Without NaNs for `mix`.
template <class T>
T input_value(oracle::operation op, std::uint64_t seed, int rank, std::size_t index);

/// An element in a vector: bool, too, has its own there.
template <class T>
struct boxed {
  T value;
};

/// The steps of a program with elements of type T.
template <class T>
class program {
 public:
  /// On a team with those links.
  program(oracle::operation op, int ranks, std::vector<step> steps, std::uint64_t seed,
          const link_routes& links = {});

  [[nodiscard]] const std::vector<step>& steps() const { return steps_; }
  /// The size of a rank's slab.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// What rank `rank`'s slab holds at the start.
  [[nodiscard]] const std::vector<std::byte>& image(int rank) const {
    return images_[static_cast<std::size_t>(rank)];
  }
  /// The input and output of step i in rank `rank`'s slab.
  [[nodiscard]] T* in(std::byte* slab, std::size_t i, int rank) const {
    return reinterpret_cast<T*>(slab + in_at(i, rank));
  }
  [[nodiscard]] T* out(std::byte* slab, std::size_t i, int rank) const {
    return reinterpret_cast<T*>(slab + out_at(i, rank));
  }
  /// What step i starts from, where it is an exclusive scan.
  [[nodiscard]] T initial(std::size_t i) const { return input_value<T>(op_, seed_ + i, ranks_, 0); }

  /// Compares what rank `rank`'s slab holds at the end with the oracle; for all ranks in turn. A
  /// ring may begin a fold at any rank and go either way, but has the same bits on every rank.
  void check(int rank, std::vector<std::byte> found, report& result) const;

 private:
  [[nodiscard]] oracle::request request_of(std::size_t i) const;
  [[nodiscard]] bool is_ring(std::size_t i) const {
    return steps_[i].policy.algorithm == algorithm_id::ring;
  }
  /// The ways round the ring, from each rank.
  [[nodiscard]] std::vector<std::vector<int>> paths() const;
  /// What rank `rank` gets by step i.
  [[nodiscard]] const std::vector<boxed<T>>& expected(std::size_t i, int rank) const {
    const auto& of_ranks = expected_[i];
    return of_ranks[of_ranks.size() == 1 || is_ring(i) ? 0 : static_cast<std::size_t>(rank)];
  }
  /// Offsets in bytes; in place one of them lies within the other.
  [[nodiscard]] std::size_t in_at(std::size_t i, int rank) const {
    return in_[i] + (gathers_in_place(i) ? own_part(i, rank) : 0);
  }
  [[nodiscard]] std::size_t out_at(std::size_t i, int rank) const {
    return out_[i] + (scatters_in_place(i) ? own_part(i, rank) : 0);
  }
  [[nodiscard]] std::size_t own_part(std::size_t i, int rank) const {
    return static_cast<std::size_t>(rank) * steps_[i].count * sizeof(T);
  }
  [[nodiscard]] bool gathers_in_place(std::size_t i) const {
    const step& s = steps_[i];
    return s.in_place && (s.which == collective::all_gather || s.which == collective::gather);
  }
  [[nodiscard]] bool scatters_in_place(std::size_t i) const {
    const step& s = steps_[i];
    return s.in_place && (s.which == collective::reduce_scatter || s.which == collective::scatter);
  }

  std::vector<step> steps_;
  oracle::operation op_;
  int ranks_;
  std::uint64_t seed_;
  std::size_t bytes_ = 0;
  std::vector<std::size_t> in_;   ///< offsets in bytes of what all parts take
  std::vector<std::size_t> out_;  ///< likewise
  std::vector<std::vector<std::byte>> images_;
  std::vector<std::vector<std::vector<boxed<T>>>>
      expected_;  ///< by step, then rank, or one for all; of a ring by path
  link_routes links_;
  mutable std::vector<std::vector<std::byte>> found_;  ///< by step: what a ring left on rank 0
};

}  // namespace peerfold::test
