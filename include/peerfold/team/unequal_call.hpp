/// \file
/// Collectives whose parts are of unequal size: their tables, what is checked of these, and how the
/// calls are made.
#pragma once

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/team/arguments.hpp>
#include <peerfold/team/collective_call.hpp>
#include <peerfold/team/team.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace peerfold {

/// How memory is divided into parts: part i has counts[i] elements, any number, and begins at
/// element begins[i]; where `begins` is empty, behind part i - 1. Read during the call only.
struct part_table {
  std::span<const std::size_t> counts;
  std::span<const std::size_t> begins{};
};

namespace detail {

/// A part of someone's memory, in elements.
struct part {
  std::size_t count = 0;
  std::size_t begin = 0;

  [[nodiscard]] std::size_t end() const noexcept { return begin + count; }
};

/// Checks a table, `name`, of `size` entries, and puts its parts into `parts`. If `apart`, parts
/// may not overlap: they are written.
[[nodiscard]] inline error read_parts(const char* name, const part_table& table, std::size_t size,
                                      std::size_t element_bytes, bool apart, part* parts) {
  const auto wrong_length = [&](const char* what, std::size_t length) {
    return bad_argument(
        {name, ".", what, ": ", length, " entries; it needs ", size, ", one a part"});
  };
  if (table.counts.size() != size) return wrong_length("counts", table.counts.size());
  if (!table.begins.empty() && table.begins.size() != size) {
    return wrong_length("begins", table.begins.size());
  }
  const std::size_t most = SIZE_MAX / 2 / element_bytes;
  std::size_t next = 0;
  for (std::size_t i = 0; i < size; ++i) {
    parts[i] = {table.counts[i], table.begins.empty() ? next : table.begins[i]};
    if (parts[i].count > most || parts[i].begin > most - parts[i].count) {
      return bad_argument({name, ": part ", i, ", ", parts[i].count, " elements of ", element_bytes,
                           " bytes from element ", parts[i].begin,
                           " on, overflows the address space"});
    }
    next = parts[i].end();
  }
  for (std::size_t i = 0; apart && i < size; ++i) {
    for (std::size_t k = i + 1; k < size; ++k) {
      const bool disjoint = parts[i].count == 0 || parts[k].count == 0 ||
                            parts[i].end() <= parts[k].begin || parts[k].end() <= parts[i].begin;
      if (disjoint) continue;
      return bad_argument({name, ".begins: parts ", i, " and ", k, " overlap, from element ",
                           std::max(parts[i].begin, parts[k].begin),
                           " on; every part needs a place of its own"});
    }
  }
  return {};
}

/// What every pair of ranks has for each other by a collective: where it lies in the memory of the
/// one and where it goes in the other's.
template <collective Which, int N>
struct unequal_parts {
  static_assert(counts_ranks_early<N>, "parts of unequal size need a rank count known early");

  part sends[N][N];  ///< [from][to]
  part gets[N][N];   ///< [to][from]

  /// Both ends of what rank `from` sends rank `to`.
  void set(int from, int to, const part& source, std::size_t target) noexcept {
    sends[from][to] = source;
    gets[to][from] = {source.count, target};
  }

  /// The size of the largest part.
  [[nodiscard]] std::size_t most() const noexcept {
    std::size_t most = 0;
    for (const auto& of_rank : sends) {
      for (const part& p : of_rank) most = std::max(most, p.count);
    }
    return most;
  }
  [[nodiscard]] algorithm::unequal_route<N> route(int rank) const noexcept {
    algorithm::unequal_route<N> result;
    result.rank = rank;
    for (int q = 0; q < N; ++q) {
      result.sent[q] = sends[rank][q].count;
      result.sent_at[q] = sends[rank][q].begin;
      result.put_at[q] = gets[q][rank].begin;
      result.got[q] = gets[rank][q].count;
      result.got_at[q] = gets[rank][q].begin;
    }
    return result;
  }
  /// A number for all of it, on which ranks must agree.
  [[nodiscard]] std::uint32_t number() const noexcept {
    std::uint64_t hash = 0;
    for (int r = 0; r < N; ++r) {
      for (int q = 0; q < N; ++q) {
        const std::array<std::size_t, 3> values{sends[r][q].count, sends[r][q].begin,
                                                gets[q][r].begin};
        for (const std::size_t value : values) {
          hash = spread(hash + value + 1);
        }
      }
    }
    return parts_table_of(parts_kind::unequal, hash);
  }

