#include "report.hpp"

#include <peerfold/topology/edges.hpp>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <vector>

#include "source_text.hpp"

namespace topo {
namespace {

using json = nlohmann::ordered_json;
using peerfold::topology::connection;
using peerfold::topology::gpu;
using peerfold::topology::path_kind;
using peerfold::topology::switch_port;
using peerfold::topology::to_string;

std::optional<double> expected_latency(const connection& c) {
  if (c.path == path_kind::unknown) return {};
  return peerfold::topology::expected_latency_us(c.path);
}

// "NV12s": 12 NVLinks, through switches.
std::string cell_of(const connection& c) {
  if (c.path == path_kind::nvlink) {
    return "NV" + (c.links ? std::to_string(*c.links) : "?") +
           (c.through_switch == true ? "s" : "");
  }
  if (c.path == path_kind::unknown && c.peer_access) return *c.peer_access ? "peer" : "no peer";
  return std::string(to_string(c.path));
}

using figure = std::optional<double> connection::*;

std::string text_of(const connection& c, figure which) {
  if (c.path == path_kind::self) return "-";
  if (!(c.*which)) return "?";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", *(c.*which));
  return text;
}

template <class Is>
bool any_pair(const graph& g, const Is& is) {
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      if (i != j && is(g.at(i, j))) return true;
    }
  }
  return false;
}

std::string latency_of(const connection& c) {
  if (c.path == path_kind::self) return "-";
  const auto us = c.latency_us ? c.latency_us : expected_latency(c);
  if (!us) return "?";
  char text[32];
  std::snprintf(text, sizeof text, "%s%.2f", c.latency_us ? "" : "~", *us);
  return text;
}

template <class Cell>
void print_matrix(std::ostream& out, const graph& g, const Cell& cell) {
  std::size_t width = 4;
  std::size_t name_width = 0;
  for (int i = 0; i < g.size(); ++i) {
    name_width = std::max(name_width, shortened(g.gpu_at(i).name).size());
    for (int j = 0; j < g.size(); ++j) width = std::max(width, cell(g.at(i, j)).size());
  }
  const auto padded = [](std::string text, std::size_t to) {
    text.resize(std::max(to, text.size()), ' ');
    return text;
  };
  std::string head = padded("", 6 + name_width);
  for (int j = 0; j < g.size(); ++j) head += padded(std::to_string(j), width + 1);
  head.erase(head.find_last_not_of(' ') + 1);
  out << head << '\n';
  for (int i = 0; i < g.size(); ++i) {
    std::string line =
        padded(std::to_string(i), 4) + padded(shortened(g.gpu_at(i).name), name_width) + "  ";
    for (int j = 0; j < g.size(); ++j) line += padded(cell(g.at(i, j)), width + 1);
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

// "NUMA node 0; cpu0 > 0000:08:00.0; NVSwitch:links 0:5, 1:4": the host bridge and the bridges
// below it, and the links to each switch. Empty: nothing known.
std::string place_of(const gpu& each) {
  std::string text;
  const auto add = [&](const std::string& what, const char* separator) {
    text += (text.empty() ? "" : separator) + what;
  };
  if (each.numa_node) add("NUMA node " + std::to_string(*each.numa_node), "");
  if (!each.host_bridge.empty()) {
    add(shortened(each.host_bridge), "; ");
    for (const std::string& bridge : each.bridges) add(shortened(bridge), " > ");
  }
  std::string ports;
  for (const switch_port& port : each.ports) {
    ports += (ports.empty() ? "" : ", ") + std::to_string(port.nvswitch) +
             (port.links > 0 ? ":" + std::to_string(port.links) : "");
  }
  if (!ports.empty()) add("NVSwitch:links " + ports, "; ");
  if (each.links_to_cpu > 0) add("CPU:links " + std::to_string(each.links_to_cpu), "; ");
  return text;
}

void print_places(std::ostream& out, const graph& g) {
  bool is_first = true;
  for (int i = 0; i < g.size(); ++i) {
    const std::string place = place_of(g.gpu_at(i));
    if (place.empty()) continue;
    out << (is_first ? "\n" : "") << "GPU " << i << ": " << place << '\n';
    is_first = false;
  }
  for (std::size_t k = 0; k < g.nvswitches().size(); ++k) {
    const std::string& bus = g.nvswitches()[k].bus_id;
    out << "NVSwitch " << k << ": " << (bus.empty() ? "hidden" : shortened(bus)) << '\n';
  }
}

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}
json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

// Null where a GPU may have ports that its source does not tell of.
json ports_of(const graph& g, int i) {
  json ports = json::array();
  for (const switch_port& port : g.gpu_at(i).ports) {
    ports.push_back({{"nvswitch", port.nvswitch},
                     {"links", port.links > 0 ? json(port.links) : json(nullptr)}});
  }
  if (!ports.empty()) return ports;
  for (int j = 0; j < g.size(); ++j) {
    const connection& c = g.at(i, j);
    if (c.links != 0 && c.through_switch != false) return nullptr;
  }
  return ports;
}

json gpu_as_json(const graph& g, int i) {
  const gpu& each = g.gpu_at(i);
  const int generation = each.generation().number;
  return {{"name", each.name},
          {"bus_id", or_null(each.bus_id)},
          {"numa_node", or_null(each.numa_node)},
          {"compute_capability", or_null(each.sm)},
          {"nvlink_generation", generation > 0 ? json(generation) : json(nullptr)},
          {"host_bridge", or_null(each.host_bridge)},
          {"bridges", each.host_bridge.empty() ? json(nullptr) : json(each.bridges)},
          {"links_to_cpu", each.links_to_cpu},
          {"ports", ports_of(g, i)}};
}

json pair_as_json(const graph& g, int from, int to) {
  const connection& c = g.at(from, to);
  return {
      {"from", from},
      {"to", to},
      {"path", c.path == path_kind::unknown ? json(nullptr) : json(std::string(to_string(c.path)))},
      {"links", or_null(c.links)},
      {"through_switch", or_null(c.through_switch)},
      {"gbps", or_null(c.gbps)},
      {"measured_gbps", or_null(c.measured_gbps)},
      {"peer_access", or_null(c.peer_access)},
      {"latency_us", or_null(c.latency_us)},
      {"expected_latency_us", or_null(expected_latency(c))},
      {"native_atomics", or_null(c.native_atomics)},
      {"ipc", or_null(c.ipc)}};
}

}  // namespace

