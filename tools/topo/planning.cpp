#include "planning.hpp"

#include <peerfold/core/rank.hpp>
#include <peerfold/topology/routes.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <utility>

namespace topo {
namespace {

using json = nlohmann::ordered_json;
using peerfold::collective;
using peerfold::cost_model;
using peerfold::policy_candidate;
using peerfold::policy_choice;
using peerfold::policy_request;
using peerfold::tuning;
using peerfold::topology::edge;
using peerfold::topology::graph;

constexpr std::array<element_kind, 12> elements{{{"float", 4, 4, true},
                                                 {"f32", 4, 4, true},
                                                 {"double", 8, 8, true},
                                                 {"f64", 8, 8, true},
                                                 {"half", 2, 4, true},
                                                 {"f16", 2, 4, true},
                                                 {"bfloat16", 2, 4, true},
                                                 {"bf16", 2, 4, true},
                                                 {"fp8_e4m3", 1, 4, true},
                                                 {"fp8_e5m2", 1, 4, true},
                                                 {"int32", 4, 4, false},
                                                 {"int8", 1, 1, false}}};

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string padded(std::string words, std::size_t width) {
  words.resize(std::max(width, words.size()), ' ');
  return words;
}

// What takes longest, in words.
std::string busiest(const cost_model& model, const policy_candidate& c) {
  const std::string bytes = ", " + size_text(c.predicted.busiest_bytes);
  switch (c.predicted.busiest) {
    case peerfold::cost::nothing: return "nothing is sent";
    case peerfold::cost::within_gpu: return "within a GPU" + bytes;
    case peerfold::cost::blocks: return "a rank's blocks" + bytes;
    default: break;
  }
  const edge& e = model.edges().edges()[static_cast<std::size_t>(c.predicted.busiest)];
  return e.from + " -> " + e.to + bytes;
}

std::string title(const planned_call& call, const policy_request& request,
                  const std::string& source) {
  const double of_element = call.element->bytes;
  return std::string(to_string(call.which)) + " of " +
         size_text(static_cast<double>(call.message_bytes)) + " (" +
         text("%.0f", request.call.part_bytes / of_element) + " " +
         std::string(call.element->name) + " a part), " + std::to_string(request.call.ranks()) +
         (request.call.ranks() == 1 ? " rank on " : " ranks on ") + source + ", " +
         (call.symmetric ? "symmetric" : "ordinary") + " memory";
}

std::string chosen_name(const policy_choice& choice) {
  return choice.chosen == peerfold::automatic ? "none" : std::string(to_string(choice.chosen));
}

// What the predictions rest on beside measurements.
std::vector<std::string> assumptions(const cost_model& model, const policy_request& request) {
  std::vector<std::string> all;
  bool off_hopper = false;
  bool off_source = false;
  for (const int gpu : request.call.gpus) {
    off_hopper = off_hopper || model.node().gpu_at(gpu).sm.value_or(0) != 90;
    for (const int other : request.call.gpus) {
      off_source = off_source || (other != gpu && !model.node().at(gpu, other).links);
    }
  }
  if (off_source) {
    all.emplace_back(
        "pairs whose NVLinks the source does not tell of have PCIe alone between them");
  }
  if (off_hopper) all.emplace_back("policies take as long as they did on H100");
  if (request.call.ranks() > 2) {
    all.emplace_back("further ranks take as long as they did as several on one H100");
  }
  const auto is_assumed = [](const edge& e) { return e.is_assumed; };
  if (std::ranges::any_of(model.edges().edges(), is_assumed)) {
    all.emplace_back("rates that the source does not say");
  }
  const auto is_pcie = [](const edge& e) {
    return e.kind != peerfold::topology::edge_kind::nvlink;
  };
  if (std::ranges::any_of(model.edges().edges(), is_pcie)) {
    all.emplace_back("what stores reach, and latencies, over PCIe");
  }
  return all;
}

}  // namespace

const element_kind* find_element(std::string_view name) {
  const auto* const found = std::ranges::find(elements, name, &element_kind::name);
  return found == elements.end() ? nullptr : found;
}

std::string element_names() {
  std::string names;
  for (const element_kind& e : elements) {
    names += (names.empty() ? "" : ", ") + std::string(e.name);
  }
  return names;
}

collective parse_collective(std::string_view name) {
  for (auto c = collective::all_reduce; c < collective::custom;
       c = static_cast<collective>(static_cast<unsigned>(c) + 1)) {
    if (name == to_string(c)) return c;
  }
  return collective::none;
}

std::string size_text(double bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return text(bytes == std::floor(bytes) ? "%.0f" : "%.1f", bytes) + " " + units[unit];
}

policy_request planned_call::on(const graph& node) const {
  policy_request request;
  request.call.which = which;
  request.call.gpus = gpus;
  const int count = ranks != 0      ? ranks
                    : !gpus.empty() ? static_cast<int>(gpus.size())
                                    : std::min(node.size(), peerfold::max_ranks);
  if (gpus.empty()) {
    for (int r = 0; r < count; ++r) {
      request.call.gpus.push_back(count <= node.size() ? r : r * node.size() / count);
    }
  } else if (static_cast<int>(gpus.size()) != count) {
    throw std::invalid_argument("--gpus: " + std::to_string(gpus.size()) + " for " +
                                std::to_string(count) + " ranks; name one of each");
  }
  for (const int gpu : request.call.gpus) {
    if (gpu < 0 || gpu >= node.size()) {
      throw std::invalid_argument("--gpus: " + std::to_string(gpu) + "; this node has GPUs 0 to " +
                                  std::to_string(node.size() - 1));
    }
  }
  if (count > peerfold::run_time_ranks) {
    throw std::invalid_argument("--gpus: " + std::to_string(count) + " ranks; a team has at most " +
                                std::to_string(peerfold::run_time_ranks));
  }
  if (root < 0 || root >= count) {
    throw std::invalid_argument("--root: " + std::to_string(root) + "; there are ranks 0 to " +
                                std::to_string(count - 1));
  }
  const int parts =
      std::max(peerfold::parts_given(which, count), peerfold::parts_got(which, count));
  // Whole elements.
  const double elements_of_part =
      std::floor(static_cast<double>(message_bytes) / parts / element->bytes);
  if (elements_of_part == 0 && message_bytes > 0 && which != collective::barrier) {
    throw std::invalid_argument("size: " + std::to_string(message_bytes) +
                                " bytes are less than an element of each part");
  }
  request.call.part_bytes = which == collective::barrier ? 0 : elements_of_part * element->bytes;
  request.call.root = root;
  request.call.widening = static_cast<double>(element->accumulator_bytes) / element->bytes;
  request.call.routes = peerfold::topology::plan_routes(node, request.call.gpus);
  request.reproducible = !any_bits;
  request.sentinel = element->is_floating && count <= peerfold::max_ranks;
  request.limits = {symmetric, max_blocks};
  return request;
}

void explain(std::ostream& out, const cost_model& model, const planned_call& call,
             const tuning* measured, const std::string& source) {
  const policy_request request = call.on(model.node());
  const policy_choice choice = select_policy(model, request, measured);
  out << title(call, request, source) << "\n\n";
  out << "  policy                  predicted us  measured us  busiest\n";
  for (const policy_candidate& c : choice.candidates) {
    const bool is_chosen = c.of == choice.chosen;
    out << (is_chosen ? "> " : "  ") << padded(std::string(to_string(c.of)), 24)
        << padded(text("%12.2f", c.predicted.us()), 14)
        << padded(c.measured_us ? text("%11.2f", *c.measured_us) : "          -", 13)
        << busiest(model, c);
    if (!c.objection.empty()) out << "; no: " << c.objection;
    out << '\n';
  }
  out << "\nchosen: " << chosen_name(choice) << ", " << choice.reason << '\n';
  if (measured != nullptr) out << "measured on " << measured->machine() << '\n';
  std::string assumed;
  for (const std::string& each : assumptions(model, request)) {
    assumed += (assumed.empty() ? "" : "; ") + each;
  }
  if (!assumed.empty()) out << "predictions assume: " << assumed << '\n';
}

void explain_json(std::ostream& out, const cost_model& model, const planned_call& call,
                  const tuning* measured, const std::string& source) {
  const policy_request request = call.on(model.node());
  const policy_choice choice = select_policy(model, request, measured);
  json candidates = json::array();
  for (const policy_candidate& c : choice.candidates) {
    candidates.push_back({{"policy", std::string(to_string(c.of))},
                          {"predicted_us", c.predicted.us()},
                          {"terms_us",
                           {{"start", c.predicted.start_us},
                            {"steps", c.predicted.steps_us},
                            {"rounds", c.predicted.rounds_us},
                            {"wire", c.predicted.wire_us}}},
                          {"measured_us", c.measured_us ? json(*c.measured_us) : json(nullptr)},
                          {"busiest", busiest(model, c)},
                          {"objection", c.objection.empty() ? json(nullptr) : json(c.objection)}});
  }
  const json document{{"source", source},
                      {"collective", to_string(call.which)},
                      {"bytes", call.message_bytes},
                      {"part_bytes", request.call.part_bytes},
                      {"type", std::string(call.element->name)},
                      {"gpus", request.call.gpus},
                      {"memory", call.symmetric ? "symmetric" : "ordinary"},
                      {"chosen", choice.chosen == peerfold::automatic
                                     ? json(nullptr)
                                     : json(std::string(to_string(choice.chosen)))},
                      {"reason", choice.reason},
                      {"candidates", candidates},
                      {"assumptions", assumptions(model, request)}};
  out << document.dump(1, ' ', false, json::error_handler_t::replace) << '\n';
}

void crossover(std::ostream& out, const cost_model& model, const planned_call& call,
               const tuning* measured, const std::string& source) {
  constexpr int smallest = 10;  // powers of two
  constexpr int largest = 30;
  std::vector<int> counts;
  const int most = std::max(2, std::min(model.node().size(), peerfold::max_ranks));
  for (int n = std::max(2, call.root + 1); n <= most; ++n) counts.push_back(n);
  if (call.ranks != 0) counts = {call.ranks};
  if (!call.gpus.empty()) counts = {static_cast<int>(call.gpus.size())};

  std::map<std::string, char> letters;  // in the order of their first use
  std::vector<std::string> used;
  const auto letter_of = [&](const peerfold::policy& p) {
    if (p == peerfold::automatic) return '-';
    const std::string name(to_string(p));
    const auto [at, is_new] =
        letters.emplace(name, static_cast<char>('a' + static_cast<int>(letters.size())));
    if (is_new) used.push_back(name);
    return at->second;
  };
  out << to_string(call.which) << " of " << call.element->name << " on " << source << ", "
      << (call.symmetric ? "symmetric" : "ordinary") << " memory: the policy chosen\n\n";
  out << "ranks  1K        1M        1G\n";
  std::string words;
  for (const int n : counts) {
    std::string row;
    std::string ranges;
    std::optional<peerfold::policy> last;
    for (int power = smallest; power <= largest; ++power) {
      planned_call at = call;
      at.ranks = n;
      at.message_bytes = std::size_t{1} << power;
      const policy_choice choice = select_policy(model, at.on(model.node()), measured);
      row += letter_of(choice.chosen);
      if (last && *last == choice.chosen) continue;
      ranges += (ranges.empty() ? "" : ", ") + chosen_name(choice) +
                (last ? " from " + size_text(std::ldexp(1.0, power)) : "");
      last = choice.chosen;
    }
    out << padded(text("%5.0f", n), 7) << row << '\n';
    words += padded(text("%5.0f", n), 7) + ranges + '\n';
  }
  out << '\n';
  for (const std::string& name : used) out << letters.at(name) << "  " << name << '\n';
  out << '\n' << words;
}

}  // namespace topo
