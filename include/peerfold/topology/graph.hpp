/// \file
/// The node as a graph: its GPUs, and for each ordered pair what joins them. Plain values of the
/// host, which importers, presets and the machine itself fill in; what a source does not say stays
/// unknown, and is never guessed to be there.
#pragma once

#include <peerfold/core/config.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerfold::topology {

/// The nearest way between two GPUs. The PCIe kinds are those of `nvidia-smi topo -m`.
enum class path_kind : std::uint8_t {
  unknown,
  self,
  nvlink,  ///< NVLinks, direct or through NVSwitches
  pix,     ///< one PCIe bridge at most
  pxb,     ///< several PCIe bridges, none of them of the host
  phb,     ///< a PCIe host bridge
  node,    ///< host bridges of one NUMA node
  sys      ///< the interconnect between NUMA nodes
};

/// "NVLINK", "PIX" and the like; "?" where unknown.
[[nodiscard]] constexpr std::string_view to_string(path_kind kind) noexcept {
  constexpr std::array<std::string_view, 8> names{"?",   "X",   "NVLINK", "PIX",
                                                  "PXB", "PHB", "NODE",   "SYS"};
  const auto i = static_cast<std::size_t>(kind);
  return i < names.size() ? names[i] : names[0];
}

/// An NVSwitch.
struct nvswitch {
  std::string bus_id = {};  ///< of PCI; empty: hidden, as in virtual machines

  friend bool operator==(const nvswitch&, const nvswitch&) = default;
};

/// NVLinks of a GPU that end at one switch.
struct switch_port {
  int nvswitch = 0;  ///< its number in the graph
  int links = 0;     ///< 0: their number is unknown

  friend bool operator==(const switch_port&, const switch_port&) = default;
};

/// The NVLinks of a GPU by its compute capability: their generation, how many it has at most, and
/// what one carries each way, in 1e9 bytes/s (as `nvidia-smi nvlink --status` has it, but for P100:
/// as described). 0: none known.
struct nvlink_generation {
  int number = 0;
  int links = 0;
  double gbps = 0;

  [[nodiscard]] static constexpr nvlink_generation of(int sm) noexcept {
    if (sm >= 100 && sm < 110) return {5, 18, 53.125};
    if (sm == 90) return {4, 18, 26.5625};
    if (sm == 80) return {3, 12, 25.0};
    if (sm == 70) return {2, 6, 25.78125};
    if (sm == 60) return {1, 4, 20.0};
    return {};
  }
};

/// The most links of any GPU.
inline constexpr int most_links = 18;

/// A GPU.
struct gpu {
  std::string name;                   ///< in its source: "GPU0", "nvml3", a PCI bus id
  std::string bus_id = {};            ///< of PCI; empty: unknown
  std::optional<int> numa_node = {};  ///< nothing: unknown, or of none
  std::optional<int> sm = {};         ///< compute capability, major * 10 + minor
  std::string host_bridge = {};       ///< of PCIe; empty: unknown
  /// PCIe bridges between that and it, from the top. The ports of a switch are one bridge.
  std::vector<std::string> bridges = {};
  int links_to_cpu = 0;                 ///< NVLinks that end at a CPU
  std::vector<switch_port> ports = {};  ///< NVLinks that end at NVSwitches, by switch

  /// NVLinks that end at NVSwitches.
  [[nodiscard]] int links_to_switches() const noexcept {
    int sum = 0;
    for (const switch_port& port : ports) sum += port.links;
    return sum;
  }

  /// Nothing known of it: {}.
  [[nodiscard]] nvlink_generation generation() const noexcept {
    return nvlink_generation::of(sm.value_or(0));
  }

  /// The most links that it may have, as far as its compute capability says.
  [[nodiscard]] int links_at_most() const noexcept {
    const int links = generation().links;
    return links > 0 ? links : most_links;
  }

  friend bool operator==(const gpu&, const gpu&) = default;
};

/// What joins a GPU to another, in that direction.
struct connection {
  path_kind path = path_kind::unknown;
  /// NVLinks that the pair can use, all at once; 0 where there are none.
  std::optional<int> links = {};
  /// Whether these go through switches. Behind switches a GPU's links serve all its peers.
  std::optional<bool> through_switch = {};
  std::optional<double> gbps = {};  ///< that the path can carry, in 1e9 bytes/s one way
  /// What a kernel's stores reached, alone on the node, in 1e9 bytes/s.
  std::optional<double> measured_gbps = {};
  std::optional<double> latency_us = {};    ///< from a store to where it is seen, in microseconds
  std::optional<bool> peer_access = {};     ///< loads and stores to the peer's memory
  std::optional<bool> native_atomics = {};  ///< on the peer's memory
  std::optional<bool> ipc = {};             ///< memory handles pass between processes

  friend bool operator==(const connection&, const connection&) = default;
};

/// The most GPUs of a graph.
inline constexpr int most_gpus = 256;

