/// \file
/// The node as edges: the one-way stretches that messages between GPUs take, and share. A route is
/// the edges from one GPU to another; where several messages take an edge at once, they divide what
/// it carries.
///
/// A GPU has an edge to every other that it is linked to, or one to the switches and one from them:
/// behind those nothing is shared. Over PCIe a route climbs from bridge to bridge to the lowest one
/// that both GPUs are below, or over the host bridges and what joins the processors.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerfold::topology {

enum class edge_kind : std::uint8_t {
  nvlink,  ///< NVLinks between two GPUs, or between one and the switches
  pcie,
  socket,  ///< between NUMA nodes
};

/// A one-way stretch.
struct edge {
  std::string from;  ///< "GPU 0", "NVSwitches", "PCIe 0000:0a:00.0", "host bridge 0", "NUMA node 1"
  std::string to;
  edge_kind kind = edge_kind::nvlink;
  double gbps = 0;          ///< that it carries, in 1e9 bytes/s
  double reached_gbps = 0;  ///< of that, what the stores of kernels reach
  bool is_assumed = false;  ///< whether gbps is an assumption, as the source does not say

  friend bool operator==(const edge&, const edge&) = default;
};

/// What is taken to hold where a source says nothing: rates of 16 lanes of PCIe, in 1e9 bytes/s, by
/// the generation that came with the GPU's, and of a link of NVLink's third generation. What joins
/// processors is taken to carry what one GPU's PCIe does.
struct assumed_rates {
  static constexpr int sm = 80;  ///< the compute capability of a GPU that is not known
  static constexpr double link = 25.0;

  [[nodiscard]] static constexpr double pcie(int sm) noexcept {
    return sm >= 90 ? 63.0 : sm >= 80 ? 31.5 : 15.75;
  }
};

/// Which part of what an edge carries the stores of kernels reach. NVLink: measured on two H100,
/// 365 of 478 GB/s (benchmarks/results). PCIe: assumed; no machine was at hand.
[[nodiscard]] constexpr double reached_share(edge_kind kind) noexcept {
  return kind == edge_kind::nvlink ? 0.763 : 0.85;
}

/// The latency to expect of a way, in microseconds, from a store to where it is seen. NVLink:
/// measured, 0.59 on two H100 and 0.69 on two H200 (benchmarks/results). Others: assumed, that each
/// bridge on the way takes its time; no machine was at hand.
[[nodiscard]] constexpr double expected_latency_us(path_kind path) noexcept {
  switch (path) {
    case path_kind::self: return 0.3;
    case path_kind::nvlink: return 0.65;
    case path_kind::pix: return 1.0;
    case path_kind::pxb: return 1.2;
    case path_kind::phb: return 1.4;
    case path_kind::node: return 1.6;
    case path_kind::sys:
    case path_kind::unknown: break;
  }
  return 2.0;
}

/// The edges of a graph, and the route between each two of its GPUs.
class edge_map {
 public:
  explicit edge_map(const graph& g)
      : gpus_{g.size()}, routes_(static_cast<std::size_t>(g.size() * g.size())) {
    for (int i = 0; i < gpus_; ++i) {
      for (int j = 0; j < gpus_; ++j) {
        if (i == j) continue;
        if (g.at(i, j).path == path_kind::nvlink) {
          link(g, i, j);
        } else {
          climb(g, i, j);
        }
      }
    }
  }

  [[nodiscard]] const std::vector<edge>& edges() const noexcept { return edges_; }

  /// Numbers of the edges from GPU `from` to GPU `to`, in order; none where they are the same.
  [[nodiscard]] const std::vector<int>& route(int from, int to) const noexcept {
    return routes_[static_cast<std::size_t>(from * gpus_ + to)];
  }

