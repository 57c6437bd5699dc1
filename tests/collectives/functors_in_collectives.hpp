/// \file
/// Load, finish and store functors of the caller's in the collectives beside all-reduce: each sees
/// the elements of its call, by their places, and every result is stored once.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/oracle.hpp>

#include "../all_reduce/functors.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

template <collective Which, class Policies, class Caller, class Loads, class Stores>
void call_with_functors(Caller&& who, const oracle::request& call, std::uint32_t initial,
                        const Loads& load, const Stores& store, const call_options& options) {
  const std::size_t count = call.count;
  constexpr mix op{};
  constexpr varied_finish finish{};
  if constexpr (Which == collective::reduce_scatter) {
    transform_reduce_scatter<Policies>(who, count, load, op, finish, store, options);
  } else if constexpr (Which == collective::reduce) {
    transform_reduce<Policies>(who, count, call.root, load, op, finish, store, options);
  } else if constexpr (Which == collective::inclusive_scan) {
    transform_inclusive_scan<Policies>(who, count, load, op, finish, store, options);
  } else if constexpr (Which == collective::exclusive_scan) {
    transform_exclusive_scan<Policies>(who, count, load, op, initial, finish, store, options);
  } else if constexpr (Which == collective::all_gather) {
    transform_all_gather<Policies>(who, count, load, store, options);
  } else if constexpr (Which == collective::all_to_all) {
    transform_all_to_all<Policies>(who, count, load, store, options);
  } else if constexpr (Which == collective::broadcast) {
    transform_broadcast<Policies>(who, count, call.root, load, store, options);
  } else if constexpr (Which == collective::gather) {
    transform_gather<Policies>(who, count, call.root, load, store, options);
  } else {
    static_assert(Which == collective::scatter);
    transform_scatter<Policies>(who, count, call.root, load, store, options);
  }
}

template <class Place, collective Which, class Policies, int N>
void functors_of(report& result) {
  if (!Place::has(N)) return result.skip();
  using T = std::uint32_t;
  team_options options;
  options.channels = {{2}};
  options.staging_bytes = 1;
  auto team = Place::template make_team<N>(options);
  std::vector<peerfold::policy> chosen(Policies::list.begin(), Policies::list.end());
  unsigned calls = 0;
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{517}, std::size_t{20'011}}) {
    for (const peerfold::policy& policy : chosen) {
      oracle::request call;
      call.which = Which;
      call.op = oracle::operation::mix;
      call.ranks = N;
      call.count = count;
      call.root = is_rooted(Which) ? static_cast<int>(calls % N) : 0;
      call.as_tree = policy.algorithm == algorithm_id::tree;
      ++calls;
      const bool by_ranks = Place::launches_apart(N) && (calls + calls / chosen.size()) % 2 == 0;
      const std::size_t given = count * static_cast<std::size_t>(parts_given(Which, N));
      const std::size_t got = count * static_cast<std::size_t>(parts_got(Which, N));
      Place place{team};
      std::vector<std::vector<T>> loaded(N);
      std::array<varied_load, N> loads;
      std::array<counting_store<T>, N> stores;
      const std::vector<T> zeros(got);
      for (int r = 0; r < N; ++r) {
        const auto i = static_cast<std::size_t>(r);
        std::vector<T> input;
        for (std::size_t e = 0; e < given; ++e) {
          input.push_back(input_value<T>(oracle::operation::mix, 9 + calls, r, e));
          loaded[i].push_back(input[e] * 3 + static_cast<T>(e) * 7 + static_cast<T>(r));
        }
        const auto room = [&](const std::vector<T>& values) {
          std::byte* memory = place.allocate(team, r, values.size() * sizeof(T) + 1);
          place.upload(r, memory, bytes_of(values));
          return reinterpret_cast<T*>(memory);
        };
        loads[i] = {room(input), static_cast<T>(r)};
        stores[i] = {room(zeros), room(zeros)};
      }
      place.wait();
      const T initial = 12345;
      const std::string what = std::string{to_string(policy)} + ", " + std::to_string(count) +
                               " elements" + (by_ranks ? ", rank calls" : "");
      call_options how;
      how.policy = policy;
      recording(result, what, [&] {
        if (!by_ranks) {
          call_with_functors<Which, Policies>(team, call, initial, loads, stores, how);
          return;
        }
        std::vector<std::thread> threads;
        for (int r = 0; r < N; ++r) {
          threads.emplace_back([&, r] {
            const auto i = static_cast<std::size_t>(r);
            recording(result, what, [&] {
              call_with_functors<Which, Policies>(team.rank(r), call, initial, loads[i], stores[i],
                                                  place.rank_options(how, r));
              place.after_rank_call(r, 0);
            });
          });
        }
        for (std::thread& thread : threads) thread.join();
      });
      if (const std::string failure = place.wait(); !failure.empty()) {
        return result.fail(what + ": " + failure);
      }
      for (int r = 0; r < N; ++r) {
        const auto i = static_cast<std::size_t>(r);
        const std::size_t bytes = got * sizeof(T);
        const auto out =
            values_of<T>(place.download(r, reinterpret_cast<std::byte*>(stores[i].data), bytes));
        const auto times =
            values_of<T>(place.download(r, reinterpret_cast<std::byte*>(stores[i].times), bytes));
        const std::size_t wanted = oracle::got(call, r);
        for (std::size_t e = 0; e < got; ++e) {
          T expected = 0;
          if (e < wanted) {
            expected = oracle::result<T>(call, r, e, initial, [&](int q, std::size_t j) {
              return loaded[static_cast<std::size_t>(q)][j];
            });
            if (is_reduction(Which)) expected = varied_finish{}(expected);
            expected ^= static_cast<T>(e);
          }
          if (out[e] == expected && times[e] == (e < wanted ? 1u : 0u)) continue;
          return result.fail(what + ", rank " + std::to_string(r) + ": element " +
                             std::to_string(e) + " is " + std::to_string(out[e]) + ", stored " +
                             std::to_string(times[e]) + " times; wanted " +
                             std::to_string(expected));
        }
      }
      result.count(N, got * N);
    }
  }
}

template <class Place, int N, collective Which, class Policies>
void add_functors_of() {
  registration(to_string(Which), "functors, " + std::to_string(N) + " ranks",
               &functors_of<Place, Which, Policies, N>);
}

}  // namespace detail

/// Functors in collectives of First to Last ranks.
template <class Place, int First, int Last>
bool add_functors_in_collectives() {
  using several = policies<one_shot_store, two_shot_packet, chain_store, tree_packet>;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (
        [&] {
          constexpr int n = First + I;
          detail::add_functors_of<Place, n, collective::reduce_scatter, exchange_policies>();
          detail::add_functors_of<Place, n, collective::reduce, several>();
          detail::add_functors_of<Place, n, collective::inclusive_scan, exchange_policies>();
          detail::add_functors_of<Place, n, collective::exclusive_scan, exchange_policies>();
          detail::add_functors_of<Place, n, collective::all_gather, exchange_policies>();
          detail::add_functors_of<Place, n, collective::all_to_all, exchange_policies>();
          detail::add_functors_of<Place, n, collective::broadcast, several>();
          detail::add_functors_of<Place, n, collective::gather, exchange_policies>();
          detail::add_functors_of<Place, n, collective::scatter, exchange_policies>();
        }(),
        ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
