/// \file
/// Collectives of parts of unequal size: tables of all kinds (empty parts, one rank that has half,
/// gaps, parts out of order), in place and not, by every policy, called by the team and by each
/// rank; what they leave, byte by byte, and what is refused.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/oracle.hpp>
#include <support/records.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace peerfold::test {
namespace detail {

/// A call with tables, of N entries, or, for all_to_all, of N * N.
struct unequal_step {
  collective which = collective::all_gather;
  peerfold::policy policy;
  int root = 0;
  bool in_place = false;
  std::vector<std::size_t> counts;
  std::vector<std::size_t> begins;  ///< none: one behind the other
  std::vector<std::size_t> places;  ///< of all_to_all: likewise

  [[nodiscard]] std::string to_string() const {
    std::string text = peerfold::to_string(which);
    text += "_v by " + std::string{peerfold::to_string(policy)};
    if (is_rooted(which)) text += ", root " + std::to_string(root);
    if (in_place) text += ", in place";
    text += ", counts";
    for (const std::size_t count : counts) text += ' ' + std::to_string(count);
    return text;
  }
};

/// What a rank's memory holds of a part, and what it gets: the test's own reading of the tables.
class unequal_oracle {
 public:
  unequal_oracle(const unequal_step& step, int ranks)
      : step_{step}, ranks_{static_cast<std::size_t>(ranks)} {}

  /// From which element of its input on rank `from` sends rank `to`, how many, and where they go.
  struct transfer {
    std::size_t count = 0;
    std::size_t source = 0;
    std::size_t target = 0;
  };
  [[nodiscard]] transfer between(std::size_t from, std::size_t to) const {
    const auto root = static_cast<std::size_t>(step_.root);
    switch (step_.which) {
      case collective::all_gather: return {step_.counts[from], 0, begin(from)};
      case collective::gather:
        return to == root ? transfer{step_.counts[from], 0, begin(from)} : transfer{};
      case collective::scatter:
        return from == root ? transfer{step_.counts[to], begin(to), 0} : transfer{};
      case collective::reduce_scatter: return {step_.counts[to], begin(to), 0};
      default: break;
    }
    transfer t{step_.counts[from * ranks_ + to], 0, 0};
    for (std::size_t q = 0; q < to; ++q) t.source += step_.counts[from * ranks_ + q];
    for (std::size_t q = 0; q < from; ++q) t.target += step_.counts[q * ranks_ + to];
    if (!step_.begins.empty()) t.source = step_.begins[from * ranks_ + to];
    if (!step_.places.empty()) t.target = step_.places[to * ranks_ + from];
    return t;
  }
  [[nodiscard]] std::size_t given(std::size_t rank) const {
    std::size_t end = 0;
    for (std::size_t q = 0; q < ranks_; ++q) {
      const transfer t = between(rank, q);
      end = std::max(end, t.source + t.count);
    }
    return end;
  }
  [[nodiscard]] std::size_t got(std::size_t rank) const {
    std::size_t end = 0;
    for (std::size_t q = 0; q < ranks_; ++q) {
      const transfer t = between(q, rank);
      end = std::max(end, t.target + t.count);
    }
    return end;
  }

 private:
  [[nodiscard]] std::size_t begin(std::size_t i) const {
    if (!step_.begins.empty()) return step_.begins[i];
    return std::accumulate(step_.counts.begin(),
                           step_.counts.begin() + static_cast<std::ptrdiff_t>(i), std::size_t{0});
  }

