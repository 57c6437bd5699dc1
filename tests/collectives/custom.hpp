/// \file
/// Custom collectives: several steps over both transports in one kernel, called for the team and by
/// ranks; and what ends in a fault there and along chains and trees.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include "../all_reduce/faults.hpp"
#include "../all_reduce/functors.hpp"

#include <array>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// A reduce-scatter over packets, doubled, then an all-gather over stores.
template <int N>
struct doubled_sums {
  template <class Context>
  using transport_type = transport::packet<std::uint32_t, Context>;

  struct doubled {
    PEERFOLD_HD std::uint32_t operator()(const std::uint32_t& sum) const { return 2 * sum; }
  };

  transport::tiling tiles;
  std::size_t part;
  const std::uint32_t* in;  ///< N parts
  std::uint32_t* out;       ///< likewise
  int rank;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    std::uint32_t* const own = out + static_cast<std::size_t>(rank) * part;
    bool done;
    {
      transport_type<Context> t{c};
      done = algorithm::reduce_exchange(
          c, t, tiles, algorithm::route_of<collective::reduce_scatter>{part}, true,
          load_from<std::uint32_t>{in}, mix{}, doubled{}, store_to<std::uint32_t>{own});
      t.close();
    }
    if (c.group().any(!done)) return false;
    transport::store_flag<std::uint32_t, Context> t{c};
    done = algorithm::exchange(c, t, tiles, algorithm::route_of<collective::all_gather>{part},
                               false, load_from<std::uint32_t>{own}, store_to<std::uint32_t>{out});
    t.close();
    return done;
  }
};

