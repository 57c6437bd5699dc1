/// \file
/// Send and receive: `count` elements from one rank to another, of several pairs at once.
///
/// Both ranks of a pair call, with the same count. A send is through when its receiver has come:
/// the two meet, as in a barrier of two. So two ranks that send to each other use send_recv(), not
/// a send() each before a recv(). Others need not call, and notice nothing.
///
/// Who calls, ordering, alignment, streams, graphs and what is refused: as all_reduce.hpp says, but
/// that the calls which a pair of ranks makes on a channel are the same in number and order for
/// both.
#pragma once

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/transport/peers.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace peerfold {

namespace detail {

/// Where each rank sends to and receives from; -1: nobody.
template <int N>
struct transfers {
  static constexpr const char* in_place_form = "let them coincide (in place, the same rank)";

  std::size_t count;
  int ranks;
  std::array<int, N> to;
  std::array<int, N> from;

  [[nodiscard]] std::size_t given(int r) const noexcept {
    return to[static_cast<std::size_t>(r)] < 0 ? 0 : count;
  }
  [[nodiscard]] std::size_t got(int r) const noexcept {
    return from[static_cast<std::size_t>(r)] < 0 ? 0 : count;
  }
  template <class T>
  [[nodiscard]] bool in_place(int /*r*/, const T* in, const T* out) const noexcept {
    return in == out;
  }
};

/// A rank that one of another team's calls names.
template <class Team>
[[nodiscard]] error check_partner(const Team& team, const char* name, int rank) {
  if (team.ranks() == nullptr) {
    return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
  }
  if (rank >= 0 && rank < team.rank_count()) return {};
  return bad_argument({name, ": ", rank, "; this team has ranks 0 to ", team.rank_count() - 1});
}

/// The transfers in which rank r sends to to[r], where that is not -1.
template <class Team>
[[nodiscard]] error check_destinations(const Team& team, const std::array<int, Team::size>& to,
                                       std::array<int, Team::size>& from) {
  from.fill(-1);
  for (int r = 0; r < team.rank_count(); ++r) {
    const int receiver = to[static_cast<std::size_t>(r)];
    if (receiver == -1) continue;
    const std::string name = text_of({"to[", r, "]"});
    if (error reason = check_partner(team, name.c_str(), receiver)) return reason;
    int& sender = from[static_cast<std::size_t>(receiver)];
    if (sender >= 0) {
      return bad_argument(
          {name, ": rank ", receiver, " receives from rank ", sender, " already; use two calls"});
    }
    sender = r;
  }
  return {};
}

/// Runs the transfers of ranks [first, first + M).
template <class Policies, element T, class Team, std::size_t M>
outcome<> run_transfers(Team& team, int first, const transfers<Team::size>& pairs,
                        const std::array<const T*, M>& in, const std::array<T*, M>& out,
                        const call_options& options) {
  constexpr int n = Team::size;
  if (error reason = check_memory<T, static_cast<int>(M)>(pairs, first, in, out)) {
    return refuse(std::move(reason));
  }
  const auto loads = loads_of(at_ranks<n>(first, in));
  const auto stores = stores_of(at_ranks<n>(first, out));
  const policy selected =
      select_exchange(collective::send_recv, team.rank_count(), pairs.count * sizeof(T), false);
  return with_policy<collective::send_recv, Policies>(options, selected, [&]<policy P>() {
    using peers_type = transport::some_peers_of<n>;
    using body = copy_body<T, P, collective::send_recv, algorithm::pair_route, peers_type,
                           load_from<T>, store_to<T>>;
    return launch_bodies(
        team, first, end_of<M>(team, first), pairs.count, 1,
        signature_of<P, T>(collective::send_recv), options,
        [&](std::size_t r, const transport::tiling& tiles) {
          const algorithm::pair_route route{static_cast<int>(r), pairs.to[r], pairs.from[r]};
          peers_type peers;
          if (route.to >= 0 && route.to != route.rank) peers.give_to(route.to);
          if (route.from >= 0 && route.from != route.rank) peers.get_from(route.from);
          return body{tiles, route, loads[r].data != stores[r].data, peers, loads[r], stores[r]};
        });
  });
}

/// One rank's transfers: to `to` and from `from`; -1: none.
template <class Policies, element T, class Team>
outcome<> run_own_transfers(const rank_handle<Team>& rank, int to, const T* in, int from, T* out,
                            element_count count, const call_options& options) {
  if (error reason = check_call(rank.team(), count, sizeof(T), options)) {
    return refuse(std::move(reason));
  }
  transfers<Team::size> pairs{count.value(), rank.team().rank_count(), {}, {}};
  pairs.to.fill(-1);
  pairs.from.fill(-1);
  pairs.to[static_cast<std::size_t>(rank.rank())] = to;
  pairs.from[static_cast<std::size_t>(rank.rank())] = from;
  return run_transfers<Policies, T, Team, 1>(rank.team(), rank.rank(), pairs, {in}, {out}, options);
}

/// A rank that sends to itself or receives from itself does both.
[[nodiscard]] inline error check_own(const char* name, int partner, int rank) {
  if (partner != rank) return {};
  return bad_argument({name, ": ", partner, " is the calling rank; use send_recv(), which also ",
                       (name[0] == 't' ? "receives" : "sends")});
}

}  // namespace detail

/// All ranks of the team at once: rank r sends `count` elements at in[r] to rank to[r], which gets
/// them at out[to[r]]; to[r] is r for a copy, -1 where r sends nothing. No two ranks send to the
/// same. Memory that has no part in it may be null; in place (out[r] == in[r]) is fine.
template <class Policies = exchange_policies, class Team, element T>
outcome<> send_recv(Team& team, const std::array<int, Team::size>& to,
                    const std::array<const T*, Team::size>& in,
                    const std::array<T*, Team::size>& out, element_count count,
                    const call_options& options = {}) {
  if (error reason = detail::check_call(team, count, sizeof(T), options)) {
    return detail::refuse(std::move(reason));
  }
  detail::transfers<Team::size> pairs{count.value(), team.rank_count(), to, {}};
  if (error reason = detail::check_destinations(team, to, pairs.from)) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_transfers<Policies, T>(team, 0, pairs, in, out, options);
}

/// One rank's part: sends `count` elements at `in` to rank `to` while it gets as many from rank
/// `from` at `out`. Both may be the rank itself, or neither; in place (out == in) is fine.
template <class Policies = exchange_policies, class Team, element T>
outcome<> send_recv(const rank_handle<Team>& rank, int to, const T* in, int from, T* out,
                    element_count count, const call_options& options = {}) {
  if (error reason = detail::check_partner(rank.team(), "to", to))
    return detail::refuse(std::move(reason));
  if (error reason = detail::check_partner(rank.team(), "from", from)) {
    return detail::refuse(std::move(reason));
  }
  if ((to == rank.rank()) != (from == rank.rank())) {
    return detail::refuse(
        detail::check_own(to == rank.rank() ? "to" : "from", rank.rank(), rank.rank()));
  }
  return detail::run_own_transfers<Policies>(rank, to, in, from, out, count, options);
}

/// One rank's part: sends `count` elements at `in` to rank `to`, another one, which receives them.
template <class Policies = exchange_policies, class Team, element T>
outcome<> send(const rank_handle<Team>& rank, int to, const T* in, element_count count,
               const call_options& options = {}) {
  if (error reason = detail::check_partner(rank.team(), "to", to))
    return detail::refuse(std::move(reason));
  if (error reason = detail::check_own("to", to, rank.rank())) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_own_transfers<Policies, T>(rank, to, in, -1, nullptr, count, options);
}

/// One rank's part: gets `count` elements at `out` from rank `from`, another one, which sends them.
template <class Policies = exchange_policies, class Team, element T>
outcome<> recv(const rank_handle<Team>& rank, int from, T* out, element_count count,
               const call_options& options = {}) {
  if (error reason = detail::check_partner(rank.team(), "from", from)) {
    return detail::refuse(std::move(reason));
  }
  if (error reason = detail::check_own("from", from, rank.rank())) {
    return detail::refuse(std::move(reason));
  }
  return detail::run_own_transfers<Policies, T>(rank, -1, nullptr, from, out, count, options);
}

}  // namespace peerfold