  const unequal_step& step_;
  std::size_t ranks_;
};

/// Parts apart from each other, in any order, with gaps.
inline std::vector<std::size_t> scattered(std::span<const std::size_t> counts,
                                          std::mt19937& random) {
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  std::vector<std::size_t> begins(counts.size());
  std::size_t next = random() % 5;
  for (const std::size_t i : order) {
    begins[i] = next;
    next += counts[i] + random() % 3;
  }
  return begins;
}

/// Steps of all collectives for so many ranks; no part is larger than `most` elements.
inline std::vector<unequal_step> unequal_steps(int ranks, std::size_t most, bool symmetric,
                                               std::mt19937& random) {
  std::vector<unequal_step> steps;
  const auto n = static_cast<std::size_t>(ranks);
  for (const collective which : {collective::all_gather, collective::gather, collective::scatter,
                                 collective::all_to_all, collective::reduce_scatter}) {
    if (symmetric && which == collective::reduce_scatter) continue;
    std::vector<peerfold::policy> policies{automatic, one_shot_packet, one_shot_store};
    if (symmetric) policies.push_back(direct_store);
    for (const auto& policy : policies) {
      for (int kind = 0; kind < 4; ++kind) {
        unequal_step step;
        step.which = which;
        step.policy = policy;
        step.root = static_cast<int>(random() % n);
        const std::size_t size = which == collective::all_to_all ? n * n : n;
        for (std::size_t i = 0; i < size; ++i) {
          switch (kind) {
            case 0: step.counts.push_back(random() % 40); break;
            case 1: step.counts.push_back(random() % 3 == 0 ? random() % most : 0); break;
            case 2: step.counts.push_back(i % n == n / 2 ? most : most / 8 + random() % 7); break;
            default: step.counts.push_back(0);
          }
        }
        if (kind == 1) {
          if (which == collective::all_to_all) {
            for (std::size_t r = 0; r < n; ++r) {
              const auto sent = scattered(std::span{step.counts}.subspan(r * n, n), random);
              step.begins.insert(step.begins.end(), sent.begin(), sent.end());
              std::vector<std::size_t> counts;
              for (std::size_t q = 0; q < n; ++q) counts.push_back(step.counts[q * n + r]);
              const auto got = scattered(counts, random);
              step.places.insert(step.places.end(), got.begin(), got.end());
            }
          } else {
            step.begins = scattered(step.counts, random);
          }
        }
        step.in_place = !symmetric && kind == 2 && which != collective::all_to_all;
        steps.push_back(std::move(step));
      }
    }
  }
  return steps;
}

/// The call of a step, for the team or for one rank.
template <class Op, class Caller, class In, class Out>
void call_unequal(Caller&& who, const unequal_step& s, const In& in, Out&& out,
                  call_options options) {
  options.policy = s.policy;
  const part_table table{s.counts, s.begins};
  switch (s.which) {
    case collective::all_gather: all_gather_v(who, in, out, table, options); break;
    case collective::gather: gather_v(who, in, out, table, s.root, options); break;
    case collective::scatter: scatter_v(who, in, out, table, s.root, options); break;
    case collective::all_to_all: all_to_all_v(who, in, out, table, s.places, options); break;
    default:
      if constexpr (!std::is_class_v<In> || requires { in[0] + 1; }) {
        reduce_scatter_v(who, in, out, table, Op{}, options);
      }
  }
}

template <class Place, class T, class Op, int N, memory_kind Kind>
void run_unequal(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr bool symmetric = Kind == memory_kind::symmetric;
  constexpr std::size_t guard = 64;  // elements
  std::mt19937 random(17 + N);
  for (const setting& chosen : Place::settings(N, false)) {
    const std::string name = std::to_string(N) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, N);
      Place place{team};
      const std::size_t most = chosen.most_bytes / sizeof(T) / (2 * N);
      for (const unequal_step& s : unequal_steps(N, most, symmetric, random)) {
        const unequal_oracle oracle{s, N};
        std::size_t in_size = guard;
        std::size_t out_size = guard;
        for (std::size_t r = 0; r < N; ++r) {
          in_size = std::max(in_size, oracle.given(r) + guard);
          out_size = std::max(out_size, oracle.got(r) + guard);
        }
        // In place: where the own part is in the larger buffer.
        const bool gathers = s.which == collective::all_gather || s.which == collective::gather;
        const auto own = [&](std::size_t r) {
          const auto t = oracle.between(r, r);
          return gathers ? t.target : t.source;
        };
        if (s.in_place) in_size = out_size = std::max(in_size, out_size);

        std::array<std::vector<boxed<T>>, N> in;
        std::array<std::vector<boxed<T>>, N> expected;
        const auto value = [&](std::size_t r, std::size_t i) {
          return input_value<T>(operation_of<Op>(), 5, static_cast<int>(r), i);
        };
        for (std::size_t r = 0; r < N; ++r) {
          for (std::size_t i = 0; i < in_size; ++i) in[r].push_back({value(r, i)});
          for (std::size_t i = 0; i < out_size; ++i) {
            expected[r].push_back({value(s.in_place ? r : r + N, i)});
          }
        }
        const auto initial = expected;
        // Where in the sender's input a part begins.
        const auto source_of = [&](std::size_t from, std::size_t to) {
          const bool in_larger =
              s.in_place && gathers &&
              (s.which != collective::gather || from == static_cast<std::size_t>(s.root));
          return oracle.between(from, to).source + (in_larger ? own(from) : 0);
        };
        for (std::size_t r = 0; r < N; ++r) {
          const bool out_larger =
              s.in_place && !gathers &&
              (s.which != collective::scatter || r == static_cast<std::size_t>(s.root));
          for (std::size_t q = 0; q < N; ++q) {
            const auto t = oracle.between(q, r);
            const std::size_t target = t.target + (out_larger ? own(r) : 0);
            for (std::size_t i = 0; i < t.count; ++i) {
              if (s.which == collective::reduce_scatter) {
                if (q != 0) continue;
                std::vector<boxed<T>> values;
                oracle::request call;
                call.op = operation_of<Op>();
                call.ranks = N;
                call.count = 1;
                expected[r][target + i].value =
                    oracle::result<T>(call, 0, 0, in[0][0].value, [&](int k, std::size_t) {
                      const auto from = static_cast<std::size_t>(k);
                      return in[from][source_of(from, r) + i].value;
                    });
              } else {
                expected[r][target + i] = in[q][source_of(q, r) + i];
              }
            }
          }
        }

        std::optional<symmetric_buffer<T, N>> in_buffer;
        std::optional<symmetric_buffer<T, N>> out_buffer;
        std::array<T*, N> in_memory{};
        std::array<T*, N> out_memory{};
        if constexpr (symmetric) {
          in_buffer.emplace(team, in_size);
          out_buffer.emplace(team, out_size);
        }
        for (int r = 0; r < N; ++r) {
          const auto at = static_cast<std::size_t>(r);
          if constexpr (symmetric) {
            in_memory[at] = in_buffer->data(r);
            out_memory[at] = out_buffer->data(r);
          } else {
            out_memory[at] = reinterpret_cast<T*>(place.allocate(team, r, out_size * sizeof(T)));
            in_memory[at] =
                s.in_place ? out_memory[at]
                           : reinterpret_cast<T*>(place.allocate(team, r, in_size * sizeof(T)));
          }
          place.upload(r, reinterpret_cast<std::byte*>(out_memory[at]), bytes_of(initial[at]));
          place.upload(r, reinterpret_cast<std::byte*>(in_memory[at]), bytes_of(in[at]));
        }
        std::array<const T*, N> from{};
        std::array<T*, N> to{};
        for (std::size_t r = 0; r < N; ++r) {
          const bool is_root = static_cast<int>(r) == s.root;
          const bool shifts_in =
              s.in_place && gathers && (s.which != collective::gather || is_root);
          const bool shifts_out =
              s.in_place && !gathers && (s.which != collective::scatter || is_root);
          from[r] = in_memory[r] + (shifts_in ? own(r) : 0);
          to[r] = out_memory[r] + (shifts_out ? own(r) : 0);
          // Beside the root the other buffer of a rooted call is not used.
          if (s.which == collective::gather && !is_root) to[r] = nullptr;
          if (s.which == collective::scatter && !is_root) from[r] = nullptr;
        }
        place.wait();

        const call_options options;
        if (chosen.who == caller::team) {
          if constexpr (symmetric) {
            call_unequal<Op>(team, s, *in_buffer, *out_buffer, options);
          } else {
            call_unequal<Op>(team, s, from, to, options);
          }
        } else {
          std::vector<std::thread> threads;
          for (int r = 0; r < N; ++r) {
            threads.emplace_back([&, r] {
              recording(result, name, [&] {
                const call_options own_options = place.rank_options(options, r);
                const auto at = static_cast<std::size_t>(r);
                if constexpr (symmetric) {
                  call_unequal<Op>(team.rank(r), s, *in_buffer, *out_buffer, own_options);
                } else {
                  call_unequal<Op>(team.rank(r), s, from[at], to[at], own_options);
                }
                place.after_rank_call(r, 0);
              });
            });
          }
          for (std::thread& thread : threads) thread.join();
        }
        if (const std::string failure = place.wait(); !failure.empty()) {
          result.fail(name + ", " + s.to_string() + ": " + failure);
          return;
        }
        if (const team_status status = team.status(); !status) {
          result.fail(name + ", " + s.to_string() + ": " + status.to_string());
          return;
        }
        std::size_t compared = 0;
        for (int r = 0; r < N; ++r) {
          const auto at = static_cast<std::size_t>(r);
          const auto found =
              place.download(r, reinterpret_cast<std::byte*>(out_memory[at]), out_size * sizeof(T));
          for (std::size_t i = 0; i < out_size; ++i) {
            oracle::bytes_of_value<T> bytes;
            std::memcpy(&bytes, found.data() + i * sizeof(T), sizeof(T));
            const bool folded = s.which == collective::reduce_scatter;
            const T& wanted = expected[at][i].value;
            if (folded ? oracle::same(__builtin_bit_cast(T, bytes), wanted)
                       : bytes == oracle::bytes_in(wanted)) {
              continue;
            }
            result.fail(name + ", " + s.to_string() + ": element " + std::to_string(i) +
                        " of rank " + std::to_string(r) + " is wrong");
            return;
          }
          compared += out_size;
        }
        result.count(N, compared);
      }
    });
    if (!result.ok()) return;
  }
}

