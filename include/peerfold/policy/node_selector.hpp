/// \file
/// The selector of a node: which policy a call should take, from the graph of the node, what is
/// called, and what the caller allows; and why. `automatic` of a call chooses among what it was
/// compiled for (policy/selector.hpp); this chooses among all there are, for people who plan and
/// for callers that name a policy. Host code.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/policy/cost_model.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/selector.hpp>
#include <peerfold/policy/traffic.hpp>
#include <peerfold/policy/traits.hpp>
#include <peerfold/policy/tuning.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peerfold {

/// A call, and what its caller allows.
struct policy_request {
  call_shape call;
  /// Only policies whose results have the bits of a fold in the order of the ranks.
  bool reproducible = true;
  /// Whether sentinels can carry the elements, and operators allow for them (see takes_sentinel).
  bool sentinel = true;
  call_limits limits;
};

/// A policy that was looked at.
struct policy_candidate {
  policy of;
  cost predicted;
  std::optional<double> measured_us;
  std::string objection;  ///< why it may not be chosen; empty where it may

  /// As measured, or else as predicted, in microseconds.
  [[nodiscard]] double us() const noexcept { return measured_us.value_or(predicted.us()); }
};

/// What was chosen, and why.
struct policy_choice {
  policy chosen = automatic;  ///< automatic: nothing may be chosen
  std::string reason;
  std::vector<policy_candidate> candidates;  ///< those that may be chosen first, the fastest before
};

namespace detail {

/// Whether NVLinks join the GPUs of a call, each to each perhaps by way of others.
[[nodiscard]] inline bool joined_by_links(const topology::graph& g, const std::vector<int>& gpus) {
  std::vector<int> reached{gpus.front()};
  for (std::size_t k = 0; k < reached.size(); ++k) {
    for (const int gpu : gpus) {
      if (g.at(reached[k], gpu).path == topology::path_kind::nvlink &&
          std::ranges::find(reached, gpu) == reached.end()) {
        reached.push_back(gpu);
      }
    }
  }
  return std::ranges::all_of(
      gpus, [&](int gpu) { return std::ranges::find(reached, gpu) != reached.end(); });
}

/// The first pair of a call that sends something, be it a message without elements, and whose GPUs
/// do not reach each other, or, where it `keeps_to_links`, have no NVLinks between them: in words,
/// or nothing.
[[nodiscard]] inline std::string pair_in_the_way(const topology::graph& g, call_shape call,
                                                 const policy& p, bool keeps_to_links) {
  call.part_bytes = std::max(1.0, call.part_bytes);
  if (call.which == collective::barrier) call.which = collective::all_gather;
  const traffic sent = traffic_of(call, p);
  for (int i = 0; i < sent.ranks(); ++i) {
    for (int j = 0; j < sent.ranks(); ++j) {
      const int from = call.gpus[static_cast<std::size_t>(i)];
      const int to = call.gpus[static_cast<std::size_t>(j)];
      if (from == to || sent.at(i, j) == 0) continue;
      if (g.at(from, to).peer_access == false) {
        return text_of({"GPU ", from, " does not reach the memory of GPU ", to});
      }
      if (keeps_to_links && g.at(from, to).path != topology::path_kind::nvlink) {
        return text_of({"GPU ", from, " sends GPU ", to, " over PCIe what NVLinks can carry"});
      }
    }
  }
  return {};
}

/// Whether the tables of policy/selector.hpp were measured on what a call runs on: two GPUs of
/// Hopper, a rank each, with NVLinks between them.
[[nodiscard]] inline bool is_tabled(const topology::graph& g, const policy_request& request) {
  const std::vector<int>& gpus = request.call.gpus;
  if (gpus.size() != 2 || gpus[0] == gpus[1] || request.limits.max_blocks != 0) return false;
  const auto is_hopper = [&](int gpu) { return g.gpu_at(gpu).sm.value_or(0) == 90; };
  const topology::connection& c = g.at(gpus[0], gpus[1]);
  return is_hopper(gpus[0]) && is_hopper(gpus[1]) && c.path == topology::path_kind::nvlink &&
         c.links.value_or(0) == topology::nvlink_generation::of(90).links;
}

[[nodiscard]] inline policy tabled_policy(const policy_request& request) {
  const call_shape& call = request.call;
  const auto bytes = static_cast<std::size_t>(call.part_bytes);
  if (call.which == collective::all_reduce) {
    return select_all_reduce(call.ranks(), bytes, request.sentinel);
  }
  const bool folds = is_reduction(call.which);
  return select_exchange(call.which, call.ranks(), bytes, request.limits.symmetric && !folds,
                         request.sentinel && folds);
}

/// Microseconds in three digits or so.
[[nodiscard]] inline std::string microseconds(double us) {
  char text[32];
  std::snprintf(text, sizeof text, us < 99.95 ? "%.2f us" : "%.0f us", us);
  return text;
}

}  // namespace detail

