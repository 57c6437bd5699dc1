/// \file
/// All-to-all of parts whose sizes only their senders know: its arguments, what is checked of them,
/// and how the call is made.
#pragma once

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/exchange_counts.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/sync/fault.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_body.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/transport/tile.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peerfold {

/// What one rank gives and gets in an all-to-all where nobody else knows how much, in memory that
/// the rank reaches. Counts are read and written in stream order, as elements are. What is written,
/// out and gets, overlaps nothing else.
template <element T>
struct counted_parts {
  const T* in;                 ///< a part for each rank, one behind the other
  const std::uint64_t* sends;  ///< N: the size of each
  T* out;                      ///< a part from each rank, one behind the other
  std::size_t capacity;        ///< elements that `out` has room for
  std::uint64_t* gets;         ///< N: the size of each, written
};

namespace detail {

/// An all-to-all of parts whose sizes a rank knows only of what it sends, as one block of one rank
/// runs it.
template <element T, policy P>
struct counted_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;

  template <class Context>
  using transport_type = transport_of<P, T, Context>;

  transport::tiling tiles;  ///< of as many elements as are expected
  counted_parts<T> parts;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    // Loading a kernel launches it once with arguments that are all zeros (see kernel_entry).
    if (c.channel().wait_budget_ns == 0) return true;
    auto& heard = c.template body_scratch<algorithm::heard_counts<Context::size>>();
    if (!algorithm::exchange_counts(c, parts.sends, parts.capacity, heard)) return false;
    const int lane = c.group().lane();
    for (int q = lane; c.block() == 0 && q < Context::size; q += c.group().width()) {
      parts.gets[q] = heard.route.got[q];
    }
    // More tiles than numbers: then no rank goes on, as all have heard it.
    constexpr uint64_t most_tiles = uint64_t{1} << 31;
    if (heard.overflows || heard.most / tiles.share() >= most_tiles) {
      if (c.group().elect()) c.fail(fault_kind::overflow, c.rank());
      return false;
    }
    transport_type<Context> t{c};
    // No larger tiles than the plan's: slots hold those.
    const transport::tiling actual{heard.most, tiles.share(), 1};
    const bool done = algorithm::exchange(c, t, actual, heard.route, true, load_from<T>{parts.in},
                                          store_to<T>{parts.out});
    t.close();
    return done;
  }
};

/// The memory of the ranks that call, of a team of n: there, aligned, and what is written apart
/// from all else. (How much of `in` is read is not known here.)
template <element T, std::size_t M>
[[nodiscard]] error check_counted(const std::array<counted_parts<T>, M>& parts, std::size_t n) {
  struct range {
    const void* begin;
    std::size_t bytes;
    std::size_t alignment;
    bool written;
    std::string name;
  };
  std::vector<range> all;
  for (std::size_t i = 0; i < M; ++i) {
    const counted_parts<T>& p = parts[i];
    const auto name = [i](const char* member) {
      return M == 1 ? text_of({"parts.", member}) : text_of({"parts[", i, "].", member});
    };
    if (p.capacity > SIZE_MAX / 2 / sizeof(T)) {
      return bad_argument({name("capacity"), ": ", p.capacity, " elements of ", sizeof(T),
                           " bytes overflow the address space"});
    }
    constexpr std::size_t word = sizeof(std::uint64_t);
    all.push_back({p.in, sizeof(T), alignof(T), false, name("in")});
    all.push_back({p.sends, n * word, word, false, name("sends")});
    all.push_back({p.gets, n * word, word, true, name("gets")});
    if (p.capacity != 0) {
      all.push_back({p.out, p.capacity * sizeof(T), alignof(T), true, name("out")});
    }
  }
  for (const range& r : all) {
    if (r.begin == nullptr) {
      return bad_argument({r.name, ": null; pass memory that the rank reaches"});
    }
    if (reinterpret_cast<std::uintptr_t>(r.begin) % r.alignment != 0) {
      return bad_argument({r.name, ": ", address_of(r.begin),
                           " is not aligned; it needs a multiple of ", r.alignment});
    }
    for (const range& other : all) {
      if (&r == &other || !r.written || !overlap(r.begin, r.bytes, other.begin, other.bytes)) {
        continue;
      }
      return bad_argument({r.name, ": ", address_of(r.begin), " overlaps ", other.name, " at ",
                           address_of(other.begin), "; keep them apart"});
    }
  }
  return {};
}

/// Runs it for ranks [first, first + M).
template <class Policies, element T, class Team, std::size_t M>
outcome<> run_counted(Team& team, int first, const std::array<counted_parts<T>, M>& parts,
                      element_count expected, const call_options& options) {
  constexpr collective which = collective::all_to_all;
  constexpr int n = Team::size;
  static_assert(counts_ranks_early<n>, "parts of unequal size need a rank count known early");
  if (error reason = check_collective<which>(team, expected, sizeof(T), 0, options)) {
    return refuse(std::move(reason));
  }
  if (error reason = check_counted<T>(parts, static_cast<std::size_t>(n))) {
    return refuse(std::move(reason));
  }
  const policy selected = select_exchange(which, n, expected.value() * sizeof(T), false);
  return with_policy<which, Policies>(options, selected, [&]<policy P>() {
    static_assert(P.algorithm == algorithm_id::one_shot,
                  "where counts are exchanged, what follows goes through slots");
    call_signature call = signature_of<P, T>(which);
    call.parts_table = parts_table_of(parts_kind::exchanged, 0);
    return launch_bodies(team, first, end_of<M>(team, first), expected.value(), 1, call, options,
                         [&](std::size_t r, const transport::tiling& tiles) {
                           const auto i = r - static_cast<std::size_t>(first);
                           return counted_body<T, P>{tiles, i < M ? parts[i] : parts[0]};
                         });
  });
}

}  // namespace detail
}  // namespace peerfold
