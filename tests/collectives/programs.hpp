/// \file
/// Random programs: mixed collectives, roots, sizes, policies and channels, without a pause between
/// the calls. rapidcheck makes them, prints its seed, and cuts down what fails; RC_PARAMS (see
/// CONTRIBUTING.md) replays a seed or asks for more.
#pragma once

#include <peerfold/peerfold.hpp>
#include <peerfold/sync/delay.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <rapidcheck.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

/// Seconds that a rank of a random program waits for another.
#if !defined(PEERFOLD_PROGRAM_BUDGET)
#define PEERFOLD_PROGRAM_BUDGET 60
#endif

namespace peerfold::test {

/// For rapidcheck.
inline void showValue(const step& s, std::ostream& out) { out << s.to_string(); }

namespace detail {

/// What a program is run on.
struct random_team {
  bool symmetric = false;
  bool ranks_call = false;
  int workers = 1;
  bool large_slots = false;  ///< so that messages carry several tiles
  std::uint64_t first_sequence = 0;
  std::uint64_t delay_seed = 0;
};
inline void showValue(const random_team& t, std::ostream& out) {
  out << (t.symmetric ? "symmetric memory, " : "ordinary memory, ")
      << (t.ranks_call ? "rank calls, " : "team calls, ") << t.workers << " workers, "
      << (t.large_slots ? "large" : "small") << " slots, first sequence " << t.first_sequence
      << ", delays " << t.delay_seed;
}

/// A list of calls, by which programs are made and instantiated.
template <class... Calls>
struct call_list {
  static std::vector<collective> collectives() { return {Calls::which...}; }
  static std::vector<peerfold::policy> policies_of(collective which) {
    std::vector<peerfold::policy> found{automatic};
    const auto add = [&](bool called, const auto& list) {
      if (called) found.insert(found.end(), list.begin(), list.end());
    };
    (add(which == Calls::which, Calls::policies::list), ...);
    return found;
  }
};

/// The calls of each kind of memory. Send/recv and the barrier have no symmetric form.
#if defined(PEERFOLD_FEW_CALLS)  // all that differs between ranks, by both transports
using ordinary_calls = call_list<called<collective::all_reduce, floating_policies>,
                                 called<collective::broadcast, exchange_policies>,
                                 called<collective::reduce, policies<chain_packet>>,
                                 called<collective::send_recv, exchange_policies>,
                                 called<collective::barrier, exchange_policies>>;
#else
using ordinary_calls = call_list<
    called<collective::all_reduce,
           policies<one_shot_packet, one_shot_store, two_shot_packet, two_shot_store, chain_packet,
                    tree_store, one_shot_sentinel, two_shot_sentinel>>,
    called<collective::reduce_scatter,
           policies<one_shot_packet, one_shot_store, one_shot_sentinel>>,
    called<collective::all_gather, exchange_policies>,
    called<collective::broadcast,
           policies<one_shot_packet, one_shot_store, two_shot_store, chain_store, tree_packet>>,
    called<collective::reduce, policies<one_shot_packet, one_shot_store, two_shot_packet,
                                        two_shot_store, chain_store, one_shot_sentinel>>,
    called<collective::all_to_all, exchange_policies>,
    called<collective::gather, exchange_policies>, called<collective::scatter, exchange_policies>,
    called<collective::send_recv, exchange_policies>,
    called<collective::inclusive_scan, exchange_policies>,
    called<collective::exclusive_scan, exchange_policies>,
    called<collective::barrier, exchange_policies>>;
#endif
template <class Place>
using symmetric_calls =
    call_list<called<collective::all_reduce, typename Place::symmetric_policies>,
              called<collective::all_gather, typename Place::symmetric_copy_policies>,
              called<collective::broadcast, typename Place::symmetric_copy_policies>,
              called<collective::all_to_all, typename Place::symmetric_copy_policies>,
              called<collective::gather, typename Place::symmetric_copy_policies>,
              called<collective::scatter, typename Place::symmetric_copy_policies>>;

/// Who sends to whom: a permutation, but that some send to none.
template <int N>
rc::Gen<std::vector<int>> random_destinations() {
  return rc::gen::exec([] {
    std::vector<int> to(N);
    std::iota(to.begin(), to.end(), 0);
    for (std::size_t i = N - 1; i > 0; --i) {
      std::swap(to[i], to[*rc::gen::inRange<std::size_t>(0, i + 1)]);
    }
    for (int& rank : to) {
      if (*rc::gen::inRange(0, 4) == 0) rank = -1;
    }
    return to;
  });
}

template <class Calls, int N>
rc::Gen<step> random_step(int channels) {
  return rc::gen::exec([channels] {
    step s;
    s.which = *rc::gen::elementOf(Calls::collectives());
    const auto policies = Calls::policies_of(s.which);
    s.policy = *rc::gen::elementOf(policies);
    if (s.which == collective::barrier) return s;
    s.count =
        *rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, 10), rc::gen::inRange<std::size_t>(0, 600),
                        rc::gen::inRange<std::size_t>(0, 9000),
                        rc::gen::weightedElement<std::size_t>({{9, 777}, {1, 40'001}}));
    s.in_place = *rc::gen::arbitrary<bool>() && can_be_in_place(s.which, policies);
    s.in_shift = *rc::gen::inRange(0u, 5u);
    s.out_shift = *rc::gen::inRange(0u, 5u);
    s.channel = *rc::gen::inRange(0, channels);
    s.max_blocks = *rc::gen::inRange(0, 3);
    if (is_rooted(s.which)) s.root = *rc::gen::inRange(0, N);
    if (s.which == collective::send_recv) s.to = *random_destinations<N>();
    return s;
  });
}

inline rc::Gen<random_team> random_team_of(bool symmetric, bool launches_apart, int most_workers) {
  return rc::gen::exec([=] {
    random_team t;
    t.symmetric = symmetric;
    t.ranks_call = launches_apart && *rc::gen::arbitrary<bool>();
    t.workers = *rc::gen::inRange(1, most_workers + 1);
    t.large_slots = *rc::gen::inRange(0, 3) == 0;
    // Where numbers wrap in 16, 31 and 32 bits, and where slots are wiped.
    const auto power = *rc::gen::element(14u, 15u, 31u, 32u);
    t.first_sequence =
        *rc::gen::oneOf(rc::gen::just(std::uint64_t{0}),
                        rc::gen::inRange<std::uint64_t>((std::uint64_t{1} << power) - 40,
                                                        (std::uint64_t{1} << power) + 4));
    t.delay_seed = PEERFOLD_DELAYS != 0 ? *rc::gen::inRange<std::uint64_t>(1, 1000) : 0;
    return t;
  });
}

/// The options of a team of random programs.
inline team_options options_for(const random_team& how) {
  team_options options;
  options.wait_budget = std::chrono::seconds{PEERFOLD_PROGRAM_BUDGET};
  options.channels = {{2}, {1}};
  options.staging_bytes = how.large_slots ? std::size_t{16} << 20 : 1;
  options.workers = how.workers;
  options.first_sequence = how.first_sequence;
  options.delay_seed = how.delay_seed;
  return options;
}

template <class Place, int N, memory_kind Kind, class... Calls>
void run_random_program(call_list<Calls...>, const random_team& how, const std::vector<step>& steps,
                        report& result) {
  auto team = Place::template make_team<N>(options_for(how));
  const program<float> work{oracle::operation::sum, N, steps, how.first_sequence};
  run_program<Place, float, peerfold::sum, N, Kind, Calls...>(
      team, work, how.ranks_call ? caller::ranks : caller::team, "random program", result);
}

/// Programs of one kind of memory, until one fails.
template <class Place, int N, memory_kind Kind, class Calls>
void random_programs(report& result) {
  if (!Place::has(N)) return result.skip();
  std::size_t programs = 0;
  const bool right = rc::check(
      std::string{"programs of "} + std::to_string(N) + " ranks, " +
          (Kind == memory_kind::symmetric ? "symmetric memory" : "ordinary memory"),
      [&] {
        const auto how = *random_team_of(Kind == memory_kind::symmetric, Place::launches_apart(N),
                                         Place::most_workers);
        const auto steps = *rc::gen::container<std::vector<step>>(random_step<Calls, N>(2));
        report found;
        recording(found, "random program",
                  [&] { run_random_program<Place, N, Kind>(Calls{}, how, steps, found); });
        ++programs;
        result.count(found.calls(), found.elements());
        if (!found.ok()) RC_FAIL(found.to_string());
      });
  result.check(right, "a program failed; rapidcheck says which above");
  std::printf("%zu random programs of %d ranks\n", programs, N);
}

}  // namespace detail

/// Random programs of First to Last ranks.
template <class Place, int First, int Last>
bool add_programs() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration(
         "random programs", std::to_string(First + I) + " ranks, ordinary memory",
         &detail::random_programs<Place, First + I, memory_kind::ordinary, detail::ordinary_calls>),
     ...);
#if !defined(PEERFOLD_FEW_CALLS)
    (registration("random programs", std::to_string(First + I) + " ranks, symmetric memory",
                  &detail::random_programs<Place, First + I, memory_kind::symmetric,
                                           detail::symmetric_calls<Place>>),
     ...);
#endif
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