/// Looks at every policy of a collective that was measured anywhere, and chooses the fastest that
/// the request allows: as measured, where `measured` has times of this call; by the table, on
/// machines that it was measured on; by the model elsewhere. Where NVLinks join all GPUs of the
/// call, none is chosen that sends over PCIe.
[[nodiscard]] inline policy_choice select_policy(const cost_model& model,
                                                 const policy_request& request,
                                                 const tuning* measured = nullptr) {
  const call_shape& call = request.call;
  const int n = call.ranks();
  const topology::graph& node = model.node();
  if (n < 1) return {automatic, "a call has ranks", {}};
  const bool keeps_to_links = n > 1 && detail::joined_by_links(node, call.gpus);
  policy_choice choice;
  for (const policy& p : known_policies) {
    const cost_constants* const k = constants_of(p, request.limits.symmetric);
    if (!has_policy(call.which, p) || k == nullptr) continue;
    if (n > max_ranks && counts_early(p)) continue;
    if (n == 1 && p.algorithm != algorithm_id::one_shot) continue;  // there is nobody to send to
    policy_candidate c{p, model.predict(call, p, *k, request.limits), {}, {}};
    if (measured != nullptr) {
      c.measured_us = measured->time_us(call.which, n, request.limits.symmetric, p,
                                        static_cast<std::size_t>(call.part_bytes));
    }
    if (p.algorithm == algorithm_id::direct && !request.limits.symmetric) {
      c.objection = "outputs must be in symmetric memory";
    } else if (p.transport == transport_id::sentinel && !request.sentinel) {
      c.objection = "sentinels carry floating-point elements, for operators of the library";
    } else if (p.algorithm == algorithm_id::two_shot_relayed && call.routes.all_straight()) {
      c.objection = "no pair needs a relay";
    } else if (request.reproducible && !is_reproducible(call.which, p)) {
      c.objection = "its bits are its own";
    } else {
      c.objection = detail::pair_in_the_way(node, call, p, keeps_to_links);
    }
    choice.candidates.push_back(std::move(c));
  }
  std::ranges::stable_sort(choice.candidates, [](const auto& a, const auto& b) {
    return std::pair{!a.objection.empty(), a.us()} < std::pair{!b.objection.empty(), b.us()};
  });
  const auto may_be_chosen = [](const policy_candidate& c) { return c.objection.empty(); };
  auto first = std::ranges::find_if(choice.candidates, may_be_chosen);
  if (first == choice.candidates.end()) {
    choice.reason = "no policy does what is asked";
    return choice;
  }
  const auto any_measured = std::ranges::any_of(choice.candidates, [&](const auto& c) {
    return may_be_chosen(c) && c.measured_us.has_value();
  });
  if (any_measured) {
    // Times that were measured are compared with each other, not with predictions.
    first = std::ranges::min_element(choice.candidates, {}, [&](const auto& c) {
      return std::pair{!may_be_chosen(c) || !c.measured_us, c.us()};
    });
    choice.reason = "the fastest as measured here";
  } else if (detail::is_tabled(node, request)) {
    const policy tabled = detail::tabled_policy(request);
    const auto named = std::ranges::find_if(
        choice.candidates, [&](const auto& c) { return may_be_chosen(c) && c.of == tabled; });
    if (named != choice.candidates.end()) first = named;
    choice.reason = "by the table that was measured on such machines";
  } else {
    choice.reason = "the fastest as predicted";
  }
  choice.chosen = first->of;
  std::rotate(choice.candidates.begin(), first, first + 1);
  const auto& others = choice.candidates;
  std::string times = (any_measured ? "" : "predicted ") + detail::microseconds(others[0].us());
  if (others.size() > 1 && may_be_chosen(others[1])) {
    times +=
        detail::text_of({", ", to_string(others[1].of), " ", detail::microseconds(others[1].us())});
  }
  choice.reason += ": " + times;
  return choice;
}

}  // namespace peerfold