/// What is refused, and with which words.
template <class Place, int N>
void unequal_refused(report& result) {
  if (!Place::has(N)) return result.skip();
  auto team = Place::template make_team<N>({}, N);
  Place place{team};
  std::array<const float*, N> in{};
  std::array<float*, N> out{};
  for (int r = 0; r < N; ++r) {
    in[static_cast<std::size_t>(r)] = reinterpret_cast<const float*>(place.allocate(team, r, 4096));
    out[static_cast<std::size_t>(r)] = reinterpret_cast<float*>(place.allocate(team, r, 4096));
  }
  const auto refused = [&](const std::string& words, auto&& call) {
    check_refused(result, words, call);
  };
  std::vector<std::size_t> counts(N, 8);
  const std::vector<std::size_t> few(N - 1, 8);
  refused("parts.counts: " + std::to_string(N - 1) + " entries; it needs " + std::to_string(N),
          [&] { all_gather_v(team, in, out, {few}); });
  refused("parts.begins: " + std::to_string(N - 1) + " entries", [&] {
    all_gather_v(team, in, out, {counts, few});
  });
  std::vector<std::size_t> begins(N, 0);
  for (std::size_t r = 0; r < N; ++r) begins[r] = 7 * r;
  refused("parts 0 and 1 overlap, from element 7", [&] {
    all_gather_v(team, in, out, {counts, begins});
  });
  refused("parts 0 and 1 overlap, from element 7", [&] {
    gather_v(team, in, out, {counts, begins}, 0);
  });
  scatter_v(team, in, out, {counts, begins}, 0);  // only read: they may
  place.wait();
  refused("root: " + std::to_string(N), [&] { scatter_v(team, in, out, {counts}, N); });
  counts[1] = SIZE_MAX / 4;
  refused("part 1, ", [&] { all_gather_v(team, in, out, {counts}); });
  refused("overflows the address space", [&] { reduce_scatter_v(team, in, out, {counts}, sum{}); });
  // In place a part that others are sent, too, would be overwritten; apart from it, it is not.
  auto in_place = out;
  std::vector<std::size_t> eight(N, 8);
  for (std::size_t r = 0; r < N; ++r) in_place[r] = const_cast<float*>(in[r]) + begins[r];
  refused("parts 0 and 1 overlap, and rank 0 works in place", [&] {
    reduce_scatter_v(team, in, in_place, {eight, begins}, sum{});
  });
  reduce_scatter_v(team, in, out, {eight, begins}, sum{});
  place.wait();
  std::vector<std::size_t> pairs(N * N, 2);
  refused("sends.counts: " + std::to_string(N) + " entries; it needs " + std::to_string(N * N),
          [&] { all_to_all_v(team, in, out, {counts}); });
  refused("places: " + std::to_string(N) + " entries",
          [&] { all_to_all_v(team, in, out, {pairs}, counts); });
  std::vector<std::size_t> places(N * N, 0);
  refused("overlap", [&] { all_to_all_v(team, in, out, {pairs}, places); });
  auto same = out;
  same[0] = const_cast<float*>(in[0]);
  refused("overlaps", [&] { all_to_all_v(team, in, same, {pairs}); });
  std::array<counted_parts<float>, N> good{};
  for (std::size_t r = 0; r < N; ++r) {
    auto* words = reinterpret_cast<std::uint64_t*>(place.allocate(team, static_cast<int>(r), 1024));
    good[r] = {in[r], words, out[r], 16, words + 64};
  }
  const auto bad = [&](const std::string& words, auto&& change) {
    auto parts = good;
    change(parts[1]);
    refused(words, [&] { all_to_all_v(team, parts, 1); });
  };
  bad("parts[1].in: null", [](auto& p) { p.in = nullptr; });
  bad("parts[1].gets: null", [](auto& p) { p.gets = nullptr; });
  bad("parts[1].out: 0x",
      [](auto& p) { p.out = reinterpret_cast<float*>(reinterpret_cast<char*>(p.out) + 1); });
  bad("parts[1].sends: 0x", [](auto& p) {
    p.sends = reinterpret_cast<const std::uint64_t*>(reinterpret_cast<const char*>(p.sends) + 4);
  });
  bad("overlaps parts[1].sends", [](auto& p) { p.gets = const_cast<std::uint64_t*>(p.sends) + 1; });
  bad("parts[0].out: 0x", [&](auto& p) { p.out = good[0].out + 15; });
  bad("overlaps parts[1].in", [](auto& p) { p.out = const_cast<float*>(p.in); });
  bad("overflow the address space", [](auto& p) { p.capacity = SIZE_MAX / 4; });
  result.check(team.status().ok(), "the team is not as it was");
}