void print_tables(std::ostream& out, const graph& g, const std::string& source) {
  const auto all = g.all_linked();
  out << source << ": " << g.size() << (g.size() == 1 ? " GPU" : " GPUs")
      << (g.size() < 2 ? ""
          : !all       ? ", NVLinks unknown"
          : *all       ? ", all joined by NVLinks"
                       : ", not all joined by NVLinks")
      << "\n\n";
  print_matrix(out, g, cell_of);
  out << "\nNV#: so many NVLinks, NV#s: through switches; PIX, PXB, PHB, NODE, SYS: over PCIe, as "
         "nvidia-smi has it; peer, no peer: peer access; ?: the source does not say\n";
  const auto print_figures = [&](const char* what, figure which) {
    if (!any_pair(g, [&](const connection& c) { return (c.*which).has_value(); })) return;
    out << '\n' << what << ":\n\n";
    print_matrix(out, g, [&](const connection& c) { return text_of(c, which); });
  };
  print_figures("GB/s one way", &connection::gbps);
  print_figures("GB/s one way that a kernel's stores reached", &connection::measured_gbps);
  if (any_pair(g, [](const connection& c) { return c.path != path_kind::unknown; })) {
    out << "\nLatency in us, from a store to where it is seen (~: expected, not measured):\n\n";
    print_matrix(out, g, latency_of);
  }
  print_places(out, g);
}

void print_json(std::ostream& out, const graph& g, const std::string& source) {
  json gpus = json::array();
  json pairs = json::array();
  for (int i = 0; i < g.size(); ++i) {
    gpus.push_back(gpu_as_json(g, i));
    for (int j = 0; j < g.size(); ++j) {
      if (i != j) pairs.push_back(pair_as_json(g, i, j));
    }
  }
  json nvswitches = json::array();
  for (const auto& each : g.nvswitches()) nvswitches.push_back({{"bus_id", or_null(each.bus_id)}});
  // Names may hold bytes that are no UTF-8.
  const json document{
      {"source", source}, {"gpus", gpus}, {"nvswitches", nvswitches}, {"pairs", pairs}};
  out << document.dump(1, ' ', false, json::error_handler_t::replace) << '\n';
}

}  // namespace topo
