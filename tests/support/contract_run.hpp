/// \file
/// Runs programs in a place. A place is a type like this:
///
///   template <int N> using team = …;
///   template <int N> static team<N> make_team(const team_options&);
///   static bool has(int ranks);             // whether such a team can be had here
///   static bool launches_apart(int ranks);  // whether its ranks can call for themselves
///   static std::vector<setting> settings(int ranks, bool thorough);
///   using symmetric_policies = policies<…>; // of float sums
///   static constexpr int combined_ranks[8]; // for 1 to 8 ranks in pairs.hpp; 0: none
///   static constexpr std::size_t large_count;
///   static constexpr errc too_many_blocks;  // what a channel of too many is refused with
///
///   explicit place(team&);                  // one for every program
///   std::byte* allocate(team&, int rank, std::size_t bytes);
///   void upload(int rank, std::byte* to, const std::vector<std::byte>&);
///   std::vector<std::byte> download(int rank, const std::byte* from, std::size_t bytes);
///   call_options rank_options(call_options, int rank);
///   void after_rank_call(int rank, int channel);  // may wait for it
///   std::string wait();                     // for all calls; returns what went wrong
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_program.hpp>
#include <support/oracle.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold::test {

/// A team and the way it is called.
struct setting {
  std::string name;
  team_options options;
  caller who = caller::team;
  std::size_t most_bytes = 0;  ///< of a message
};

/// The oracle's `mix` as a functor.
struct mix {
  template <class A>
  PEERFOLD_HD A operator()(const A& a, const A& b) const {
    using bits = oracle::bits_t<A>;
    return __builtin_bit_cast(A, static_cast<bits>(__builtin_bit_cast(bits, a) * std::uint64_t{3} +
                                                   __builtin_bit_cast(bits, b)));
  }
};

template <class Op>
constexpr oracle::operation operation_of() {
  if (std::is_same_v<Op, peerfold::sum>) return oracle::operation::sum;
  if (std::is_same_v<Op, peerfold::prod>) return oracle::operation::prod;
  if (std::is_same_v<Op, peerfold::min>) return oracle::operation::min;
  if (std::is_same_v<Op, peerfold::max>) return oracle::operation::max;
  if (std::is_same_v<Op, peerfold::avg>) return oracle::operation::avg;
  return oracle::operation::mix;
}

/// The bytes of values, as places take them.
template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Calls f() and records what it throws.
template <class F>
void recording(report& result, const std::string& where, F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const std::exception& reason) {
    result.fail(where + ": " + reason.what());
  }
}

/// The slabs of all ranks, in memory of one kind.
template <class Place, int N, memory_kind Kind>
class slabs {
 public:
  template <class Team>
  slabs(Place& place, Team& team, std::size_t bytes) {
    if constexpr (Kind == memory_kind::symmetric) {
      symmetric_.emplace(team, bytes);
      for (int r = 0; r < N; ++r) {
        at_[static_cast<std::size_t>(r)] = reinterpret_cast<std::byte*>(symmetric_->data(r));
      }
    } else {
      for (int r = 0; r < N; ++r) {
        at_[static_cast<std::size_t>(r)] = place.allocate(team, r, bytes);
      }
    }
  }
  [[nodiscard]] std::byte* operator[](std::size_t rank) const { return at_[rank]; }

 private:
  struct nothing {};
  std::array<std::byte*, N> at_{};
  std::optional<symmetric_buffer<std::uint8_t, N>> symmetric_;
};

/// Makes the calls of a program on a team.
template <class T, class Op, int N, class Policies, memory_kind Kind, class Team, class Slabs>
class issuer {
 public:
  issuer(Team& team, const program<T>& work, const Slabs& slab)
      : team_{team}, work_{work}, slab_{slab} {}

  void team_call(std::size_t i, const call_options& options) const {
    const std::size_t count = work_.steps()[i].count;
    if constexpr (Kind == memory_kind::ordinary) {
      std::array<const T*, N> in;
      std::array<T*, N> out;
      for (std::size_t r = 0; r < N; ++r) {
        in[r] = work_.in(slab_[r], i);
        out[r] = work_.out(slab_[r], i);
      }
      all_reduce<Policies>(team_, in, out, count, Op{}, options);
    } else {
      std::array<load_from<T>, N> loads;
      std::array<store_to_symmetric<T, N>, N> stores;
      for (std::size_t r = 0; r < N; ++r) {
        loads[r].data = work_.in(slab_[r], i);
        stores[r] = store_of(i, r);
      }
      transform_all_reduce<Policies>(team_, count, loads, Op{}, default_finish_t<Op, T, N>{},
                                     stores, options);
    }
  }

