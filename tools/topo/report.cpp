#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numbers>
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

using figure = std::optional<double> connection::*;

std::string text_of(const connection& c, figure which, int digits) {
  if (c.path == path_kind::self) return "-";
  if (!(c.*which)) return "?";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, *(c.*which));
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

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '&': safe += "&amp;"; break;
      default: safe += c >= ' ' && c <= '~' ? c : '?';  // a name may be of any bytes
    }
  }
  return safe;
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
  const auto print_figures = [&](const char* what, figure which, int digits) {
    bool is_known = false;
    for (int i = 0; i < g.size(); ++i) {
      for (int j = 0; j < g.size(); ++j) is_known = is_known || g.at(i, j).*which;
    }
    if (!is_known) return;
    out << '\n' << what << ":\n\n";
    print_matrix(out, g, [&](const connection& c) { return text_of(c, which, digits); });
  };
  print_figures("GB/s one way", &connection::gbps, 1);
  print_figures("GB/s one way that a kernel's stores reached", &connection::measured_gbps, 1);
  print_figures("Microseconds from a store to where it is seen", &connection::latency_us, 2);
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
           {"measured_gbps", or_null(c.measured_gbps)},
           {"peer_access", or_null(c.peer_access)}});
    }
  }
  // Names may hold bytes that are no UTF-8.
  const json document{{"source", source}, {"gpus", gpus}, {"pairs", pairs}};
  out << document.dump(1, ' ', false, json::error_handler_t::replace) << '\n';
}

void draw_svg(std::ostream& out, const graph& g, const std::string& source) {
  const int n = g.size();
  const double radius = std::max(150.0, 22.0 * n / std::numbers::pi);
  const double middle = radius + 90;
  const auto place = [&](int i) {
    const double angle = 2 * std::numbers::pi * (i + 0.5) / n - std::numbers::pi / 2;
    return std::array{middle + radius * std::cos(angle), middle + radius * std::sin(angle)};
  };
  char line[512];
  const auto draw = [&](const char* format, auto... values) {
    std::snprintf(line, sizeof line, format, values...);
    out << line;
  };
  double fastest = 1;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      if (i != j) fastest = std::max(fastest, g.at(i, j).gbps.value_or(0));
    }
  }
  // As thick as they are fast, where that is known.
  const auto thickness = [&](const connection& c) {
    return c.gbps ? std::max(1.0, 12 * *c.gbps / fastest) : 1.0 * c.links.value_or(1);
  };
  draw(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
      "font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\">\n",
      2 * middle, 2 * middle + 30);
  out << "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  const auto join = [&](std::array<double, 2> a, std::array<double, 2> b, double width,
                        const char* colour, const char* dashes) {
    draw(
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
        "stroke-width=\"%.1f\"%s/>\n",
        a[0], a[1], b[0], b[1], colour, width, dashes);
  };
  const std::array centre{middle, middle};
  bool has_switch = false;
  for (int i = 0; i < n; ++i) {
    double to_switch = 0;
    for (int j = 0; j < n; ++j) {
      if (i == j) continue;
      const connection& c = g.at(i, j);
      if (c.path == path_kind::nvlink && c.through_switch == true) {
        to_switch = std::max(to_switch, thickness(c));
      } else if (i < j && c.path == path_kind::nvlink) {
        join(place(i), place(j), thickness(c), "#4a9", "");
      } else if (i < j && c.path != path_kind::unknown) {
        join(place(i), place(j), 1, c.path == path_kind::sys ? "#ccc" : "#999",
             " stroke-dasharray=\"4 4\"");
      }
    }
    has_switch = has_switch || to_switch > 0;
    if (to_switch > 0) join(place(i), centre, to_switch, "#4a9", "");
  }
  if (has_switch) {
    draw(
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"110\" height=\"40\" rx=\"6\" fill=\"#dfd\" "
        "stroke=\"#385\"/>\n<text x=\"%.1f\" y=\"%.1f\">NVSwitches</text>\n",
        middle - 55, middle - 20, middle, middle + 5);
  }
  std::vector<int> nodes;
  for (const gpu& each : g.gpus()) {
    if (each.numa_node) nodes.push_back(*each.numa_node);
  }
  std::ranges::sort(nodes);
  nodes.erase(std::ranges::unique(nodes).begin(), nodes.end());
  const auto colour_of = [&](const gpu& each) {
    constexpr std::array colours{"#cdf", "#fdc", "#dfc", "#fcf", "#cff", "#ffc", "#ddd", "#fcc"};
    if (!each.numa_node) return "#fff";
    const auto at = std::ranges::find(nodes, *each.numa_node) - nodes.begin();
    return colours[static_cast<std::size_t>(at) % colours.size()];
  };
  for (int i = 0; i < n; ++i) {
    const auto at = place(i);
    const gpu& each = g.gpu_at(i);
    draw(
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"19\" fill=\"%s\" stroke=\"#346\"/>\n"
        "<text x=\"%.1f\" y=\"%.1f\">%d</text>\n",
        at[0], at[1], colour_of(each), at[0], at[1] + 5, i);
  }
  out << "<text x=\"" << middle << "\" y=\"" << 2 * middle + 10 << "\">" << escaped(source)
      << "; solid: NVLinks, dashed: PCIe; colours: NUMA nodes</text>\n</svg>\n";
}

}  // namespace topo