template <class Place, int N>
void custom_among(int ranks, report& result) {
  const auto parts = static_cast<std::size_t>(ranks);
  for (const int workers : {1, Place::most_workers}) {
    team_options options;
    options.wait_budget = std::chrono::seconds{60};
    options.channels = {{3}};
    options.workers = workers;
    options.delay_seed = PEERFOLD_DELAYS != 0 ? 17 : 0;
    auto team = Place::template make_team<N>(options, ranks);
    unsigned calls = 0;
    for (const std::size_t part : {std::size_t{0}, std::size_t{1}, std::size_t{33},
                                   std::size_t{1001}, std::size_t{40'003}}) {
      if (short_run() && part > 2000) continue;
      Place place{team};
      std::array<std::uint32_t*, N> in{};
      std::array<std::uint32_t*, N> out{};
      std::vector<std::vector<std::uint32_t>> given(parts);
      for (int r = 0; r < ranks; ++r) {
        const auto i = static_cast<std::size_t>(r);
        for (std::size_t e = 0; e < part * parts; ++e) {
          given[i].push_back(input_value<std::uint32_t>(oracle::operation::mix, calls, r, e));
        }
        for (auto* pointers : {&in, &out}) {
          std::byte* memory = place.allocate(team, r, part * parts * sizeof(std::uint32_t) + 1);
          place.upload(r, memory, bytes_of(given[i]));
          (*pointers)[i] = reinterpret_cast<std::uint32_t*>(memory);
        }
      }
      place.wait();
      const auto body = [&](int rank, const transport::tiling& tiles) {
        const auto i = static_cast<std::size_t>(rank);
        return doubled_sums<N>{tiles, part, in[i], out[i], rank};
      };
      const bool by_ranks = Place::launches_apart(ranks) && ++calls % 2 == 0;
      const std::string where = std::to_string(part) + " elements a part, " +
                                std::to_string(workers) + " workers" +
                                (by_ranks ? ", rank calls: " : ": ");
      recording(result, where, [&] {
        if (!by_ranks) {
          run_custom(team, part, 1, body);
          run_custom(team, part, 1, body);  // again: numbers go on
          return;
        }
        std::vector<std::thread> threads;
        for (int r = 0; r < ranks; ++r) {
          threads.emplace_back([&, r] {
            recording(result, where, [&] {
              auto rank = team.rank(r);  // by a name
              run_custom(rank, part, 1, body, place.rank_options({}, r));
              place.after_rank_call(r, 0);
              barrier(rank, place.rank_options({}, r));
              place.after_rank_call(r, 0);
            });
          });
        }
        for (std::thread& thread : threads) thread.join();
      });
      if (const std::string failure = place.wait(); !failure.empty()) {
        return result.fail(where + failure);
      }
      if (!team.status().ok()) return result.fail(where + team.status().to_string());
      std::vector<std::uint32_t> column(parts);
      for (int r = 0; r < ranks; ++r) {
        const auto found = values_of<std::uint32_t>(
            place.download(r, reinterpret_cast<std::byte*>(out[static_cast<std::size_t>(r)]),
                           part * parts * sizeof(std::uint32_t)));
        for (std::size_t e = 0; e < part * parts; ++e) {
          for (std::size_t q = 0; q < parts; ++q) column[q] = given[q][e];
          const auto wanted = 2 * oracle::all_reduce<std::uint32_t>(oracle::operation::mix, column);
          if (found[e] == wanted) continue;
          return result.fail(where + "element " + std::to_string(e) + " of rank " +
                             std::to_string(r) + " is " + std::to_string(found[e]) + ", wanted " +
                             std::to_string(wanted));
        }
      }
      result.count(parts, part * parts * parts);
    }
  }
}
template <class Place, int N>
void custom_steps(report& result) {
  if (!Place::has(N)) return result.skip();
  custom_among<Place, N>(N, result);
}

/// Five sums over sentinels in one kernel, each of what the last left: all, the first few elements,
/// all, and so on, so messages differ in size, and slots come round.
struct rounds_of_sums {
  template <class Context>
  using transport_type = transport::sentinel<float, Context>;

  transport::tiling tiles;
  transport::tiling few;
  const float* in;
  float* out;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    for (int round = 0; round < 5; ++round) {
      transport_type<Context> t{c};
      const bool done = algorithm::all_reduce_one_shot(
          c, t, round % 2 == 0 ? tiles : few, load_from<float>{round == 0 ? in : out},
          peerfold::sum{}, round_to<float>{}, store_to<float>{out});
      t.close();
      if (c.group().any(!done)) return false;
    }
    return true;
  }
};

template <class Place, int N>
void rounds_in_one_kernel(report& result) {
  if (!Place::has(N)) return result.skip();
  for (const int workers : {1, Place::most_workers}) {
    for (const std::size_t count : {std::size_t{9}, std::size_t{20'001}}) {
      team_options options;
      options.wait_budget = std::chrono::seconds{60};
      options.channels = {{3}};
      options.workers = workers;
      options.delay_seed = PEERFOLD_DELAYS != 0 ? 23 : 0;
      auto team = Place::template make_team<N>(options, N);
      Place place{team};
      const auto given = [](int rank, std::size_t e) {
        return static_cast<float>((e + static_cast<std::size_t>(rank)) % 7);
      };
      std::array<float*, N> in{};
      std::array<float*, N> out{};
      for (int r = 0; r < N; ++r) {
        const auto i = static_cast<std::size_t>(r);
        std::vector<float> values(count);
        for (std::size_t e = 0; e < count; ++e) values[e] = given(r, e);
        for (auto* pointers : {&in, &out}) {
          std::byte* memory = place.allocate(team, r, count * sizeof(float));
          place.upload(r, memory, bytes_of(values));
          (*pointers)[i] = reinterpret_cast<float*>(memory);
        }
      }
      place.wait();
      const std::string where =
          std::to_string(count) + " elements, " + std::to_string(workers) + " workers: ";
      constexpr std::size_t few = 5;
      recording(result, where, [&] {
        for (int call = 0; call < 3; ++call) {
          run_custom(team, count, 1, [&](int rank, const transport::tiling& tiles) {
            const auto i = static_cast<std::size_t>(rank);
            return rounds_of_sums{tiles, {few, tiles.share(), 1}, in[i], out[i]};
          });
        }
      });
      if (const std::string failure = place.wait(); !failure.empty()) {
        return result.fail(where + failure);
      }
      if (!team.status().ok()) return result.fail(where + team.status().to_string());
      for (int r = 0; r < N; ++r) {
        const auto found = values_of<float>(
            place.download(r, reinterpret_cast<std::byte*>(out[static_cast<std::size_t>(r)]),
                           count * sizeof(float)));
        for (std::size_t e = 0; e < count; ++e) {
          float wanted = 0;
          for (int q = 0; q < N; ++q) wanted += given(q, e);
          for (int times = 0; times < (e < few ? 4 : 2); ++times) wanted *= N;
          if (found[e] == wanted) continue;
          return result.fail(where + "element " + std::to_string(e) + " of rank " +
                             std::to_string(r) + " is " + std::to_string(found[e]) + ", wanted " +
                             std::to_string(wanted));
        }
      }
      result.count(3 * N, 3 * N * count);
    }
  }
}

/// Two messages over stores, of which one rank sends but the first: the others wait for the last in
/// receive_last(). Every lane of a block writes whether its group found out.
struct two_messages {
  template <class Context>
  using transport_type = transport::store_flag<std::uint32_t, Context>;

  transport::tiling tiles;
  std::uint32_t* found;  ///< by lane
  bool leaves;           ///< this rank, behind the first

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    transport_type<Context> t{c};
    const auto tell_all = [&] {
      for (int p = 1; p < c.ranks(); ++p) {
        t.send(p, transport::tile{}, typename transport_type<Context>::fragment_type{});
      }
      t.commit();
    };
    tell_all();
    bool done = static_cast<bool>(t.receive(transport::tile{})) && t.release();
    if (done && !leaves) {
      tell_all();
      done = t.receive_last();
    }
    t.close();
    const bool failed = c.group().any(!done);
    if (c.block() == 0) found[c.group().lane()] = failed ? 2 : 1;
    return !failed;
  }
};

/// The last message of a call does not come: who waits for it ends with the budget and names the
/// rank that it misses, and all lanes of the group know it behind the next vote.
template <class Place, int N>
void last_message_missing(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr auto budget = Place::short_budget;
  for (const int workers : {1, 3}) {
    for (const int leaver : {0, N - 1, N}) {  // N: nobody
      const std::string where =
          std::to_string(workers) + " workers, rank " + std::to_string(leaver) + " leaves: ";
      team_options options =
          fault_options(leaver == N ? std::chrono::milliseconds{60'000} : budget);
      options.workers = workers;
      fault_bench<Place, N> bench{options};
      recording(result, where, [&] {
        run_custom(bench.team, 7, 1, [&](int rank, const transport::tiling& tiles) {
          auto* found = reinterpret_cast<std::uint32_t*>(bench.out[static_cast<std::size_t>(rank)]);
          return two_messages{tiles, found, rank == leaver};
        });
      });
      result.count(N, 0);
      result.check(bench.place.wait().empty(), where + "the device failed");
      const team_status status = bench.team.status();
      result.check(status.ok() == (leaver == N), where + status.to_string());
      for (const fault_report& report : status) {
        const std::string said = where + to_string(report) + ": wrong ";
        result.check(report.kind == fault_kind::timeout, said + "kind");
        result.check(report.rank != leaver && report.peer == leaver, said + "rank or peer");
        result.check(report.expected == sync::wire(2), said + "expected number");
      }
      for (int r = 0; r < N; ++r) {
        const auto* out = reinterpret_cast<std::byte*>(bench.out[static_cast<std::size_t>(r)]);
        const auto found = values_of<std::uint32_t>(bench.place.download(
            r, out, static_cast<std::size_t>(workers) * sizeof(std::uint32_t)));
        const std::uint32_t wanted = leaver == N || r == leaver ? 1 : 2;
        result.check(found == std::vector<std::uint32_t>(static_cast<std::size_t>(workers), wanted),
                     where + "what the lanes of rank " + std::to_string(r) + " found");
      }
    }
  }
}

/// One rank never comes: the others end with the budget, and the first report names it.
template <class Place, int N>
void absent_neighbour(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr auto budget = Place::short_budget;
  using list = policies<chain_packet, chain_store, tree_packet, tree_store>;
  const auto without = [&](const std::string& what, int absent, const auto& call) {
    const std::string where = what + " without rank " + std::to_string(absent) + ": ";
    fault_bench<Place, N> bench{fault_options(budget)};
    const auto begin = fault_clock::now();
    std::vector<std::thread> threads;
    for (const int r : all_but(N, absent)) {
      threads.emplace_back([&, r] { recording(result, where, [&] { call(bench, r); }); });
    }
    for (std::thread& thread : threads) thread.join();
    result.count(N - 1, 0);
    result.check(bench.place.wait().empty(), where + "the device failed");
    // A rank whose neighbours have ended may wait for its own budget behind theirs.
    result.check(fault_clock::now() - begin < N * budget + slack, where + "outlasted the budget");
    const team_status status = bench.team.status();
    result.check(status.size() >= 1 && status.begin()->kind == fault_kind::timeout &&
                     status.begin()->peer == absent,
                 where + status.to_string());
  };
  for (const auto& chosen : list::list) {
    for (const int absent : {0, N / 2, N - 1}) {
      without(std::string{to_string(chosen)}, absent, [&](auto& bench, int r) {
        const auto i = static_cast<std::size_t>(r);
        all_reduce<list>(bench.team.rank(r), static_cast<const float*>(bench.in[i]), bench.out[i],
                         bench.count, peerfold::sum{},
                         bench.place.rank_options(on_channel(chosen, 1), r));
      });
    }
  }
  // Straight into the peers' memory.
  const auto store_of = [](auto& bench, int r) {
    store_to_symmetric<float, N> store{};
    store.data = bench.out[static_cast<std::size_t>(r)];
    std::copy(bench.out.begin(), bench.out.end(), store.peers);
    return store;
  };
  without("two_shot/store to the peers", 0, [&](auto& bench, int r) {
    transform_all_reduce<policies<two_shot_store>>(
        bench.team.rank(r), bench.count, load_from<float>{bench.in[static_cast<std::size_t>(r)]},
        peerfold::sum{}, make_default_finish<peerfold::sum, float, N>(N), store_of(bench, r),
        bench.place.rank_options({}, r));
  });
  without("direct/store", N - 1, [&](auto& bench, int r) {
    transform_all_gather<policies<direct_store>>(
        bench.team.rank(r), 100, load_from<float>{bench.in[static_cast<std::size_t>(r)]},
        store_of(bench, r), bench.place.rank_options({}, r));
  });
  without("a custom collective", N - 1, [&](auto& bench, int r) {
    run_custom(
        bench.team.rank(r), 7, 1,
        [&](int rank, const transport::tiling& tiles) {
          const auto* in =
              reinterpret_cast<const std::uint32_t*>(bench.in[static_cast<std::size_t>(rank)]);
          auto* out = reinterpret_cast<std::uint32_t*>(bench.out[static_cast<std::size_t>(rank)]);
          return doubled_sums<N>{tiles, 7, in, out, rank};
        },
        bench.place.rank_options({}, r));
  });
}

}  // namespace detail

/// With First to Last ranks.
template <class Place, int First, int Last>
bool add_custom() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("custom", std::to_string(First + I) + " ranks",
                  &detail::custom_steps<Place, First + I>),
     ...);
    (registration("custom", "rounds of sentinels, " + std::to_string(First + I) + " ranks",
                  &detail::rounds_in_one_kernel<Place, First + I>),
     ...);
    (registration("custom", "an absent neighbour of " + std::to_string(First + I) + " ranks",
                  &detail::absent_neighbour<Place, First + I>),
     ...);
    (registration("custom", "a last message missing among " + std::to_string(First + I) + " ranks",
                  &detail::last_message_missing<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
