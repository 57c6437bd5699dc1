/// \file
/// Runs programs in a place. A place is a type like this:
///
///   template <int N> using team = …;
///   template <int N> static team<N> make_team(const team_options&, int ranks = N);
///   static std::vector<int> run_time_counts();  // of teams that count their ranks at run time
///   static constexpr std::chrono::milliseconds short_budget; // of waits that are in vain
///   static bool has(int ranks);             // whether such a team can be had here
///   static bool launches_apart(int ranks);  // whether its ranks can call for themselves
///   static std::vector<setting> settings(int ranks, bool thorough);
///   using symmetric_policies = policies<…>; // of float sums, by all_reduce
///   using symmetric_copy_policies = policies<…>; // of the collectives that copy
///   using symmetric_fold_policies = policies<…>; // of those that fold in one step
///   static constexpr bool every_kernel;     // whether code is quick to compile
///   static constexpr bool full_product;     // whether to run that of pairs.hpp's columns
///   static constexpr int combined_ranks[8]; // for 1 to 8 ranks in pairs.hpp; 0: none
///   static constexpr int most_workers;      // team_options::workers of random programs
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

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_program.hpp>
#include <support/oracle.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
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
    if constexpr (oracle::has_bits<A>) {
      using bits = oracle::bits_t<A>;
      return __builtin_bit_cast(A,
                                static_cast<bits>(__builtin_bit_cast(bits, a) * std::uint64_t{3} +
                                                  __builtin_bit_cast(bits, b)));
    } else {
      auto x = __builtin_bit_cast(oracle::bytes_of_value<A>, a);
      const auto y = __builtin_bit_cast(oracle::bytes_of_value<A>, b);
      for (std::size_t i = 0; i < sizeof(A); ++i) {
        x.at[i] = static_cast<unsigned char>(x.at[i] * 3u + y.at[i]);
      }
      return __builtin_bit_cast(A, x);
    }
  }
};

