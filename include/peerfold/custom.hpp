/// \file
/// Collectives of the caller's own: code that moves tiles between the ranks by the library's
/// transports and algorithms, one kernel a device on GPUs, and the same code on threads. Several
/// steps with computation between them are one launch (examples/04_one_kernel).
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/device.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace peerfold {

/// The context of a rank's block in a team.
template <class Team>
using context_of = typename Team::place_type::template context<Team::size>;

/// What one rank runs: body(c) in all lanes of every block of the rank, where c is the context. It
/// makes a transport, calls an algorithm over it, closes it, and returns whether they ended well:
///
///   struct body {
///     template <class Context>
///     using transport_type = peerfold::transport::packet<float, Context>;
///     peerfold::transport::tiling tiles;
///     …
///     template <class Context>
///     PEERFOLD_HD bool operator()(Context& c) const {
///       transport_type<Context> t{c};
///       const bool done = peerfold::algorithm::exchange(c, t, tiles, …);
///       t.close();
///       return done;
///     }
///   };
///
/// Before it makes another transport, or reads what the ranks have stored, its lanes must agree to
/// go on, as they may differ in what they know: `if (c.group().any(!done)) return false;`, which is
/// also the barrier between the two: peers' stores are seen by one lane first, by the others behind
/// it. All ranks make the same transports, with peers that agree, and exchange as many messages.
/// What a body returns is for itself: faults are reported by contexts.
///
/// transport_type is what tiles are cut and kernels are compiled for: of the transports that it
/// uses the one with the smallest messages and the fewest lanes (transport_traits::most_lanes);
/// shares must be whole packs of each. A body that moves tiles by bulk_mover says `static constexpr
/// std::size_t shared_bytes = peerfold::transport::bulk_stages_bytes;`. Bodies are copied to where
/// they run: trivially copyable.
template <class Body, class Team>
concept custom_body =
    stl::is_trivially_copyable_v<Body> && requires(const Body& body, context_of<Team>& c) {
      typename Body::template transport_type<context_of<Team>>;
      { body(c) } -> stl::same_as<bool>;
    };

namespace detail {

template <class Body>
struct custom_call_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = [] {
    if constexpr (requires { Body::shared_bytes; }) return std::size_t{Body::shared_bytes};
    return std::size_t{0};
  }();
  template <class Context>
  using transport_type = typename Body::template transport_type<Context>;

  Body body;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    // Loading a kernel launches it once with arguments that are all zeros (see kernel_entry); no
    // team has this budget.
    if (c.channel().wait_budget_ns == 0) return true;
    return body(c);
  }
};

template <class Team, class Make>
outcome<> run_custom_ranks(Team& team, int first, int last, element_count count, int parts,
                           const Make& make, const call_options& options) {
  using body = decltype(make(int{}, transport::tiling{}));
  static_assert(custom_body<body, Team>);
  using element = typename body::template transport_type<context_of<Team>>::element_type;
  if (error reason = check_call(team, count, sizeof(element), options)) {
    return refuse(std::move(reason));
  }
  if (options.policy != automatic) {
    return refuse(bad_argument({"options.policy: ", to_string(options.policy),
                                "; a custom collective is its own policy, leave it unset"}));
  }
  if (parts < 1 || parts > team.rank_count()) {
    return refuse(bad_argument({"parts: ", parts, "; a tile has 1 to ", team.rank_count(),
                                " shares, one a rank at most"}));
  }
  call_signature call;
  call.which = collective::custom;
  call.element = type_number<element>();
  call.operation = type_number<body>();
  if (error reason =
          launch_bodies(team, first, last, count.value(), parts, call, options,
                        [&](std::size_t r, const transport::tiling& tiles) {
                          return custom_call_body<body>{make(static_cast<int>(r), tiles)};
                        })) {
    return refuse(std::move(reason));
  }
  return accept();
}

}  // namespace detail

/// Runs make(r, tiles), a custom_body, for all ranks r of the team at once. `tiles` is `count`
/// elements cut into tiles of `parts` shares: 1, or N where every rank has a share of its own in a
/// two-shot; for collectives of several parts `count` is the elements of one.
///
/// Ordering, streams, graphs and faults are as all_reduce.hpp says. Ranks must agree on count,
/// parts, the body's type, channel and max_blocks.
template <int N, class Place, class Tag, class Make>
outcome<> run_custom(team<N, Place, Tag>& team, element_count count, int parts, const Make& make,
                     const call_options& options = {}) {
  return detail::run_custom_ranks(team, 0, team.rank_count(), count, parts, make, options);
}

/// One rank's part of the same; make is called with its rank, and may be with others.
template <class Team, class Make>
outcome<> run_custom(const rank_handle<Team>& rank, element_count count, int parts,
                     const Make& make, const call_options& options = {}) {
  return detail::run_custom_ranks(rank.team(), rank.rank(), rank.rank() + 1, count, parts, make,
                                  options);
}

}  // namespace peerfold
