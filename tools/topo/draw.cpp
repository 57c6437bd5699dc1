#include "draw.hpp"

#include <peerfold/topology/edges.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace topo {
namespace {

using peerfold::topology::connection;
using peerfold::topology::edge_map;
using peerfold::topology::gpu;
using peerfold::topology::graph;
using peerfold::topology::nvlink_generation;
using peerfold::topology::path_kind;

constexpr const char* link_colour = "#3a9a86";
constexpr const char* wire_colour = "#9a9a9a";

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '&': safe += "&amp;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c >= ' ' && c <= '~' ? c : '?';  // a name may be of any bytes
    }
  }
  return safe;
}

struct point {
  double x = 0;
  double y = 0;
};

class picture {
 public:
  explicit picture(const graph& g) : g_(g) {
    step_ = g.size() > 16 ? 54 : 92;
    for (int i = 0; i < g.size(); ++i) {
      for (int j = 0; j < g.size(); ++j) {
        const connection& c = g.at(i, j);
        if (i == j || c.path != path_kind::nvlink) continue;
        if (c.through_switch != true) farthest_ = std::max(farthest_, std::abs(i - j));
        // Behind several switches a line is a port.
        if (c.through_switch != true || g.nvswitches().size() < 2) {
          fastest_ = std::max(fastest_, rate(c));
        }
      }
      for (const auto& port : g.gpu_at(i).ports) {
        if (g.nvswitches().size() > 1) fastest_ = std::max(fastest_, rate(g.gpu_at(i), port));
      }
    }
    hang();
  }

  void write(std::ostream& out, const std::string& source) {
    const double above = 34 + std::max(farthest_ * arc_step() + 10, has_switches() ? 120.0 : 0.0);
    row_ = above;
    const double depth = static_cast<double>(levels_) * level_step;
    const std::string caption =
        source + ": " + std::to_string(g_.size()) + (g_.size() == 1 ? " GPU" : " GPUs") + legend();
    const double width =
        std::max(40 + 6.4 * static_cast<double>(caption.size()), left + step_ * g_.size() + 40);
    const double height = row_ + 50 + depth + 46;
    char head[256];
    std::snprintf(head, sizeof head,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n",
                  width, height);
    out << head << "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    draw_hanging();
    draw_links();
    draw_switches();
    for (int i = 0; i < g_.size(); ++i) draw_gpu(i);
    text({width / 2, height - 14}, 12, caption);
    out << body_ << "</svg>\n";
  }

 private:
  static constexpr double left = 60;
  static constexpr double level_step = 56;
  double arc_step() const { return g_.size() > 16 ? 12 : 30; }

  point at(int i) const { return {left + step_ * i, row_}; }

  // As fast as the source says, or as many links as there are.
  static double rate(const connection& c) { return c.gbps.value_or(25.0 * c.links.value_or(1)); }
  static double rate(const gpu& of, const peerfold::topology::switch_port& port) {
    const double link = nvlink_generation::of(of.sm.value_or(80)).gbps;
    return (link > 0 ? link : 25.0) * std::max(1, port.links);
  }
  // Lines to many switches lie close.
  double thickness(double gbps) const {
    const double widest = g_.nvswitches().size() > 1 ? 3.2 : 11;
    return std::max(widest / 8, widest * gbps / fastest_);
  }

  bool has_switches() const {
    return std::ranges::any_of(g_.gpus(), [](const gpu& each) { return !each.ports.empty(); }) ||
           some_pair([](const connection& c) { return c.through_switch == true; });
  }
  template <class Is>
  bool some_pair(const Is& is) const {
    for (int i = 0; i < g_.size(); ++i) {
      for (int j = 0; j < g_.size(); ++j) {
        if (i != j && is(g_.at(i, j))) return true;
      }
    }
    return false;
  }