template <class Op>
constexpr oracle::operation operation_of() {
  if (std::is_same_v<Op, peerfold::sum>) return oracle::operation::sum;
  if (std::is_same_v<Op, peerfold::prod>) return oracle::operation::prod;
  if (std::is_same_v<Op, peerfold::min>) return oracle::operation::min;
  if (std::is_same_v<Op, peerfold::max>) return oracle::operation::max;
  if (std::is_same_v<Op, peerfold::avg>) return oracle::operation::avg;
  if (std::is_same_v<Op, peerfold::bit_and>) return oracle::operation::bit_and;
  if (std::is_same_v<Op, peerfold::bit_or>) return oracle::operation::bit_or;
  if (std::is_same_v<Op, peerfold::bit_xor>) return oracle::operation::bit_xor;
  if (std::is_same_v<Op, peerfold::argmin>) return oracle::operation::argmin;
  if (std::is_same_v<Op, peerfold::argmax>) return oracle::operation::argmax;
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

/// Checks that f() is refused, in these words among others.
template <class F>
void check_refused(report& result, const std::string& words, F&& f) {
  try {
    std::forward<F>(f)();
    result.fail("not refused: " + words);
  } catch (const error& reason) {
    result.check(std::string{reason.what()}.find(words) != std::string::npos,
                 std::string{"refused with other words: "} + reason.what());
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
      for (int r = 0; r < team.rank_count(); ++r) {
        at_[static_cast<std::size_t>(r)] = reinterpret_cast<std::byte*>(symmetric_->data(r));
      }
    } else {
      for (int r = 0; r < team.rank_count(); ++r) {
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

/// A collective and the policies by which a test instantiates it.
template <collective Which, class Policies>
struct called {
  static constexpr collective which = Which;
  using policies = Policies;
};

/// Makes the calls of a program on a team; Calls are what occurs in it.
template <class T, class Op, int N, memory_kind Kind, class Team, class Slabs, class... Calls>
class issuer {
 public:
  issuer(Team& team, const program<T>& work, const Slabs& slab)
      : team_{team}, work_{work}, slab_{slab} {}

  void team_call(std::size_t i, const call_options& options) const {
    const auto call = [&]<class C>(C) {
      if constexpr (Kind == memory_kind::ordinary) {
        std::array<const T*, N> in{};
        std::array<T*, N> out{};
        for (int r = 0; r < team_.rank_count(); ++r) {
          in[static_cast<std::size_t>(r)] = work_.in(slab(r), i, r);
          out[static_cast<std::size_t>(r)] = work_.out(slab(r), i, r);
        }
        call_team<C>(step_of(i), in, out, work_.initial(i), options);
      } else {
        std::array<load_from<T>, N> loads{};
        std::array<store_to_symmetric<T, N>, N> stores{};
        for (int r = 0; r < team_.rank_count(); ++r) {
          loads[static_cast<std::size_t>(r)].data = work_.in(slab(r), i, r);
          stores[static_cast<std::size_t>(r)] = store_of(i, r);
        }
        transform<C>(team_, step_of(i), loads, stores, work_.initial(i), options);
      }
    };
    with_call(i, call);
  }

  void rank_call(std::size_t i, int rank, const call_options& options) const {
    const auto call = [&]<class C>(C) {
      const T* in = work_.in(slab(rank), i, rank);
      if constexpr (Kind == memory_kind::ordinary) {
        call_rank<C>(step_of(i), rank, in, work_.out(slab(rank), i, rank), work_.initial(i),
                     options);
      } else {
        transform<C>(team_.rank(rank), step_of(i), load_from<T>{in}, store_of(i, rank),
                     work_.initial(i), options);
      }
    };
    with_call(i, call);
  }

 private:
  template <class Call>
  void with_call(std::size_t i, const Call& call) const {
    const bool known = ((step_of(i).which == Calls::which ? (call(Calls{}), true) : false) || ...);
    if (!known) throw std::logic_error("no such call was compiled: " + step_of(i).to_string());
  }

  template <class C>
  void call_team(const step& s, const std::array<const T*, N>& in, const std::array<T*, N>& out,
                 const T& initial, const call_options& options) const {
    using policies = typename C::policies;
    if constexpr (C::which == collective::all_reduce) {
      all_reduce<policies>(team_, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::reduce_scatter) {
      reduce_scatter<policies>(team_, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::reduce) {
      reduce<policies>(team_, in, out, s.count, Op{}, s.root, options);
    } else if constexpr (C::which == collective::inclusive_scan) {
      inclusive_scan<policies>(team_, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::exclusive_scan) {
      exclusive_scan<policies>(team_, in, out, s.count, Op{}, initial, options);
    } else if constexpr (C::which == collective::all_gather) {
      all_gather<policies>(team_, in, out, s.count, options);
    } else if constexpr (C::which == collective::all_to_all) {
      all_to_all<policies>(team_, in, out, s.count, options);
    } else if constexpr (C::which == collective::broadcast) {
      broadcast<policies>(team_, in, out, s.count, s.root, options);
    } else if constexpr (C::which == collective::gather) {
      gather<policies>(team_, in, out, s.count, s.root, options);
    } else if constexpr (C::which == collective::scatter) {
      scatter<policies>(team_, in, out, s.count, s.root, options);
    } else if constexpr (C::which == collective::send_recv) {
      std::array<int, N> to{};
      std::copy(s.to.begin(), s.to.end(), to.begin());
      send_recv<policies>(team_, to, in, out, s.count, options);
    } else {
      barrier<policies>(team_, options);
    }
  }

  template <class C>
  void call_rank(const step& s, int r, const T* in, T* out, const T& initial,
                 const call_options& options) const {
    using policies = typename C::policies;
    const rank_handle<Team> rank = team_.rank(r);
    if constexpr (C::which == collective::all_reduce) {
      all_reduce<policies>(rank, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::reduce_scatter) {
      reduce_scatter<policies>(rank, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::reduce) {
      reduce<policies>(rank, in, r == s.root ? out : nullptr, s.count, Op{}, s.root, options);
    } else if constexpr (C::which == collective::inclusive_scan) {
      inclusive_scan<policies>(rank, in, out, s.count, Op{}, options);
    } else if constexpr (C::which == collective::exclusive_scan) {
      exclusive_scan<policies>(rank, in, out, s.count, Op{}, initial, options);
    } else if constexpr (C::which == collective::all_gather) {
      all_gather<policies>(rank, in, out, s.count, options);
    } else if constexpr (C::which == collective::all_to_all) {
      all_to_all<policies>(rank, in, out, s.count, options);
    } else if constexpr (C::which == collective::broadcast) {
      broadcast<policies>(rank, r == s.root ? in : nullptr, out, s.count, s.root, options);
    } else if constexpr (C::which == collective::gather) {
      gather<policies>(rank, in, r == s.root ? out : nullptr, s.count, s.root, options);
    } else if constexpr (C::which == collective::scatter) {
      scatter<policies>(rank, r == s.root ? in : nullptr, out, s.count, s.root, options);
    } else if constexpr (C::which == collective::send_recv) {
      const int to = s.to[static_cast<std::size_t>(r)];
      const int from = oracle::sender_to({.ranks = team_.rank_count(), .to = s.to}, r);
      if (to >= 0 && from >= 0) {
        send_recv<policies>(rank, to, in, from, out, s.count, options);
      } else if (to >= 0) {
        send<policies>(rank, to, in, s.count, options);
      } else if (from >= 0) {
        recv<policies>(rank, from, out, s.count, options);
      }
    } else {
      barrier<policies>(rank, options);
    }
  }

  /// By functors, for the team or for one rank.
  template <class C, class Caller, class Loads, class Stores>
  void transform(Caller&& who, const step& s, const Loads& load, const Stores& store,
                 const T& initial, const call_options& options) const {
    using policies = typename C::policies;
    const auto finish = make_default_finish<Op, T, N>(team_.rank_count());
    if constexpr (C::which == collective::all_reduce) {
      transform_all_reduce<policies>(who, s.count, load, Op{}, finish, store, options);
    } else if constexpr (C::which == collective::reduce_scatter) {
      transform_reduce_scatter<policies>(who, s.count, load, Op{}, finish, store, options);
    } else if constexpr (C::which == collective::reduce) {
      transform_reduce<policies>(who, s.count, s.root, load, Op{}, finish, store, options);
    } else if constexpr (C::which == collective::inclusive_scan) {
      transform_inclusive_scan<policies>(who, s.count, load, Op{}, finish, store, options);
    } else if constexpr (C::which == collective::exclusive_scan) {
      transform_exclusive_scan<policies>(who, s.count, load, Op{},
                                         element_traits<T>::widen(initial), finish, store, options);
    } else if constexpr (C::which == collective::all_gather) {
      transform_all_gather<policies>(who, s.count, load, store, options);
    } else if constexpr (C::which == collective::all_to_all) {
      transform_all_to_all<policies>(who, s.count, load, store, options);
    } else if constexpr (C::which == collective::broadcast) {
      transform_broadcast<policies>(who, s.count, s.root, load, store, options);
    } else if constexpr (C::which == collective::gather) {
      transform_gather<policies>(who, s.count, s.root, load, store, options);
    } else {
      static_assert(C::which == collective::scatter, "a collective that has functors");
      transform_scatter<policies>(who, s.count, s.root, load, store, options);
    }
  }

  [[nodiscard]] const step& step_of(std::size_t i) const { return work_.steps()[i]; }
  [[nodiscard]] std::byte* slab(int rank) const { return slab_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] store_to_symmetric<T, N> store_of(std::size_t i, int rank) const {
    store_to_symmetric<T, N> store{};
    store.data = work_.out(slab(rank), i, rank);
    for (int q = 0; q < team_.rank_count(); ++q) store.peers[q] = work_.out(slab(q), i, q);
    return store;
  }

  Team& team_;
  const program<T>& work_;
  const Slabs& slab_;
};

/// Runs a program on a team and checks all that it leaves.
template <class Place, class T, class Op, int N, memory_kind Kind, class... Calls>
void run_program(typename Place::template team<N>& team, const program<T>& work, caller who,
                 const std::string& where, report& result) {
  Place place{team};
  const slabs<Place, N, Kind> slab{place, team, work.bytes()};
  const int ranks = team.rank_count();
  for (int r = 0; r < ranks; ++r) place.upload(r, slab[static_cast<std::size_t>(r)], work.image(r));
  place.wait();

  const issuer<T, Op, N, Kind, typename Place::template team<N>, slabs<Place, N, Kind>, Calls...>
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
    for (int r = 0; r < ranks; ++r) {
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
  for (int r = 0; r < ranks; ++r) {
    work.check(r, place.download(r, slab[static_cast<std::size_t>(r)], work.bytes()), result);
  }
}

/// One combination of types and values, on all teams of so many ranks that the place has for it.
template <class Place, class T, class Op, int N, class Policies, memory_kind Kind, collective Which>
void run_with_ranks(int ranks, bool thorough, std::size_t most_bytes, report& result) {
  constexpr oracle::operation op = operation_of<Op>();
  std::vector<peerfold::policy> policies(Policies::list.begin(), Policies::list.end());
  policies.push_back(automatic);
  for (const setting& chosen : Place::settings(ranks, thorough)) {
    const std::string name = std::to_string(ranks) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, ranks);
      const geometry where{sizeof(T), ranks, team.channels(), team.ranks()->shape(0),
                           std::min(chosen.most_bytes, most_bytes)};
      const program<T> work{op, ranks, make_steps(where, Which, policies), 1, chosen.options.links};
      run_program<Place, T, Op, N, Kind, called<Which, Policies>>(team, work, chosen.who, name,
                                                                  result);
    });
    if (!result.ok()) return;
  }
}

/// The same of N ranks.
template <class Place, class T, class Op, int N, class Policies, memory_kind Kind, bool Thorough,
          collective Which = collective::all_reduce>
void run_combination(report& result) {
  if (!Place::has(N)) return result.skip();
  run_with_ranks<Place, T, Op, N, Policies, Kind, Which>(N, Thorough, SIZE_MAX, result);
}

}  // namespace peerfold::test
