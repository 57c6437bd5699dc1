/// \file
/// What automatic stands for on machines whose times were measured.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/tuning.hpp>

#include <cstddef>

namespace peerfold::detail {

/// The policy for automatic: as measured on this machine where that is known, or else `selected`.
template <collective Which, class Policies, bool Sentinels, class Team>
[[nodiscard]] policy as_measured(const Team& team, std::size_t part_bytes, bool symmetric,
                                 policy selected) {
  if (team.measured() == nullptr) return selected;
  return team.measured()->choose(
      Which, team.rank_count(), symmetric, Sentinels, Policies::list.data(),
      Policies::list.data() + Policies::list.size(), part_bytes, selected);
}

}  // namespace peerfold::detail
