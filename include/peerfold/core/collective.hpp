/// \file
/// The collectives, as routes are chosen by and fault reports name them.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

enum class collective : uint32_t {
  none,
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  reduce,
  all_to_all,
  gather,
  scatter,
  send_recv,
  inclusive_scan,
  exclusive_scan,
  barrier,
  custom,  ///< the caller's own
};

PEERFOLD_HD constexpr const char* to_string(collective which) noexcept {
  switch (which) {
    case collective::all_reduce: return "all_reduce";
    case collective::reduce_scatter: return "reduce_scatter";
    case collective::all_gather: return "all_gather";
    case collective::broadcast: return "broadcast";
    case collective::reduce: return "reduce";
    case collective::all_to_all: return "all_to_all";
    case collective::gather: return "gather";
    case collective::scatter: return "scatter";
    case collective::send_recv: return "send_recv";
    case collective::inclusive_scan: return "inclusive_scan";
    case collective::exclusive_scan: return "exclusive_scan";
    case collective::barrier: return "barrier";
    case collective::custom: return "custom";
    case collective::none: break;
  }
  return "none";
}

/// Whether one rank, the root, gives what the others get, or gets what they give.
PEERFOLD_HD constexpr bool is_rooted(collective which) noexcept {
  return which == collective::broadcast || which == collective::reduce ||
         which == collective::gather || which == collective::scatter;
}

/// Whether elements are folded, and not only copied.
PEERFOLD_HD constexpr bool is_reduction(collective which) noexcept {
  return which == collective::all_reduce || which == collective::reduce_scatter ||
         which == collective::reduce || which == collective::inclusive_scan ||
         which == collective::exclusive_scan;
}

/// How many parts of `count` elements a rank gives, of N ranks: one for each rank, or one.
PEERFOLD_HD constexpr int parts_given(collective which, int ranks) noexcept {
  return which == collective::reduce_scatter || which == collective::all_to_all ||
                 which == collective::scatter
             ? ranks
             : 1;
}

/// How many it gets.
PEERFOLD_HD constexpr int parts_got(collective which, int ranks) noexcept {
  return which == collective::all_gather || which == collective::all_to_all ||
                 which == collective::gather
             ? ranks
             : 1;
}

}  // namespace peerfold