  /// The nodes over PCIe from a GPU up: itself, bridges, the host bridge, the NUMA node. What the
  /// source does not name is named by its first GPU.
  [[nodiscard]] static std::vector<std::string> upward(const graph& g, int i) {
    const gpu& at = g.gpu_at(i);
    std::vector<std::string> nodes{gpu_name(i)};
    for (auto bridge = at.bridges.rbegin(); bridge != at.bridges.rend(); ++bridge) {
      nodes.push_back("PCIe " + *bridge);
    }
    nodes.push_back("host bridge " + (at.host_bridge.empty()
                                          ? "of " + gpu_name(first_near(g, i, path_kind::phb))
                                          : at.host_bridge));
    nodes.push_back("NUMA node " + (at.numa_node
                                        ? std::to_string(*at.numa_node)
                                        : "of " + gpu_name(first_near(g, i, path_kind::node))));
    return nodes;
  }

  /// The edge between two nodes; -1 if there is none.
  [[nodiscard]] int find(std::string_view from, std::string_view to) const {
    const auto found = numbers_.find({std::string{from}, std::string{to}});
    return found == numbers_.end() ? -1 : found->second;
  }

 private:
  /// The first GPU that GPU i reaches over PCIe by a way no farther than that, or itself.
  [[nodiscard]] static int first_near(const graph& g, int i, path_kind farthest) {
    int first = i;
    for (int k = g.size() - 1; k >= 0; --k) {
      const path_kind path = g.at(i, k).path;
      if (k < first && path >= path_kind::pix && path <= farthest) first = k;
    }
    return first;
  }

  [[nodiscard]] static std::string gpu_name(int i) { return "GPU " + std::to_string(i); }

  void link(const graph& g, int i, int j) {
    const connection& c = g.at(i, j);
    const double assumed = assumed_rates::link * c.links.value_or(1);
    const double gbps = c.gbps.value_or(assumed);
    if (c.through_switch != true) {
      step(i, j, gpu_name(i), gpu_name(j), edge_kind::nvlink, gbps, c);
      return;
    }
    step(i, j, gpu_name(i), "NVSwitches", edge_kind::nvlink, gbps, c);
    step(i, j, "NVSwitches", gpu_name(j), edge_kind::nvlink, gbps, c);
  }

  void climb(const graph& g, int i, int j) {
    const connection& c = g.at(i, j);
    const double assumed =
        std::min(assumed_rates::pcie(g.gpu_at(i).sm.value_or(assumed_rates::sm)),
                 assumed_rates::pcie(g.gpu_at(j).sm.value_or(assumed_rates::sm)));
    const double gbps = c.gbps.value_or(assumed);
    std::vector<std::string> up = upward(g, i);
    std::vector<std::string> down = upward(g, j);
    // Up to the lowest that is above both, or else from one NUMA node to the other.
    const auto common = std::ranges::find_first_of(up, down);
    if (common != up.end()) {
      down.erase(std::ranges::find(down, *common), down.end());
      up.erase(common + 1, up.end());
    }
    for (auto node = down.rbegin(); node != down.rend(); ++node) up.push_back(std::move(*node));
    for (std::size_t k = 0; k + 1 < up.size(); ++k) {
      const bool crosses = up[k].starts_with("NUMA") && up[k + 1].starts_with("NUMA");
      step(i, j, up[k], up[k + 1], crosses ? edge_kind::socket : edge_kind::pcie, gbps, c);
    }
  }

  /// Adds an edge, if it is not there yet, to the route from GPU i to GPU j.
  void step(int i, int j, const std::string& from, const std::string& to, edge_kind kind,
            double gbps, const connection& c) {
    int number = find(from, to);
    if (number < 0) {
      number = static_cast<int>(edges_.size());
      edges_.push_back({from, to, kind, 0, 0, true});
      numbers_.emplace(std::pair{from, to}, number);
    }
    edge& e = edges_[static_cast<std::size_t>(number)];
    e.gbps = std::max(e.gbps, gbps);  // GPUs of several kinds: as fast as the faster ones use it
    e.reached_gbps = std::max(e.reached_gbps, c.measured_gbps.value_or(gbps * reached_share(kind)));
    e.is_assumed = e.is_assumed && !c.gbps;
    routes_[static_cast<std::size_t>(i * gpus_ + j)].push_back(number);
  }

  int gpus_;
  std::vector<edge> edges_;
  std::map<std::pair<std::string, std::string>, int> numbers_;  ///< by both ends
  std::vector<std::vector<int>> routes_;                        ///< row by row
};

}  // namespace peerfold::topology