/// The GPUs of a node and what joins them.
class graph {
 public:
  graph() = default;
  explicit graph(std::vector<gpu> gpus)
      : gpus_{std::move(gpus)}, connections_(gpus_.size() * gpus_.size()) {
    for (int i = 0; i < size(); ++i) {
      at(i, i) = {
          .path = path_kind::self, .links = 0, .through_switch = false, .peer_access = true};
    }
  }

  /// How many GPUs.
  [[nodiscard]] int size() const noexcept { return static_cast<int>(gpus_.size()); }

  [[nodiscard]] const std::vector<gpu>& gpus() const noexcept { return gpus_; }
  [[nodiscard]] gpu& gpu_at(int i) noexcept { return gpus_[index(i)]; }
  [[nodiscard]] const gpu& gpu_at(int i) const noexcept { return gpus_[index(i)]; }

  /// The NVSwitches, which are one fabric: each GPU's links at any of them lead to all GPUs that
  /// have such links.
  [[nodiscard]] const std::vector<nvswitch>& nvswitches() const noexcept { return nvswitches_; }

  /// The number of the switch of that bus id, which is added where there is none yet.
  int nvswitch_at(std::string_view bus_id) {
    const auto found = std::ranges::find(nvswitches_, bus_id, &nvswitch::bus_id);
    const auto number = static_cast<int>(found - nvswitches_.begin());
    if (found == nvswitches_.end()) nvswitches_.push_back({std::string{bus_id}});
    return number;
  }

  /// What joins GPU `from` to GPU `to`, 0 <= from, to < size().
  [[nodiscard]] connection& at(int from, int to) noexcept {
    return connections_[index(from) * gpus_.size() + index(to)];
  }
  [[nodiscard]] const connection& at(int from, int to) const noexcept {
    return connections_[index(from) * gpus_.size() + index(to)];
  }

  /// Whether all GPUs are joined by NVLinks, each to each; nothing where the source does not say.
  [[nodiscard]] std::optional<bool> all_linked() const noexcept {
    bool known = true;
    for (int i = 0; i < size(); ++i) {
      for (int j = 0; j < size(); ++j) {
        if (j == i) continue;
        if (at(i, j).links == 0) return false;
        known = known && at(i, j).links.has_value();
      }
    }
    if (!known) return {};
    return true;
  }

  friend bool operator==(const graph&, const graph&) = default;

 private:
  [[nodiscard]] std::size_t index(int i) const noexcept {
    assert(i >= 0 && i < size());
    return static_cast<std::size_t>(i);
  }

  std::vector<gpu> gpus_;
  std::vector<nvswitch> nvswitches_;
  std::vector<connection> connections_;  ///< row by row
};

/// The way over PCIe between two GPUs whose bridges are known.
[[nodiscard]] inline path_kind pcie_path(const gpu& a, const gpu& b) {
  if (a.host_bridge.empty() || b.host_bridge.empty()) return path_kind::unknown;
  if (a.host_bridge == b.host_bridge) {
    const std::size_t most = std::min(a.bridges.size(), b.bridges.size());
    std::size_t common = 0;
    while (common < most && a.bridges[common] == b.bridges[common]) ++common;
    if (common == 0) return path_kind::phb;
    const std::size_t between = a.bridges.size() + b.bridges.size() - 2 * common + 1;
    return between == 1 ? path_kind::pix : path_kind::pxb;
  }
  if (!a.numa_node || !b.numa_node) return path_kind::unknown;
  return a.numa_node == b.numa_node ? path_kind::node : path_kind::sys;
}

/// Puts down the way over PCIe between each two GPUs whose bridges are known; links come after it.
inline void join_over_pcie(graph& g) {
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      if (i != j) g.at(i, j).path = pcie_path(g.gpu_at(i), g.gpu_at(j));
    }
  }
}

/// Joins all GPUs that have links to switches: the switches of a node reach each other's GPUs, with
/// all the links that both ends have.
inline void join_through_switches(graph& g) {
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      const int links = std::min(g.gpu_at(i).links_to_switches(), g.gpu_at(j).links_to_switches());
      if (i == j || links == 0) continue;
      connection& c = g.at(i, j);
      c.path = path_kind::nvlink;
      c.links = links;
      c.through_switch = true;
    }
  }
}

/// Puts down what NVLinks carry, where the GPUs' generation is known.
inline void rate_links(graph& g) {
  for (int i = 0; i < g.size(); ++i) {
    for (int j = 0; j < g.size(); ++j) {
      connection& c = g.at(i, j);
      if (i == j || c.path != path_kind::nvlink || !c.links || c.gbps) continue;
      const double gbps = std::min(g.gpu_at(i).generation().gbps, g.gpu_at(j).generation().gbps);
      if (gbps > 0) c.gbps = *c.links * gbps;
    }
  }
}

}  // namespace peerfold::topology
