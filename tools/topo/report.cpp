#include "report.hpp"

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
using peerfold::topology::to_string;

// "NV12s": 12 NVLinks, through switches.
std::string cell_of(const connection& c) {
  if (c.path == path_kind::nvlink) {
    return "NV" + (c.links ? std::to_string(*c.links) : "?") +
           (c.through_switch == true ? "s" : "");
  }
  if (c.path == path_kind::unknown && c.peer_access) return *c.peer_access ? "peer" : "no peer";
  return std::string(to_string(c.path));
}

std::string rate_of(const connection& c) {
  if (c.path == path_kind::self) return "-";
  if (!c.gbps) return "?";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", *c.gbps);
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

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
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
  const auto is_rated = [&] {
    for (int i = 0; i < g.size(); ++i) {
      for (int j = 0; j < g.size(); ++j) {
        if (g.at(i, j).gbps) return true;
      }
    }
    return false;
  };
  if (!is_rated()) return;
  out << "\nGB/s one way:\n\n";
  print_matrix(out, g, rate_of);
}

void print_json(std::ostream& out, const graph& g, const std::string& source) {
  json gpus = json::array();
  for (const gpu& each : g.gpus()) {
    gpus.push_back({{"name", each.name},
                    {"bus_id", each.bus_id.empty() ? json(nullptr) : json(each.bus_id)},
                    {"numa_node", or_null(each.numa_node)},
                    {"compute_capability", or_null(each.sm)},
                    {"links_to_cpu", each.links_to_cpu}});
  }
  json pairs = json::array();
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      if (i == j) continue;
      const connection& c = g.at(i, j);
      pairs.push_back(
          {{"from", i},
           {"to", j},
           {"path",
            c.path == path_kind::unknown ? json(nullptr) : json(std::string(to_string(c.path)))},
           {"links", or_null(c.links)},
           {"through_switch", or_null(c.through_switch)},
           {"gbps", or_null(c.gbps)},
           {"peer_access", or_null(c.peer_access)}});
    }
  }
  // Names may hold bytes that are no UTF-8.
  const json document{{"source", source}, {"gpus", gpus}, {"pairs", pairs}};
  out << document.dump(1, ' ', false, json::error_handler_t::replace) << '\n';
}

}  // namespace topo
