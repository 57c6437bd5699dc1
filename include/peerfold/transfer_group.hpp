/// \file
/// Grouped sends and receives: any number of transfers between any ranks, under way together.
///
///   auto halo = pf::make_transfer_group(rank, {{pf::transfer_to(left, edge, n)},         // once
///                                              {pf::transfer_from(right, ghost, n)}}, bytes);
///   pf::send_recv(rank, halo, options);                              // every step, in graphs too
///
/// All ranks of the team call, also those that have no transfers. Where ranks made their groups
/// themselves, they tell each other in the call what they send and receive, which takes 2 us: where
/// that does not match the call ends in a fault on every rank, before the two ranks write anything,
/// and one of them at least reports it and names the other.
///
/// Who calls, ordering, streams, graphs and what is refused: as all_reduce.hpp says.
#pragma once

#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/exchange_words.hpp>
#include <peerfold/algorithm/segments.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/sync/fault.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_body.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/team/transfer_group.hpp>
#include <peerfold/transport/tile.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace peerfold {

namespace detail {

/// A group of transfers as one block of one rank runs it.
template <policy P, int N>
struct transfers_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;

  template <class Context>
  using transport_type = transport_of<P, std::uint8_t, Context>;

  /// What all ranks say, in memory that the group shares.
  struct heard {
    uint64_t of[N][transfer_table<N>::words];
    uint64_t most;  ///< bytes of the largest part
    int unmatched;  ///< the rank whose transfers do not match this one's; -1: none

    PEERFOLD_HD void judge(int rank) noexcept {
      most = 0;
      unmatched = -1;
      PEERFOLD_NO_UNROLL
      for (int q = 0; q < N; ++q) {
        most = most < of[q][2 * N] ? of[q][2 * N] : most;
        if (of[rank][q] != of[q][N + rank] || of[rank][N + q] != of[q][rank]) unmatched = q;
      }
    }
  };

  transport::tiling tiles;  ///< of as many bytes as are expected
  const transfer_table<N>* table;
  bool matched;  ///< whether all is known to match, and that no more comes than is expected

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    // Loading a kernel launches it once with arguments that are all zeros (see kernel_entry).
    if (c.channel().wait_budget_ns == 0) return true;
    transport::tiling actual = tiles;
    if (!matched) {
      auto& said = c.template body_scratch<heard>();
      if (!algorithm::exchange_words(c, table->said, said.of)) return false;
      if (c.group().elect()) said.judge(c.rank());
      c.group().sync();
      if (said.unmatched >= 0) {
        if (c.group().elect()) c.fail(fault_kind::unmatched, said.unmatched);
        return false;
      }
      // No larger tiles than the plan's: slots hold those.
      actual = transport::tiling{said.most, tiles.share(), 1};
    }
    transport_type<Context> t{c};
    const bool done = algorithm::exchange(
        c, t, actual, table->route, true, algorithm::load_segments<std::uint8_t>{{}, table->sends},
        algorithm::store_segments<std::uint8_t>{{}, table->receives});
    t.close();
    return done;
  }
};

/// Runs a group's transfers of ranks [first, last).
template <class Policies, class Team>
outcome<> run_transfers_of_group(Team& team, int first, int last, const transfer_group<Team>& group,
                                 const call_options& options) {
  constexpr collective which = collective::send_recv;
  if (error reason = check_call(team, group.expected(), 1, options)) {
    return refuse(std::move(reason));
  }
  if (error reason = check_group(team, first, last, group, "transfers")) {
    return refuse(std::move(reason));
  }
  const policy selected = select_exchange(which, Team::size, group.expected(), false);
  return with_policy<which, Policies>(options, selected, [&]<policy P>() {
    using body = transfers_body<P, Team::size>;
    call_signature call = signature_of<P, std::uint8_t>(which);
    call.parts_table = parts_table_of(parts_kind::transfers, group.number());
    return launch_bodies(team, first, last, group.expected(), 1, call, options,
                         [&](std::size_t r, const transport::tiling& tiles) {
                           return body{tiles, group.table(static_cast<int>(r)), group.matched()};
                         });
  });
}

}  // namespace detail

/// All ranks of the team at once: every transfer of the group is copied to where it is received.
template <class Policies = exchange_policies, class Team>
outcome<> send_recv(Team& team, const transfer_group<Team>& group,
                    const call_options& options = {}) {
  return detail::run_transfers_of_group<Policies>(team, 0, std::max(1, team.rank_count()), group,
                                                  options);
}

/// One rank's part of the same.
template <class Policies = exchange_policies, class Team>
outcome<> send_recv(const rank_handle<Team>& rank, const transfer_group<Team>& group,
                    const call_options& options = {}) {
  return detail::run_transfers_of_group<Policies>(rank.team(), rank.rank(), rank.rank() + 1, group,
                                                  options);
}

}  // namespace peerfold