/// Ranks whose tables differ: a fault on each, that says so.
template <class Place, int N>
void unequal_disagreement(report& result) {
  if (!Place::has(N) || !Place::launches_apart(N)) return result.skip();
  for (const peerfold::policy& chosen : {one_shot_packet, one_shot_store}) {
    team_options options;
    options.wait_budget = std::chrono::seconds{20};
    auto team = Place::template make_team<N>(options, N);
    Place place{team};
    std::vector<std::thread> threads;
    for (int r = 0; r < N; ++r) {
      const auto* in = reinterpret_cast<const float*>(place.allocate(team, r, 65536));
      auto* out = reinterpret_cast<float*>(place.allocate(team, r, 65536));
      threads.emplace_back([&, r, in, out] {
        recording(result, "unequal tables", [&] {
          std::vector<std::size_t> counts(N, 100);
          if (r == 1) counts[0] = 90;  // the largest is the same
          call_options mine = place.rank_options({}, r);
          mine.policy = chosen;
          try {
            all_gather_v(team.rank(r), in, out, {counts}, mine);
          } catch (const error& reason) {
            // Whoever is late is told so.
            if (reason.code() != errc::team_faulted) throw;
          }
          place.after_rank_call(r, 0);
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
    place.wait();
    const std::string status = team.status().to_string();
    result.check(status.find("made another call") != std::string::npos,
                 "no disagreement: " + status);
    result.check(status.find("up to 100 float in unequal parts") != std::string::npos,
                 "not said what was called: " + status);
    result.count(N, 0);
  }
}

/// Sizes that only the sender knows: what arrives, and how much it says there is; then a rank that
/// is sent too much.
template <class Place, int N>
void run_counted(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr auto n = std::size_t{N};
  std::mt19937 random(3 + N);
  for (const setting& chosen : Place::settings(N, false)) {
    const std::string name = std::to_string(N) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, N);
      Place place{team};
      const std::size_t most = chosen.most_bytes / sizeof(particle) / (2 * n);
      const auto run = [&](const std::vector<std::uint64_t>& counts, std::size_t expected,
                           std::size_t missing, peerfold::policy policy) {
        std::array<counted_parts<particle>, n> parts{};
        std::array<std::size_t, n> got{};
        const auto value = [](std::size_t r, std::size_t i) {
          return input_value<particle>(oracle::operation::mix, 9, static_cast<int>(r), i);
        };
        for (std::size_t r = 0; r < n; ++r) {
          const int rank = static_cast<int>(r);
          std::size_t sent = 0;
          std::vector<std::uint64_t> row;
          for (std::size_t q = 0; q < n; ++q) {
            row.push_back(counts[r * n + q]);
            sent += row.back();
            got[r] += counts[q * n + r];
          }
          std::vector<boxed<particle>> in;
          for (std::size_t i = 0; i < sent; ++i) in.push_back({value(r, i)});
          const auto in_memory = [&](const std::vector<std::byte>& bytes) {
            std::byte* at = place.allocate(team, rank, bytes.size() + 64);
            place.upload(rank, at, bytes);
            return at;
          };
          parts[r].in = reinterpret_cast<const particle*>(in_memory(bytes_of(in)));
          parts[r].sends = reinterpret_cast<const std::uint64_t*>(in_memory(bytes_of(row)));
          parts[r].capacity = got[r] - (r == n - 1 ? missing : 0);
          parts[r].out = reinterpret_cast<particle*>(
              in_memory(std::vector<std::byte>((got[r] + 5) * sizeof(particle))));
          parts[r].gets =
              reinterpret_cast<std::uint64_t*>(in_memory(std::vector<std::byte>(8 * n)));
        }
        place.wait();
        call_options options;
        options.policy = policy;
        if (chosen.who == caller::team) {
          all_to_all_v(team, parts, expected, options);
        } else {
          std::vector<std::thread> threads;
          for (int r = 0; r < N; ++r) {
            threads.emplace_back([&, r] {
              recording(result, name, [&] {
                all_to_all_v(team.rank(r), parts[static_cast<std::size_t>(r)], expected,
                             place.rank_options(options, r));
                place.after_rank_call(r, 0);
              });
            });
          }
          for (std::thread& thread : threads) thread.join();
        }
        const std::string failure = place.wait();
        if (missing != 0) {
          const auto last = n - 1;
          const auto out = place.download(N - 1, reinterpret_cast<std::byte*>(parts[last].out),
                                          (got[last] < 64 ? got[last] : 64) * sizeof(particle));
          result.check(
              std::all_of(out.begin(), out.end(), [](std::byte b) { return b == std::byte{0}; }),
              name + ": wrote what there was no room for");
          const std::string status = team.status().to_string();
          result.check(
              status.find("rank " + std::to_string(N - 1)) != std::string::npos &&
                  status.find("more elements than its output has room for") != std::string::npos,
              name + ": an overflow is reported as: " + status);
          return;
        }
        result.check(failure.empty() && team.status().ok(),
                     name + ": " + failure + team.status().to_string());
        for (std::size_t r = 0; r < n && result.ok(); ++r) {
          const int rank = static_cast<int>(r);
          const auto heard =
              place.download(rank, reinterpret_cast<std::byte*>(parts[r].gets), 8 * n);
          const auto out = place.download(rank, reinterpret_cast<std::byte*>(parts[r].out),
                                          (got[r] + 5) * sizeof(particle));
          std::vector<boxed<particle>> wanted;
          for (std::size_t q = 0; q < n; ++q) {
            std::uint64_t said = 0;
            std::memcpy(&said, heard.data() + 8 * q, 8);
            result.check(said == counts[q * n + r], name + ": a size is wrong");
            std::size_t begin = 0;
            for (std::size_t k = 0; k < r; ++k) begin += counts[q * n + k];
            for (std::size_t i = 0; i < counts[q * n + r]; ++i) {
              wanted.push_back({value(q, begin + i)});
            }
          }
          auto bytes = bytes_of(wanted);
          bytes.resize(out.size());  // and nothing behind them
          result.check(bytes == out, name + ": elements of rank " + std::to_string(rank));
        }
        result.count(n, std::accumulate(got.begin(), got.end(), std::size_t{0}));
      };
      for (const peerfold::policy& policy : {automatic, one_shot_packet, one_shot_store}) {
        std::vector<std::uint64_t> counts(n * n);
        for (auto& count : counts) count = random() % 3 == 0 ? 0 : random() % 50;
        run(counts, 20, 0, policy);
        for (std::size_t i = 0; i < n * n; ++i) counts[i] = i % n == 0 ? most : random() % 9;
        run(counts, most / 4, 0, policy);  // more than expected
        run(std::vector<std::uint64_t>(n * n, 0), 0, 0, policy);
      }
      run(std::vector<std::uint64_t>(n * n, 7), 7, 1, one_shot_store);
    });
    if (!result.ok()) return;
  }
}

/// Sizes whose sum wraps around: more than there is room for, all the same.
template <class Place, int N>
void counted_wraps(report& result) {
  if (!Place::has(N)) return result.skip();
  team_options options;
  options.wait_budget = std::chrono::seconds{20};
  auto team = Place::template make_team<N>(options, N);
  Place place{team};
  std::array<counted_parts<float>, N> parts{};
  for (int r = 0; r < N; ++r) {
    const auto at = static_cast<std::size_t>(r);
    std::vector<std::uint64_t> sends(N, 2);
    if (r == 0) sends[1] = std::uint64_t{0} - 2;
    std::byte* counts = place.allocate(team, r, 1024);
    place.upload(r, counts, bytes_of(sends));
    parts[at] = {reinterpret_cast<const float*>(place.allocate(team, r, 1024)),
                 reinterpret_cast<const std::uint64_t*>(counts),
                 reinterpret_cast<float*>(place.allocate(team, r, 1024)), 64,
                 reinterpret_cast<std::uint64_t*>(counts + 512)};
  }
  place.wait();
  all_to_all_v(team, parts, 2);
  place.wait();
  result.check(team.status().to_string().find("more elements than its output has room for") !=
                   std::string::npos,
               "sums that wrap end in: " + team.status().to_string());
  result.count(N, 0);
}

template <class Place, int N>
void add_unequal_of() {
  const std::string ranks = std::to_string(N) + " ranks";
  registration("unequal parts", ranks + ", ordinary memory",
               &run_unequal<Place, float, sum, N, memory_kind::ordinary>);
  registration("unequal parts", ranks + ", symmetric memory",
               &run_unequal<Place, float, sum, N, memory_kind::symmetric>);
  registration("unequal parts", ranks + ", sizes that the sender knows", &run_counted<Place, N>);
  if constexpr (N == 3) {
    registration("unequal parts", ranks + ", a struct of 12 bytes",
                 &run_unequal<Place, particle, mix, N, memory_kind::ordinary>);
    registration("unequal parts", ranks + ", sizes that wrap", &counted_wraps<Place, N>);
    registration("unequal parts", ranks + ", refused", &unequal_refused<Place, N>);
    registration("unequal parts", ranks + ", different tables", &unequal_disagreement<Place, N>);
  }
}

}  // namespace detail

/// Teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_unequal() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_unequal_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