  std::string legend() const {
    std::string words;
    if (some_pair([](const connection& c) { return c.path == path_kind::nvlink; })) {
      char most[64];
      std::snprintf(most, sizeof most, "; green: NVLinks, the thickest %.0f GB/s", fastest_);
      words += some_pair([](const connection& c) { return c.gbps.has_value(); })
                   ? most
                   : "; green: NVLinks";
    }
    return words + (levels_ > 0 ? "; grey: PCIe" : "");
  }

  // What GPUs hang on, as far as it is known: the nodes above each, the lowest first.
  void hang() {
    std::vector<std::vector<std::string>> chains;
    for (int i = 0; i < g_.size(); ++i) {
      std::vector<std::string> chain = edge_map::upward(g_, i);
      chain.erase(chain.begin());
      const bool knows_numa = g_.gpu_at(i).numa_node.has_value() || near_by(i, path_kind::node);
      const bool knows_host = !g_.gpu_at(i).host_bridge.empty() || near_by(i, path_kind::phb);
      if (!knows_numa) chain.pop_back();
      if (!knows_host) {
        const std::string numa = knows_numa ? chain.back() : "";
        chain.clear();
        if (knows_numa) chain.push_back(numa);
      }
      levels_ = std::max(levels_, chain.size());
      chains.push_back(std::move(chain));
    }
    for (int i = 0; i < g_.size(); ++i) {
      const auto& chain = chains[static_cast<std::size_t>(i)];
      std::string below;
      for (std::size_t k = 0; k < chain.size(); ++k) {
        node& n = nodes_[chain[k]];
        // Host bridges stand in one row, NUMA nodes in the last.
        n.level = levels_ - chain.size() + k;
        if (below.empty())
          n.gpus.push_back(i);
        else if (std::ranges::find(n.below, below) == n.below.end())
          n.below.push_back(below);
        n.sum += i;
        n.count += 1;
        below = chain[k];
      }
    }
  }
  // Whether a way over PCIe that is no farther leads to some other GPU.
  bool near_by(int i, path_kind farthest) const {
    for (int j = 0; j < g_.size(); ++j) {
      const path_kind path = g_.at(i, j).path;
      if (j != i && path >= path_kind::pix && path <= farthest) return true;
    }
    return false;
  }

  struct node {
    std::size_t level = 0;
    std::vector<int> gpus;           // right below
    std::vector<std::string> below;  // other nodes right below
    double sum = 0;                  // of the numbers of GPUs below
    int count = 0;
  };
  point at(const node& n) const {
    return {left + step_ * n.sum / n.count, row_ + 62 + static_cast<double>(n.level) * level_step};
  }

  void draw_hanging() {
    for (const auto& [name, n] : nodes_) {
      for (const int i : n.gpus) line(at(n), at(i), 2, wire_colour);
      for (const std::string& other : n.below) line(at(n), at(nodes_.at(other)), 2, wire_colour);
    }
    // What joins NUMA nodes.
    std::optional<point> last;
    std::vector<point> numa;
    for (const auto& [name, n] : nodes_) {
      if (name.starts_with("NUMA")) numa.push_back(at(n));
    }
    std::ranges::sort(numa, {}, &point::x);
    for (const point& p : numa) {
      if (last) line(*last, p, 2, wire_colour);
      last = p;
    }
    for (const auto& [name, n] : nodes_) {
      box(at(n), std::min(step_ * n.count - 6, 120.0),
          name.starts_with("NUMA") ? "#fde8c8" : "#eeeeee", name);
    }
  }

  void draw_links() {
    for (int i = 0; i < g_.size(); ++i) {
      for (int j = i + 1; j < g_.size(); ++j) {
        const connection& c = g_.at(i, j);
        if (c.path != path_kind::nvlink || c.through_switch == true) continue;
        const double high = 2 * arc_step() * (j - i);  // of the control point: twice the arc
        add("<path d=\"M %.1f %.1f Q %.1f %.1f %.1f %.1f\" fill=\"none\" stroke=\"%s\" "
            "stroke-width=\"%.1f\" stroke-opacity=\"0.75\"/>\n",
            at(i).x, row_, (at(i).x + at(j).x) / 2, row_ - high, at(j).x, row_, link_colour,
            thickness(rate(c)));
      }
    }
  }

