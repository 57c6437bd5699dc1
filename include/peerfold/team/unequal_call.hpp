/// \file
/// Collectives whose parts are of unequal size: their tables, what is checked of these, and how the
/// calls are made.
#pragma once

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/exchange_counts.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/fold_range.hpp>
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
    return bad_argument(std::string{name} + '.' + what + ": " + std::to_string(length) +
                        " entries; it needs " + std::to_string(size) + ", one a part");
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
      return bad_argument(std::string{name} + ": part " + std::to_string(i) + ", " +
                          std::to_string(parts[i].count) + " elements of " +
                          std::to_string(element_bytes) + " bytes from element " +
                          std::to_string(parts[i].begin) + " on, overflows the address space");
    }
    next = parts[i].end();
  }
  for (std::size_t i = 0; apart && i < size; ++i) {
    for (std::size_t k = i + 1; k < size; ++k) {
      const bool disjoint = parts[i].count == 0 || parts[k].count == 0 ||
                            parts[i].end() <= parts[k].begin || parts[k].end() <= parts[i].begin;
      if (disjoint) continue;
      return bad_argument(std::string{name} + ".begins: parts " + std::to_string(i) + " and " +
                          std::to_string(k) + " overlap, from element " +
                          std::to_string(std::max(parts[i].begin, parts[k].begin)) +
                          " on; every part needs a place of its own");
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
    return bad_argument(std::string{what} + ": " + std::to_string(length) + " entries; it needs " +
                        std::to_string(size * size) + ", one for every pair of ranks");
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
    const std::string name = "sends, rank " + std::to_string(r);
    if (error reason = read_parts(name.c_str(), row, size, sizeof(T), false, sent[r])) {
      return reason;
    }
  }
  for (std::size_t r = 0; r < size; ++r) {
    std::array<std::size_t, size> counts;
    for (std::size_t q = 0; q < size; ++q) counts[q] = sent[q][r].count;
    const part_table row{counts, places.empty() ? places : places.subspan(r * size, size)};
    const std::string name = "places, rank " + std::to_string(r);
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
    return refuse(bad_argument("out: the same buffer as in; parts of unequal size need two"));
  }
  for (int r = 0; r < N; ++r) {
    const auto too_small = [&](const char* name, std::size_t size, std::size_t needed) {
      return bad_argument(std::string{name} + ": " + std::to_string(size) +
                          " elements; the parts of rank " + std::to_string(r) + " end at element " +
                          std::to_string(needed));
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
      return refuse(bad_argument("parts.begins: parts " + std::to_string(r) + " and " +
                                 std::to_string(q) + " overlap, and rank " + std::to_string(r) +
                                 " works in place; keep the parts apart, or its out"));
    }
  }
  return run_unequal_fold<Policies, T>(
      team, first, end_of<M>(team, first), parts, loads_of(at_ranks<n>(first, in)), op,
      finish_for<Op, T>(team), stores_of(at_ranks<n>(first, out)), options);
}

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
      if (c.group().elect()) c.overflow();
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
      return (M == 1 ? "parts." : "parts[" + std::to_string(i) + "].") + std::string{member};
    };
    if (p.capacity > SIZE_MAX / 2 / sizeof(T)) {
      return bad_argument(name("capacity") + ": " + std::to_string(p.capacity) + " elements of " +
                          std::to_string(sizeof(T)) + " bytes overflow the address space");
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
      return bad_argument(r.name + ": null; pass memory that the rank reaches");
    }
    if (reinterpret_cast<std::uintptr_t>(r.begin) % r.alignment != 0) {
      return bad_argument(r.name + ": " + address_of(r.begin) + " is not aligned; it needs a " +
                          "multiple of " + std::to_string(r.alignment));
    }
    for (const range& other : all) {
      if (&r == &other || !r.written || !overlap(r.begin, r.bytes, other.begin, other.bytes)) {
        continue;
      }
      return bad_argument(r.name + ": " + address_of(r.begin) + " overlaps " + other.name + " at " +
                          address_of(other.begin) + "; keep them apart");
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
