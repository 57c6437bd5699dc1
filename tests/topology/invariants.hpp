// What holds for every graph that an importer makes, and for every message of one that refuses.
#pragma once

#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace tests {

// In words what of it a graph breaks; empty: nothing.
inline std::string broken_invariant(const peerfold::topology::graph& g) {
  using peerfold::topology::path_kind;
  const int n = g.size();
  if (n < 1 || n > peerfold::topology::most_gpus) return "a number of GPUs";
  for (int i = 0; i < n; ++i) {
    const auto& gpu = g.gpu_at(i);
    const std::string who = "GPU " + std::to_string(i);
    if (gpu.name.empty()) return who + ": no name";
    if (g.at(i, i).path != path_kind::self || g.at(i, i).links != 0) return who + " and itself";
    int direct = 0;
    for (int j = 0; j < n; ++j) {
      if (j == i) continue;
      const auto& c = g.at(i, j);
      const auto& back = g.at(j, i);
      const std::string pair = who + " to " + std::to_string(j);
      if (c.path == path_kind::self) return pair + ": self";
      if (c.path != back.path) return pair + ": paths of the two directions";
      if (c.links != back.links) return pair + ": links of the two directions";
      if (c.through_switch != back.through_switch) return pair + ": switches in one direction";
      if (c.gbps != back.gbps) return pair + ": rates of the two directions";
      if (c.path == path_kind::nvlink ? c.links == 0 : c.links.value_or(0) != 0) {
        return pair + ": links and path";
      }
      if (c.through_switch && c.path != path_kind::nvlink) return pair + ": switches without links";
      const int links = c.links.value_or(0);
      if (links < 0 || links > std::min(gpu.links_at_most(), g.gpu_at(j).links_at_most())) {
        return pair + ": more links than there are";
      }
      if (c.gbps && !(std::isfinite(*c.gbps) && *c.gbps > 0)) return pair + ": rate";
      if (c.through_switch == false) direct += links;
    }
    if (gpu.links_to_cpu < 0) return who + ": links to a CPU";
    if (direct + gpu.links_to_cpu + gpu.links_to_switches() > gpu.links_at_most()) {
      return who + ": more links than it has";
    }
    for (const auto& port : gpu.ports) {
      if (port.nvswitch < 0 || port.links < 0 ||
          static_cast<std::size_t>(port.nvswitch) >= g.nvswitches().size()) {
        return who + ": a port of no switch";
      }
    }
  }
  return {};
}

// The same of a message about `text`: one line, "NAME:LINE:COLUMN: why", of a place that is there.
inline std::string broken_message(std::string_view message, std::string_view text,
                                  std::string_view name) {
  const auto number = [&](std::size_t& value) {
    const auto [stop, failure] =
        std::from_chars(message.data(), message.data() + message.size(), value);
    if (failure != std::errc{}) return false;
    message.remove_prefix(static_cast<std::size_t>(stop - message.data()));
    return true;
  };
  const auto skip = [&](std::string_view expected) {
    if (!message.starts_with(expected)) return false;
    message.remove_prefix(expected.size());
    return true;
  };
  std::size_t line = 0;
  std::size_t column = 0;
  if (!skip(name) || !skip(":") || !number(line) || !skip(":") || !number(column) || !skip(": ")) {
    return "no place";
  }
  if (message.empty()) return "no reason";
  for (const char c : message) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') return "not printable";
  }
  const auto lines = 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  if (line < 1 || line > lines) return "a line that is not there";
  for (std::size_t l = 1; l < line; ++l) text.remove_prefix(text.find('\n') + 1);
  if (column < 1 || column > std::min(text.find('\n'), text.size()) + 1) {
    return "a column that is not there";
  }
  return {};
}

}  // namespace tests