  void rank_call(std::size_t i, int rank, const call_options& options) const {
    const std::size_t count = work_.steps()[i].count;
    const auto r = static_cast<std::size_t>(rank);
    const T* in = work_.in(slab_[r], i);
    if constexpr (Kind == memory_kind::ordinary) {
      all_reduce<Policies>(team_.rank(rank), in, work_.out(slab_[r], i), count, Op{}, options);
    } else {
      transform_all_reduce<Policies>(team_.rank(rank), count, load_from<T>{in}, Op{},
                                     default_finish_t<Op, T, N>{}, store_of(i, r), options);
    }
  }

 private:
  [[nodiscard]] store_to_symmetric<T, N> store_of(std::size_t i, std::size_t rank) const {
    store_to_symmetric<T, N> store;
    store.data = work_.out(slab_[rank], i);
    for (std::size_t q = 0; q < N; ++q) store.peers[q] = work_.out(slab_[q], i);
    return store;
  }

  Team& team_;
  const program<T>& work_;
  const Slabs& slab_;
};

/// Runs a program on a team and checks all that it leaves.
template <class Place, class T, class Op, int N, class Policies, memory_kind Kind>
void run_program(typename Place::template team<N>& team, const program<T>& work, caller who,
                 const std::string& where, report& result) {
  Place place{team};
  const slabs<Place, N, Kind> slab{place, team, work.bytes()};
  for (int r = 0; r < N; ++r) place.upload(r, slab[static_cast<std::size_t>(r)], work.image(r));
  place.wait();

  const issuer<T, Op, N, Policies, Kind, typename Place::template team<N>, slabs<Place, N, Kind>>
      calls{team, work, slab};
  const auto options_of = [&](const step& s) {
    call_options options;
    options.policy = s.policy;
    options.channel = s.channel;
    options.max_blocks = s.max_blocks;
    return options;
  };
  const auto& steps = work.steps();
  if (who == caller::team) {
    recording(result, where, [&] {
      for (std::size_t i = 0; i < steps.size(); ++i) calls.team_call(i, options_of(steps[i]));
    });
  } else {
    std::vector<std::thread> threads;
    for (int r = 0; r < N; ++r) {
      for (int channel = 0; channel < team.channels(); ++channel) {
        threads.emplace_back([&, r, channel] {
          recording(result, where, [&] {
            for (std::size_t i = 0; i < steps.size(); ++i) {
              if (steps[i].channel != channel) continue;
              calls.rank_call(i, r, place.rank_options(options_of(steps[i]), r));
              place.after_rank_call(r, channel);
            }
          });
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
  if (const std::string failure = place.wait(); !failure.empty()) {
    result.fail(where + ": " + failure);
    return;
  }
  if (const team_status status = team.status(); !status) {
    result.fail(where + ": " + status.to_string());
    return;
  }
  for (int r = 0; r < N; ++r) {
    work.check(r, place.download(r, slab[static_cast<std::size_t>(r)], work.bytes()), result);
  }
}

/// One combination of types and values, on all teams that the place has for it.
template <class Place, class T, class Op, int N, class Policies, memory_kind Kind, bool Thorough>
void run_combination(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr oracle::operation op = operation_of<Op>();
  std::vector<peerfold::policy> policies(Policies::list.begin(), Policies::list.end());
  policies.push_back(automatic);
  for (const setting& chosen : Place::settings(N, Thorough)) {
    recording(result, chosen.name, [&] {
      auto team = Place::template make_team<N>(chosen.options);
      const geometry where{sizeof(T), N, team.channels(), team.ranks()->shape(0),
                           chosen.most_bytes};
      const program<T> work{op, N, make_steps(where, policies), 1};
      run_program<Place, T, Op, N, Policies, Kind>(team, work, chosen.who, chosen.name, result);
    });
    if (!result.ok()) return;
  }
}

}  // namespace peerfold::test
