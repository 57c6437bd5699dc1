#include "tuner.hpp"

#include <peerfold/policy/node_selector.hpp>
#include <peerfold/topology/routes.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "planning.hpp"

namespace topo {

void write_tuning(std::ostream& out, const peerfold::tuning& measured, const std::string& comment) {
  out << "peerfold-tuning 1\nmachine " << measured.machine() << "\n# " << comment
      << "\n# collective ranks memory policy bytes us\n";
  char line[160];
  for (const peerfold::tuning_point& p : measured.points()) {
    std::snprintf(line, sizeof line, "%s %d %s %s %zu %.3f\n", to_string(p.which), p.ranks,
                  p.symmetric ? "symmetric" : "ordinary", std::string(to_string(p.of)).c_str(),
                  p.bytes, p.us);
    out << line;
  }
}

void report_differences(std::ostream& out, const peerfold::topology::graph& node,
                        const peerfold::tuning& measured, const std::vector<int>& devices) {
  constexpr double much = 0.2;
  const peerfold::cost_model model(node);
  std::size_t compared = 0;
  std::size_t differing = 0;
  std::string lines;
  for (const peerfold::tuning_point& p : measured.points()) {
    const auto* const k = peerfold::constants_of(p.of, p.symmetric);
    if (k == nullptr) continue;
    peerfold::call_shape call;
    call.which = p.which;
    call.part_bytes = static_cast<double>(p.bytes);
    call.gpus = devices;
    call.routes = peerfold::topology::plan_routes(node, devices);
    const double us = model.predict(call, p.of, *k, {p.symmetric, 0}).us();
    ++compared;
    if (std::abs(us / p.us - 1) <= much) continue;
    ++differing;
    char line[200];
    std::snprintf(line, sizeof line, "  %s %s %s %s: measured %.2f us, predicted %.2f\n",
                  to_string(p.which), std::string(to_string(p.of)).c_str(),
                  p.symmetric ? "symmetric" : "ordinary",
                  size_text(static_cast<double>(p.bytes)).c_str(), p.us, us);
    lines += line;
  }
  out << "the model is wrong by more than 20 % at " << differing << " of " << compared
      << " measured times" << (differing == 0 ? "" : ":") << '\n'
      << lines;
}

}  // namespace topo