  void draw_switches() {
    if (!has_switches()) return;
    const double y = row_ - 100;
    const std::size_t count = std::max<std::size_t>(1, g_.nvswitches().size());
    const double from = at(0).x - 30;
    const double whole = at(g_.size() - 1).x + 30 - from;
    const double wide = whole / static_cast<double>(count);
    for (int i = 0; i < g_.size(); ++i) {
      const gpu& each = g_.gpu_at(i);
      if (each.ports.empty() || count == 1) {
        double fastest = 0;
        for (int j = 0; j < g_.size(); ++j) {
          if (j != i && g_.at(i, j).through_switch == true) {
            fastest = std::max(fastest, rate(g_.at(i, j)));
          }
        }
        if (fastest > 0) line(at(i), {at(i).x, y}, thickness(fastest), link_colour);
        continue;
      }
      for (const auto& port : each.ports) {
        const double middle = from + wide * (port.nvswitch + 0.5);
        line(at(i), {middle, y}, thickness(rate(each, port)), link_colour);
      }
    }
    for (std::size_t k = 0; k < count; ++k) {
      const bool known = k < g_.nvswitches().size();
      const std::string& name = known ? g_.nvswitches()[k].bus_id : "";
      box({from + wide * (static_cast<double>(k) + 0.5), y}, wide - 4, "#d6f0d8",
          name.empty() ? "NVSwitches" : name);
    }
  }

  void draw_gpu(int i) {
    add("<rect x=\"%.1f\" y=\"%.1f\" width=\"40\" height=\"32\" rx=\"5\" fill=\"#cfe0fa\" "
        "stroke=\"#346\"/>\n",
        at(i).x - 20, row_ - 16);
    text({at(i).x, row_ + 5}, 14, std::to_string(i));
  }

  void line(point a, point b, double width, const char* colour) {
    add("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
        "stroke-width=\"%.1f\"/>\n",
        a.x, a.y, b.x, b.y, colour, width);
  }
  void box(point middle, double width, const char* fill, const std::string& label) {
    add("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"30\" rx=\"4\" fill=\"%s\" "
        "stroke=\"#666\"/>\n",
        middle.x - width / 2, middle.y - 15, width, fill);
    // As much of it, in two lines, as there is room for.
    const auto room = static_cast<std::size_t>(std::max(3.0, width / 5.6));
    const std::size_t gap = label.rfind(' ');
    if (label.size() <= room || gap == std::string::npos) {
      text({middle.x, middle.y + 4}, 10, label.substr(0, room));
    } else {
      text({middle.x, middle.y - 2}, 10, label.substr(0, std::min(gap, room)));
      text({middle.x, middle.y + 10}, 10, label.substr(gap + 1, room));
    }
  }
  void text(point middle, int size, const std::string& words) {
    char begin[128];
    std::snprintf(begin, sizeof begin, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\">", middle.x,
                  middle.y, size);
    body_ += begin + escaped(words) + "</text>\n";
  }
  template <class... Values>
  void add(const char* format, Values... values) {
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, format, values...);
    body_ += buffer;
  }

  const graph& g_;
  std::string body_;
  std::map<std::string, node> nodes_;
  std::size_t levels_ = 0;
  double step_ = 92;
  double row_ = 0;
  double fastest_ = 1;
  int farthest_ = 0;
};

}  // namespace

void draw_svg(std::ostream& out, const graph& g, const std::string& source) {
  constexpr std::size_t most = 48;
  picture(g).write(
      out, source.size() <= most ? source : "..." + source.substr(source.size() - (most - 3)));
}

}  // namespace topo
