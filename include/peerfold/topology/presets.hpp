/// \file
/// Machines that are known without looking at one.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/topology/graph.hpp>

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerfold::topology {

/// A machine by its name.
struct preset {
  std::string_view name;
  std::string_view what;
  graph (*make)();
};

namespace detail {

/// `count` GPUs of that compute capability, a socket for each `to_socket` of them, each under a
/// PCIe bridge of its own.
inline graph gpus_in_sockets(int count, int sm, int to_socket) {
  std::vector<gpu> gpus;
  for (int i = 0; i < count; ++i) {
    const int socket = i / to_socket;
    gpus.push_back({.name = "GPU" + std::to_string(i),
                    .numa_node = socket,
                    .sm = sm,
                    .host_bridge = "socket " + std::to_string(socket),
                    .bridges = {"bridge " + std::to_string(i)}});
  }
  graph g{std::move(gpus)};
  join_over_pcie(g);
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      if (i != j) g.at(i, j).links = 0;
    }
  }
  return g;
}

/// On those NUMA nodes, where they are not the sockets.
inline graph on_nodes(graph g, std::initializer_list<int> nodes) {
  int i = 0;
  for (const int node : nodes) g.gpu_at(i++).numa_node = node;
  return g;
}

/// A link of so many NVLinks between two GPUs.
struct direct_link {
  int a;
  int b;
  int links;
};
inline graph with_links(graph g, std::initializer_list<direct_link> all) {
  for (const direct_link& l : all) {
    for (const auto& [from, to] : {std::pair{l.a, l.b}, std::pair{l.b, l.a}}) {
      connection& c = g.at(from, to);
      c.path = path_kind::nvlink;
      c.links = l.links;
      c.through_switch = false;
    }
  }
  rate_links(g);
  return g;
}

/// With all links of every GPU at one hidden switch: how many there are is not said.
inline graph with_switches(graph g) {
  for (int i = 0; i < g.size(); ++i) {
    g.gpu_at(i).ports = {{g.nvswitch_at(""), g.gpu_at(i).generation().links}};
  }
  join_through_switches(g);
  rate_links(g);
  return g;
}

/// What PCIe carries one way, in 1e9 bytes/s: 16 lanes of the fourth and the fifth generation.
inline constexpr double pcie4 = 31.5;
inline constexpr double pcie5 = 63.0;
inline graph with_pcie(graph g, double gbps) {
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      if (i != j && g.at(i, j).path != path_kind::nvlink) g.at(i, j).gbps = gbps;
    }
  }
  return g;
}

/// The hybrid cube mesh, numbered as its driver numbers it: two quads, each joined throughout, and
/// a link from each GPU to its like in the other quad.
inline graph cube_mesh() {
  return with_links(gpus_in_sockets(8, 70, 4), {{0, 1, 1},
                                                {0, 2, 1},
                                                {0, 3, 2},
                                                {0, 4, 2},
                                                {1, 2, 2},
                                                {1, 3, 1},
                                                {1, 5, 2},
                                                {2, 3, 2},
                                                {2, 6, 1},
                                                {3, 7, 1},
                                                {4, 5, 1},
                                                {4, 6, 1},
                                                {4, 7, 2},
                                                {5, 6, 2},
                                                {5, 7, 1},
                                                {6, 7, 2}});
}

}  // namespace detail

/// All presets. Link counts and rates are those of the vendors' descriptions (DGX-1 with V100, DGX
/// A100, HGX H100, H200 and B200, GB200 NVL72) and, where there is one, of a dump of the machine
/// (tests/topology/samples).
inline constexpr std::array<preset, 10> presets{{
    {"a100-mesh", "4 A100, 4 NVLinks between each two, no switch",
     [] {
       return detail::with_links(
           detail::gpus_in_sockets(4, 80, 4),
           {{0, 1, 4}, {0, 2, 4}, {0, 3, 4}, {1, 2, 4}, {1, 3, 4}, {2, 3, 4}});
     }},
    {"dgx-a100", "8 A100, 12 NVLinks each, through NVSwitch",
     [] {
       return detail::with_switches(
           detail::on_nodes(detail::gpus_in_sockets(8, 80, 4), {3, 3, 1, 1, 7, 7, 5, 5}));
     }},
    {"hgx-h100", "8 H100, 18 NVLinks each, through NVSwitch",
     [] { return detail::with_switches(detail::gpus_in_sockets(8, 90, 4)); }},
    {"hgx-h200", "8 H200, 18 NVLinks each, through NVSwitch",
     [] { return detail::with_switches(detail::gpus_in_sockets(8, 90, 4)); }},
    {"hgx-b200", "8 B200, 18 NVLinks each, through NVSwitch",
     [] { return detail::with_switches(detail::gpus_in_sockets(8, 100, 4)); }},
    {"dgx-1v", "8 V100 in a hybrid cube mesh, 6 NVLinks each", detail::cube_mesh},
    {"nvl72", "72 GB200, 18 NVLinks each, through NVSwitch",
     [] { return detail::with_switches(detail::gpus_in_sockets(72, 100, 2)); }},
    {"nvlink-bridges", "4 A30 in two pairs, 4 NVLinks between the two of each",
     [] {
       return detail::with_pcie(
           detail::with_links(detail::gpus_in_sockets(4, 80, 2), {{0, 1, 4}, {2, 3, 4}}),
           detail::pcie4);
     }},
    {"pcie-1", "4 GPUs of one socket, PCIe only",
     [] { return detail::with_pcie(detail::gpus_in_sockets(4, 90, 4), detail::pcie5); }},
    {"pcie-2", "8 GPUs of two sockets, PCIe only",
     [] { return detail::with_pcie(detail::gpus_in_sockets(8, 90, 4), detail::pcie5); }},
}};

/// The preset of that name; null if there is none.
[[nodiscard]] constexpr const preset* find_preset(std::string_view name) noexcept {
  for (const preset& p : presets) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

}  // namespace peerfold::topology