  // As check_memory() asks.

  /// Elements of rank r's memory up to the end of the last part in it.
  [[nodiscard]] std::size_t given(int r) const noexcept { return end_of_parts(sends[r]); }
  [[nodiscard]] std::size_t got(int r) const noexcept {
    return Which == collective::reduce_scatter ? gets[r][r].count : end_of_parts(gets[r]);
  }
  /// Whether what rank r gives itself is where it gets it.
  template <class T>
  [[nodiscard]] bool in_place(int r, const T* in, const T* out) const noexcept {
    return Which != collective::all_to_all &&
           arch::element_at(in, sends[r][r].begin) == arch::element_at(out, gets[r][r].begin);
  }
  static constexpr int ranks = N;
  static constexpr const char* in_place_form =
      Which == collective::all_to_all ? "this collective has no in-place form,"
      : Which == collective::all_gather || Which == collective::gather
          ? "let in be where out has the own part (in place)"
          : "let out be where in has the own part (in place)";

 private:
  [[nodiscard]] static std::size_t end_of_parts(const part (&parts)[N]) noexcept {
    std::size_t end = 0;
    for (const part& p : parts) end = std::max(end, p.count == 0 ? 0 : p.end());
    return end;
  }
};

/// The parts of a collective with one table for all ranks: that of what is gathered or scattered.
template <collective Which, int N>
[[nodiscard]] unequal_parts<Which, N> parts_by_rank(const part (&table)[N], int root) noexcept {
  constexpr bool gathers = Which == collective::all_gather || Which == collective::gather;
  unequal_parts<Which, N> parts;
  for (int from = 0; from < N; ++from) {
    for (int to = 0; to < N; ++to) {
      if ((Which == collective::gather && to != root) ||
          (Which == collective::scatter && from != root)) {
        continue;
      }
      if (gathers) {
        parts.set(from, to, {table[from].count, 0}, table[from].begin);
      } else {
        parts.set(from, to, table[to], 0);
      }
    }
  }
  return parts;
}

/// What a call checks of the team, the options and one table of all ranks, which it reads.
template <collective Which, element T, class Team>
[[nodiscard]] error read_table(const Team& team, const part_table& table, int root,
                               const call_options& options,
                               unequal_parts<Which, Team::size>& parts) {
  if (error reason = check_collective<Which>(team, 0, sizeof(T), root, options)) return reason;
  part read[Team::size];
  constexpr bool gathers = Which == collective::all_gather || Which == collective::gather;
  if (error reason =
          read_parts("parts", table, std::size_t{Team::size}, sizeof(T), gathers, read)) {
    return reason;
  }
  parts = parts_by_rank<Which, Team::size>(read, root);
  return {};
}

/// The same of all_to_all_v: N tables of N entries, of what each rank sends, in turn, and where it
/// puts what it gets.
template <element T, class Team>
[[nodiscard]] error read_tables(const Team& team, const part_table& sends,
                                std::span<const std::size_t> places, const call_options& options,
                                unequal_parts<collective::all_to_all, Team::size>& parts) {
  constexpr int n = Team::size;
  constexpr auto size = std::size_t{n};
  if (error reason = check_collective<collective::all_to_all>(team, 0, sizeof(T), 0, options)) {
    return reason;
  }
  const auto wrong_length = [](const char* what, std::size_t length) {
    return bad_argument(
        {what, ": ", length, " entries; it needs ", size * size, ", one for every pair of ranks"});
  };
  if (sends.counts.size() != size * size) {
    return wrong_length("sends.counts", sends.counts.size());
  }
  if (!sends.begins.empty() && sends.begins.size() != size * size) {
    return wrong_length("sends.begins", sends.begins.size());
  }
  if (!places.empty() && places.size() != size * size) {
    return wrong_length("places", places.size());
  }
  part sent[size][size];
  for (std::size_t r = 0; r < size; ++r) {
    const part_table row{
        sends.counts.subspan(r * size, size),
        sends.begins.empty() ? sends.begins : sends.begins.subspan(r * size, size)};
    const std::string name = text_of({"sends, rank ", r});
    if (error reason = read_parts(name.c_str(), row, size, sizeof(T), false, sent[r])) {
      return reason;
    }
  }
  for (std::size_t r = 0; r < size; ++r) {
    std::array<std::size_t, size> counts;
    for (std::size_t q = 0; q < size; ++q) counts[q] = sent[q][r].count;
    const part_table row{counts, places.empty() ? places : places.subspan(r * size, size)};
    const std::string name = text_of({"places, rank ", r});
    part got[size];
    if (error reason = read_parts(name.c_str(), row, size, sizeof(T), true, got)) return reason;
    for (std::size_t q = 0; q < size; ++q) {
      parts.set(static_cast<int>(q), static_cast<int>(r), sent[q][r], got[q].begin);
    }
  }
  return {};
}

/// Runs a copying collective of ranks [first, last).
template <collective Which, class Policies, element T, class Team, class Load, class Store>
outcome<> run_unequal_copy(Team& team, int first, int last,
                           const unequal_parts<Which, Team::size>& parts, int root,
                           const std::array<Load, Team::size>& loads,
                           const std::array<Store, Team::size>& stores,
                           const std::array<bool, Team::size>& keeps, const call_options& options) {
  constexpr int n = Team::size;
  const policy selected =
      select_exchange(Which, n, parts.most() * sizeof(T), algorithm::reaches_peers<Store>);
  return with_policy<Which, Policies>(options, selected, [&]<policy P>() {
    static_assert(!runs_along_tree(P) && P.algorithm != algorithm_id::two_shot,
                  "parts of unequal size take one step");
    using body =
        copy_body<T, P, Which, algorithm::unequal_route<n>, transport::every_peer, Load, Store>;
    call_signature call = signature_of<P, T>(Which, root);
    call.parts_table = parts.number();
    return launch_bodies(
        team, first, last, parts.most(), 1, call, tuned<Which, P>(options),
        [&](std::size_t r, const transport::tiling& tiles) {
          return body{tiles, parts.route(static_cast<int>(r)), keeps[r], {}, loads[r], stores[r]};
        });
  });
}

/// The same in memory that ranks [first, first + M) reach.
template <collective Which, class Policies, element T, class Team, std::size_t M>
outcome<> copy_unequal_in_memory(Team& team, int first, const std::array<const T*, M>& in,
                                 const std::array<T*, M>& out,
                                 const unequal_parts<Which, Team::size>& parts, int root,
                                 const call_options& options) {
  constexpr int n = Team::size;
  if (error reason = check_memory<T, static_cast<int>(M)>(parts, first, in, out)) {
    return refuse(std::move(reason));
  }
  std::array<bool, n> keeps{};
  for (int r = first; r < end_of<M>(team, first); ++r) {
    const auto i = static_cast<std::size_t>(r - first);
    keeps[static_cast<std::size_t>(r)] = !parts.in_place(r, in[i], out[i]);
  }
  return run_unequal_copy<Which, Policies, T>(team, first, end_of<M>(team, first), parts, root,
                                              loads_of(at_ranks<n>(first, in)),
                                              stores_of(at_ranks<n>(first, out)), keeps, options);
}

/// The same of ranks [first, last) in symmetric memory.
template <collective Which, class Policies, class Team, element T, int N, class Tag>
outcome<> copy_unequal_in_symmetric(Team& team, int first, int last,
                                    const symmetric_buffer<T, N, Tag>& in,
                                    const symmetric_buffer<T, N, Tag>& out,
                                    const unequal_parts<Which, N>& parts, int root,
                                    const call_options& options) {
  if (error reason = check_symmetric_pair(team, in, out)) return refuse(std::move(reason));
  if (&in == &out) {
    return refuse(bad_argument({"out: the same buffer as in; parts of unequal size need two"}));
  }
  for (int r = 0; r < N; ++r) {
    const auto too_small = [&](const char* name, std::size_t size, std::size_t needed) {
      return bad_argument(
          {name, ": ", size, " elements; the parts of rank ", r, " end at element ", needed});
    };
    if (parts.given(r) > in.size()) return refuse(too_small("in", in.size(), parts.given(r)));
    if (parts.got(r) > out.size()) return refuse(too_small("out", out.size(), parts.got(r)));
  }
  std::array<bool, N> keeps;
  keeps.fill(true);
  return run_unequal_copy<Which, Policies, T>(team, first, last, parts, root, loads_of(in),
                                              stores_of(out), keeps, options);
}

/// Runs a reduce-scatter of ranks [first, last).
template <class Policies, element T, class Team, class Load, class Op, class Finish, class Store>
outcome<> run_unequal_fold(Team& team, int first, int last,
                           const unequal_parts<collective::reduce_scatter, Team::size>& parts,
                           const std::array<Load, Team::size>& loads, const Op& op,
                           const Finish& finish, const std::array<Store, Team::size>& stores,
                           const call_options& options) {
  constexpr collective which = collective::reduce_scatter;
  constexpr int n = Team::size;
  const policy selected = select_exchange(which, n, parts.most() * sizeof(T), false);
  return with_policy<which, Policies>(options, selected, [&]<policy P>() {
    using body =
        fold_body<T, P, which, algorithm::unequal_route<n>, Load, Op, Finish, Store, every_rank>;
    call_signature call = signature_of_fold<P, T, Op, Finish>(which);
    call.parts_table = parts.number();
    return launch_bodies(
        team, first, last, parts.most(), 1, call, options,
        [&](std::size_t r, const transport::tiling& tiles) {
          return body{
              tiles, parts.route(static_cast<int>(r)), true, loads[r], op, finish, stores[r], {}};
        });
  });
}

/// The same in memory that ranks [first, first + M) reach.
template <class Policies, element T, class Team, std::size_t M, class Op>
outcome<> fold_unequal_in_memory(Team& team, int first, const std::array<const T*, M>& in,
                                 const std::array<T*, M>& out, const part_table& table,
                                 const Op& op, const call_options& options) {
  constexpr collective which = collective::reduce_scatter;
  constexpr int n = Team::size;
  unequal_parts<which, n> parts;
  if (error reason = read_table<which, T>(team, table, 0, options, parts)) {
    return refuse(std::move(reason));
  }
  if (error reason = check_memory<T, static_cast<int>(M)>(parts, first, in, out)) {
    return refuse(std::move(reason));
  }
  for (int r = first; r < end_of<M>(team, first); ++r) {
    const auto i = static_cast<std::size_t>(r - first);
    if (!parts.in_place(r, in[i], out[i]) || parts.sends[r][r].count == 0) continue;
    // What is stored there would be sent to the other as well.
    for (int q = 0; q < n; ++q) {
      const part& own = parts.sends[r][r];
      const part& other = parts.sends[r][q];
      if (q == r || other.count == 0 || own.end() <= other.begin || other.end() <= own.begin) {
        continue;
      }
      return refuse(bad_argument({"parts.begins: parts ", r, " and ", q, " overlap, and rank ", r,
                                  " works in place; keep the parts apart, or its out"}));
    }
  }
  return run_unequal_fold<Policies, T>(
      team, first, end_of<M>(team, first), parts, loads_of(at_ranks<n>(first, in)), op,
      finish_for<Op, T>(team), stores_of(at_ranks<n>(first, out)), options);
}

}  // namespace detail
}  // namespace peerfold
