/// \file
/// The collectives, as fault reports name them.
#pragma once

#include <peerfold/core/config.hpp>

namespace peerfold {

enum class collective : uint32_t { none, all_reduce };

PEERFOLD_HD constexpr const char* to_string(collective which) noexcept {
  switch (which) {
    case collective::all_reduce: return "all_reduce";
    case collective::none: break;
  }
  return "none";
}

}  // namespace peerfold
