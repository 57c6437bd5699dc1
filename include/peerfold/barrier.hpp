/// \file
/// Barrier: no rank is through before every rank has come.
///
/// On GPUs a rank comes when its stream does, and later work of its stream waits for the others.
/// Who calls, ordering, alignment, streams, graphs and what is refused: as all_reduce.hpp says.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/transport/tile.hpp>

#include <array>
#include <cstdint>
#include <utility>

namespace peerfold {

namespace detail {

template <class Policies, class Team>
outcome<> run_barrier(Team& team, int first, int last, const call_options& options) {
  constexpr auto barrier = collective::barrier;
  using T = std::uint32_t;
  if (error reason = check_collective<barrier>(team, 0, sizeof(T), 0, options)) {
    return refuse(std::move(reason));
  }
  // Empty messages of every rank to every other.
  const std::array<load_from<T>, Team::size> loads{};
  const std::array<store_to<T>, Team::size> stores{};
  const std::array<bool, Team::size> keeps{};
  return run_copy<barrier, Policies, T>(team, first, last, 0, 0, loads, stores, keeps, options);
}

}  // namespace detail

/// All ranks of the team at once: their streams wait for each other. (On threads it does nothing
/// that the call itself does not.)
template <class Policies = policies<one_shot_packet>, int N, class Place, class Tag>
outcome<> barrier(team<N, Place, Tag>& team, const call_options& options = {}) {
  return detail::run_barrier<Policies>(team, 0, team.rank_count(), options);
}

/// One rank's part.
template <class Policies = policies<one_shot_packet>, class Team>
outcome<> barrier(const rank_handle<Team>& rank, const call_options& options = {}) {
  return detail::run_barrier<Policies>(rank.team(), rank.rank(), rank.rank() + 1, options);
}

}  // namespace peerfold
