#include "compare.hpp"

#include <peerfold/policy/node_selector.hpp>
#include <peerfold/topology/routes.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <tuple>
#include <utility>
#include <vector>

#include "planning.hpp"

namespace topo {
namespace {

using json = nlohmann::ordered_json;
using peerfold::collective;
using peerfold::cost;
using peerfold::cost_model;
using peerfold::policy;
using peerfold::policy_request;

// A measured call, and what the model says of it.
struct row {
  policy_request request;
  policy of;
  std::size_t bytes = 0;
  double measured_us = 0;
  cost predicted;
  bool is_fitted = false;  // of the sizes that constants are fitted to

  double error() const { return predicted.us() / measured_us - 1; }
};

bool is_power_of_four(std::size_t bytes) {
  return bytes != 0 && (bytes & (bytes - 1)) == 0 &&
         static_cast<int>(std::log2(static_cast<double>(bytes))) % 2 == 0;
}

std::vector<row> rows_of(const cost_model& model, const source_text& run) {
  std::vector<row> rows;
  try {
    const json document = json::parse(run.text());
    for (const json& r : document.at("results")) {
      if (r.at("implementation") != "peerfold") continue;
      const auto named = peerfold::parse_policy(r.at("policy").get<std::string>());
      if (r.at("in_place").get<bool>() || !named || *named == peerfold::automatic ||
          r.at("run_time_ranks").get<bool>() || !r.at("type").is_string()) {
        continue;
      }
      planned_call call;
      call.which = parse_collective(r.at("collective").get<std::string>());
      call.element = find_element(r.at("type").get<std::string>());
      call.gpus = r.at("devices").get<std::vector<int>>();
      call.message_bytes = r.at("bytes").get<std::size_t>();
      call.symmetric = r.at("memory") == "symmetric";
      if (call.element == nullptr || call.which == collective::none) continue;
      if (call.gpus.empty() || r.at("time_us").get<double>() <= 0) {
        throw bad_source(run.name() + ": a result without devices, or without a time");
      }
      row found{call.on(model.node()),         *named, call.message_bytes,
                r.at("time_us").get<double>(), {},     is_power_of_four(call.message_bytes)};
      found.request.call.part_bytes = r.at("count").get<double>() * call.element->bytes;
      const auto* const k = peerfold::constants_of(*named, call.symmetric);
      if (k == nullptr) continue;
      found.predicted = model.predict(found.request.call, *named, *k, found.request.limits);
      rows.push_back(std::move(found));
    }
  } catch (const json::exception& failure) {
    throw bad_source(run.name() + ": no results of peerfold-bench: " + failure.what());
  } catch (const std::invalid_argument& failure) {
    throw bad_source(run.name() + ": of another node: " + failure.what());
  }
  if (rows.empty()) throw bad_source(run.name() + ": no policy of peerfold was measured in it");
  return rows;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct errors {
  std::vector<double> fitted;
  std::vector<double> between;

  void add(const row& r) { (r.is_fitted ? fitted : between).push_back(std::abs(r.error())); }
};

void print_errors(std::ostream& out, const char* name, const errors& e) {
  const auto worst = [](const std::vector<double>& values) {
    return values.empty() ? 0.0 : *std::ranges::max_element(values);
  };
  char line[256];
  std::snprintf(line, sizeof line, "%-52s %6zu %6.1f %6.1f   %6zu %6.1f %6.1f\n", name,
                e.fitted.size(), 100 * median(e.fitted), 100 * worst(e.fitted), e.between.size(),
                100 * median(e.between), 100 * worst(e.between));
  out << line;
}

}  // namespace

void compare(std::ostream& out, const cost_model& model, const source_text& run) {
  const std::vector<row> rows = rows_of(model, run);
  std::map<std::string, errors> by_policy;
  std::map<int, errors> by_ranks;
  errors all;
  using call_key = std::tuple<std::string, bool, std::vector<int>, int, std::size_t>;
  std::map<call_key, std::vector<const row*>> calls;
  for (const row& r : rows) {
    const int ranks = r.request.call.ranks();
    const std::string which(to_string(r.request.call.which));
    const bool symmetric = r.request.limits.symmetric;
    by_policy[which + ' ' + std::string(to_string(r.of)) +
              (symmetric ? " symmetric " : " ordinary ") + std::to_string(ranks) + " ranks"]
        .add(r);
    by_ranks[ranks].add(r);
    all.add(r);
    calls[{which, symmetric, r.request.call.gpus, ranks, r.bytes}].push_back(&r);
  }
  char line[256];
  std::snprintf(line, sizeof line, "%-52s %6s %6s %6s   %6s %6s %6s\n", "errors in percent",
                "fitted", "median", "most", "others", "median", "most");
  out << line;
  for (const auto& [name, e] : by_policy) print_errors(out, name.c_str(), e);
  for (const auto& [ranks, e] : by_ranks) {
    print_errors(out, (std::to_string(ranks) + " ranks").c_str(), e);
  }
  print_errors(out, "all", all);

  std::size_t good = 0;
  std::size_t unmeasured = 0;  // where the selected policy was not
  double most = 1;
  std::string misses;
  for (const auto& [key, candidates] : calls) {
    const auto* const best =
        *std::ranges::min_element(candidates, {}, [](const row* r) { return r->measured_us; });
    const peerfold::policy_choice choice = select_policy(model, candidates.front()->request);
    const auto chosen = std::ranges::find(candidates, choice.chosen, &row::of);
    if (chosen == candidates.end()) {
      ++unmeasured;
      continue;
    }
    const double ratio = (*chosen)->measured_us / best->measured_us;
    most = std::max(most, ratio);
    constexpr double close = 1.05;
    if (ratio <= close) {
      ++good;
      continue;
    }
    const auto& [which, symmetric, gpus, ranks, bytes] = key;
    std::snprintf(line, sizeof line, "  %s %s %d ranks %s: %s %.2f us, %s %.2f us\n", which.c_str(),
                  symmetric ? "symmetric" : "ordinary", ranks,
                  size_text(static_cast<double>(bytes)).c_str(),
                  std::string(to_string(choice.chosen)).c_str(), (*chosen)->measured_us,
                  std::string(to_string(best->of)).c_str(), best->measured_us);
    misses += line;
  }
  std::snprintf(line, sizeof line,
                "\nselected within 5 %% of the best: %zu of %zu calls; at most %.1f %% over it\n",
                good, calls.size() - unmeasured, 100 * (most - 1));
  out << line << misses;
  if (unmeasured > 0) {
    out << "of " << unmeasured << " calls the selected policy was not measured\n";
  }
}

void compare_json(std::ostream& out, const cost_model& model, const source_text& run) {
  json all = json::array();
  for (const row& r : rows_of(model, run)) {
    all.push_back({{"collective", to_string(r.request.call.which)},
                   {"policy", std::string(to_string(r.of))},
                   {"memory", r.request.limits.symmetric ? "symmetric" : "ordinary"},
                   {"ranks", r.request.call.ranks()},
                   {"bytes", r.bytes},
                   {"measured_us", r.measured_us},
                   {"predicted_us", r.predicted.us()},
                   {"further_steps", r.predicted.further_steps},
                   {"further_rounds", r.predicted.further_rounds},
                   {"edge_us", r.predicted.edge_us},
                   {"sharing", r.predicted.sharing},
                   {"fitted", r.is_fitted}});
  }
  out << all.dump(1) << '\n';
}

}  // namespace topo
