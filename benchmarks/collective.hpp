// The collectives that the runner measures. What sets one apart from the others, be it for
// implementations, checks, columns or floors, stands here.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/traits.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "element.hpp"

// Builds that compare all policies set it (CMake: PEERFOLD_BENCH_EVERY_POLICY).
#if !defined(PEERFOLD_BENCH_EVERY_POLICY)
#define PEERFOLD_BENCH_EVERY_POLICY 0
#endif

namespace bench {

using peerfold::collective;

struct limits;

// In the order in which --collective all measures them.
inline constexpr std::array collectives{
    collective::all_reduce,     collective::reduce_scatter, collective::all_gather,
    collective::broadcast,      collective::reduce,         collective::all_to_all,
    collective::gather,         collective::scatter,        collective::send_recv,
    collective::inclusive_scan, collective::exclusive_scan, collective::barrier};

inline constexpr int root = 0;          // of those that have one
inline constexpr int scan_initial = 3;  // what an exclusive scan starts from

constexpr std::string_view name_of(collective which) { return to_string(which); }
constexpr std::optional<collective> parse_collective(std::string_view name) {
  for (const collective which : collectives) {
    if (name_of(which) == name) return which;
  }
  return std::nullopt;
}

// What nccl-tests prints in the columns of the type, the operator and the root.
std::string_view type_column(collective which, element type);
std::string_view op_column(collective which, reduction op);
int root_column(collective which);

// Whether peerfold has a form for symmetric memory.
constexpr bool takes_symmetric(collective which) {
  return which != collective::send_recv && which != collective::barrier;
}

// Whether a policy is compiled for a collective, in symmetric memory or in any. `early`: of
// elements that sentinels carry, among a rank count known at compile time. Those that `automatic`
// may stand for, and bulk copies; all that there are in builds with PEERFOLD_BENCH_EVERY_POLICY.
constexpr bool is_compiled(collective which, const peerfold::policy& p, bool symmetric,
                           bool early) {
  using peerfold::algorithm_id;
  using peerfold::transport_id;
  if (which == collective::barrier) return p == peerfold::one_shot_packet;
  if (!peerfold::has_policy(which, p)) return false;
  const bool all = early && PEERFOLD_BENCH_EVERY_POLICY;
  switch (p.algorithm) {
    case algorithm_id::one_shot: return early || p.transport != transport_id::sentinel;
    case algorithm_id::two_shot:
      if (p.transport == transport_id::store) return true;
      return all ||
             (which == collective::all_reduce && (early || p.transport == transport_id::packet));
    case algorithm_id::direct: return symmetric;
    default: return all;
  }
}

// The list of those.
template <collective Which, bool Symmetric, bool Early>
struct compiled_policies {
  static constexpr auto is_listed = [](const peerfold::policy& p) {
    return is_compiled(Which, p, Symmetric, Early);
  };
  static constexpr auto kept = [] {
    constexpr auto count = std::ranges::count_if(peerfold::known_policies, is_listed);
    std::array<peerfold::policy, static_cast<std::size_t>(count)> list{};
    std::ranges::copy_if(peerfold::known_policies, list.begin(), is_listed);
    return list;
  }();
  template <std::size_t... I>
  static peerfold::policies<kept[I]...> list_of(std::index_sequence<I...>);
  using list = decltype(list_of(std::make_index_sequence<kept.size()>{}));
};

// The names of its policies in memory of that kind, none where it has no form for it; with those
// that need floating-point elements and a rank count that is compiled in, or without.
std::vector<std::string_view> policies_of(collective which, bool symmetric, bool sentinels);

// Whether it has the policy there; automatic is every collective's.
bool has_policy(collective which, std::string_view policy, bool symmetric, bool sentinels);

// To whom a rank of a send_recv sends: a shift around a ring.
PEERFOLD_HD constexpr int next_rank(int rank, int ranks) { return (rank + 1) % ranks; }
PEERFOLD_HD constexpr int last_rank(int rank, int ranks) { return (rank + ranks - 1) % ranks; }

// One call of a collective. Its unit is the part: `count` elements, which is what a rank has for
// one other where it has something for each, and otherwise all that it has.
struct message {
  collective which = collective::all_reduce;
  element type = element::float32;
  int ranks = 0;
  std::size_t count = 0;
  bool skewed = false;  // all-to-all: rank 0 gets parts of `count` elements, others of a quarter

  // What is sent to a rank, of a part.
  PEERFOLD_HD std::size_t part_for(int to) const { return skewed && to != 0 ? count / 4 : count; }

  int parts_given() const { return peerfold::parts_given(which, ranks); }
  int parts_got() const { return peerfold::parts_got(which, ranks); }

  // Elements that every rank's input and output have room for, and those that this call reads and
  // writes there.
  std::size_t given() const { return count * static_cast<std::size_t>(parts_given()); }
  std::size_t got() const { return count * static_cast<std::size_t>(parts_got()); }
  std::size_t given_by(int rank) const;
  std::size_t got_by(int rank) const;
  // Of these, what is written.
  std::size_t written_by(int rank) const {
    return skewed ? got_by(rank) / std::max<std::size_t>(1, count) * part_for(rank) : got_by(rank);
  }

  // The larger of both, in bytes: the size that nccl-tests prints, and bandwidths are of.
  std::size_t bytes() const;

  // In place both are one buffer of the larger size: where in it they begin, in elements.
  std::size_t input_in_place(int rank) const;
  std::size_t output_in_place(int rank) const;

  // For collectives that only copy: whether `from` has a part for `to`.
  bool sends(int from, int to) const;
};

// The largest call of at most that many bytes; none (0 elements) where they are too few. Parts are
// whole 16 bytes where there are several and that leaves any, as in nccl-tests.
message message_of(collective which, element type, int ranks, std::size_t bytes);

// The sizes, in elements, of so many tensors that make up a message of `count`: from one to 4096 of
// the smallest, as many below the geometric mean as above, in no order. They begin at multiples of
// 256 bytes, as allocations do.
std::vector<std::size_t> tensor_sizes(std::size_t count, int tensors, std::size_t element_bytes);

// By what nccl-tests multiplies size / time for the bus bandwidth: the share of the size that
// crosses each rank's link. It knows no scans; they count as a reduce does.
double bus_factor(collective which, int ranks);

// The least time of a call: the larger of launch gap + one-way flag, and of the bytes that the
// busiest GPU has to send, or to receive, over the rate of stores: of all GPUs at once where all
// send, of one alone where the collective has a direction. Several ranks on one GPU count as one.
// On one GPU every input is read and every output written once instead, and that counts where they
// do not fit into L2.
double floor_us(const limits& l, const message& m, const std::vector<int>& devices);

}  // namespace bench
