#include "measure.hpp"

#include <algorithm>
#include <stdexcept>

namespace bench {
namespace {

problem next_problem(const implementation& what, const assignment& ranks, std::size_t count) {
  static std::uint32_t seed = 0;  // fresh inputs for every check
  problem p;
  p.call = ranks.call(count);
  p.op = ranks.op;
  p.kind = what.reproducible() ? values::reals : values::integers;
  p.seed = ++seed;
  return p;
}

// Fills, runs one call outside any graph, and checks; also what loads and connects everything
// before a capture.
std::uint64_t run_once(implementation& what, const problem& p, placement where) {
  const rank_pointers& at = what.buffers();
  fill_inputs(p, at, where);
  if (where == placement::out_of_place) {
    poison_outputs(p, at);
    std::uint64_t elements = 0;
    for (int rank = 0; rank < p.call.ranks; ++rank) elements += p.call.written_by(rank);
    if (count_wrong(p, at, where) <
        elements - elements / 1000) {  // random integers may hit the pattern
      throw std::logic_error("the check took a poisoned output for a result");
    }
  }
  what.enqueue(where, 1);
  wait_for(what.lanes());
  what.check_health();
  return count_wrong(p, at, where);
}

timing_plan plan_for(const options& how, std::size_t bytes) {
  timing_plan plan;
  plan.calls = calls_for(how, bytes);
  plan.replays = how.replays;
  plan.gated = how.graph;
  return plan;
}

}  // namespace

int calls_for(const options& how, std::size_t bytes) {
  if (how.iterations > 0) return how.iterations;
  constexpr std::size_t kib = 1024;
  // The host's own time counts in eager mode: more calls, so that the first one's share is small.
  if (bytes <= 256 * kib) return how.graph ? 100 : 400;
  if (bytes <= 1024 * kib) return 50;
  if (bytes <= 4096 * kib) return 20;
  if (bytes <= 16384 * kib) return 10;
  return 4;
}

figure measure(implementation& what, const assignment& ranks, const options& how, std::size_t count,
               placement where) {
  const std::size_t bytes = ranks.call(count).bytes();
  const rank_pointers& at = what.buffers();
  figure result;
  result.wrong = run_once(what, next_problem(what, ranks, count), where);

  const problem timed = next_problem(what, ranks, count);
  timing_plan plan = plan_for(how, bytes);
  if (where == placement::in_place) {
    // The calls of a replay work on one another's results, so each replay starts afresh.
    plan.before_each = [&] { fill_inputs(timed, at, where); };
  } else {
    fill_inputs(timed, at, where);
    poison_outputs(timed, at);
  }
  // In eager mode the recording only tells the grid.
  const recording recorded(what.lanes(), [&] { what.enqueue(where, how.graph ? plan.calls : 1); });
  result.shape = recorded.shape();
  result.time_us = time_launches(what.lanes(), plan, [&] {
    if (how.graph) {
      recorded.launch();
    } else {
      what.enqueue(where, plan.calls);
    }
  });
  what.check_health();
  if (where == placement::out_of_place) {
    result.wrong += count_wrong(timed, at, where);
  } else {
    result.wrong += run_once(what, next_problem(what, ranks, count), where);
  }
  result.algorithm_gbps = static_cast<double>(bytes) / result.time_us * 1e-3;
  result.bus_gbps = result.algorithm_gbps * bus_factor(ranks.which, ranks.ranks());
  return result;
}

void compare(implementation& generic, implementation& hand, const assignment& ranks,
             const options& how, std::size_t count, comparison& result) {
  timing_plan plan = plan_for(how, ranks.call(count).bytes());
  plan.replays = 1;
  plan.warm_up = 1;
  std::vector<recording> recorded;
  for (implementation* each : {&generic, &hand}) {
    const problem p = next_problem(*each, ranks, count);
    if (run_once(*each, p, placement::out_of_place) != 0) {
      throw std::runtime_error(each->who().title() + " gave wrong results");
    }
    recorded.emplace_back(each->lanes(),
                          [&] { each->enqueue(placement::out_of_place, plan.calls); });
  }
  for (int turn = 0; turn < how.replays; ++turn) {
    result.generic_times.push_back(
        time_launches(generic.lanes(), plan, [&] { recorded[0].launch(); }));
    result.hand_times.push_back(time_launches(hand.lanes(), plan, [&] { recorded[1].launch(); }));
  }
  generic.check_health();
  hand.check_health();
  ++result.made;
}

}  // namespace bench
