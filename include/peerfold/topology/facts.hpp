/// \file
/// What the sources on a machine say of its GPUs, each for itself and as it stands: CUDA, NVML and
/// sysfs. Plain values, of which assemble() (topology/assemble.hpp) makes a graph.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/topology/graph.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerfold::topology {

/// Where a device is on PCI.
struct pci_address {
  std::uint32_t domain = 0;
  std::uint32_t bus = 0;
  std::uint32_t device = 0;
  std::uint32_t function = 0;

  /// Of "domain:bus:device.function" in hexadecimal, with as many digits as there are: CUDA writes
  /// four for the domain, NVML eight. Nothing: it is no such text.
  [[nodiscard]] static std::optional<pci_address> parse(std::string_view text) noexcept {
    pci_address read;
    const std::array<std::pair<std::uint32_t*, char>, 4> fields{
        {{&read.domain, ':'}, {&read.bus, ':'}, {&read.device, '.'}, {&read.function, '\0'}}};
    for (const auto& [number, end] : fields) {
      const char* const last = text.data() + text.size();
      const auto [stop, failure] = std::from_chars(text.data(), last, *number, 16);
      if (failure != std::errc{}) return {};
      text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
      if (end == '\0') break;
      if (text.empty() || text.front() != end) return {};
      text.remove_prefix(1);
    }
    if (!text.empty() || !read.is_valid()) return {};
    return read;
  }

  /// Whether there can be a device. Virtual machines fill the address of a switch that they do not
  /// show with ones.
  [[nodiscard]] constexpr bool is_valid() const noexcept {
    return domain != 0xffff'ffff && bus <= 0xff && device <= 0x1f && function <= 7;
  }

  /// As Linux and a graph write it: "0000:1b:00.0".
  [[nodiscard]] std::string text() const {
    std::array<char, 32> written{};
    std::snprintf(written.data(), written.size(), "%04x:%02x:%02x.%x", domain, bus, device,
                  function);
    return written.data();
  }

  friend bool operator==(const pci_address&, const pci_address&) = default;
};

/// Where an active NVLink of a GPU ends.
struct link_end {
  enum class kind : std::uint8_t { unknown, gpu, nvswitch, cpu };
  kind at = kind::unknown;
  std::string bus_id = {};  ///< of PCI; empty: hidden

  friend bool operator==(const link_end&, const link_end&) = default;
};

/// A GPU's part in the fabric of NVSwitches, as the fabric manager has set it up.
struct fabric_facts {
  enum class state : std::uint8_t { none, not_started, in_progress, completed };
  state registration = state::none;
  int failure = 0;                          ///< NVML's code, once completed; 0: none
  std::array<unsigned char, 16> cluster{};  ///< GPUs of one cluster and clique reach each other
  unsigned clique = 0;
  bool is_degraded = false;       ///< has less bandwidth than it should have
  bool is_unhealthy = false;      ///< of its routes
  bool is_misconfigured = false;  ///< says its own check
};

/// A device of CUDA.
struct gpu_facts {
  std::string name = {};
  std::string bus_id = {};     ///< as pci_address::text() has it; empty: unknown
  std::optional<int> sm = {};  ///< compute capability, major * 10 + minor
  bool is_part = false;        ///< a MIG instance, which has no links of its own
  std::optional<bool> shares =
      {};  ///< whether handles of its memory can be had for other processes

  std::optional<std::vector<link_end>> links = {};  ///< the active ones, of NVML
  std::optional<double> link_gbps = {};  ///< that one of them carries, in 1e9 bytes/s one way
  std::optional<fabric_facts> fabric = {};

  std::optional<int> numa_node = {};      ///< of the host
  std::string host_bridge = {};           ///< as in a graph
  std::vector<std::string> bridges = {};  ///< as in a graph
};

/// An ordered pair of devices.
struct pair_facts {
  std::optional<bool> can_access = {};      ///< says CUDA
  std::optional<bool> native_atomics = {};  ///< says CUDA

  std::optional<bool> reads = {};  ///< says NVML, as the rest of these
  std::optional<bool> writes = {};
  std::optional<bool> over_nvlink = {};
  std::optional<bool> atomics = {};
  path_kind ancestor = path_kind::unknown;

  std::optional<bool> carries_data = {};     ///< was found when data were moved; nothing: not tried
  std::string trouble = {};                  ///< why not, or why it was not tried
  std::optional<double> measured_gbps = {};  ///< of stores, in 1e9 bytes/s
  std::optional<double> latency_us = {};     ///< of a store, in microseconds
};

/// A node.
struct node_facts {
  explicit node_facts(std::vector<gpu_facts> all = {})
      : gpus{std::move(all)}, pairs(gpus.size() * gpus.size()) {}

  [[nodiscard]] pair_facts& at(std::size_t from, std::size_t to) noexcept {
    return pairs[from * gpus.size() + to];
  }
  [[nodiscard]] const pair_facts& at(std::size_t from, std::size_t to) const noexcept {
    return pairs[from * gpus.size() + to];
  }
  /// The number of the GPU at that bus id; gpus.size() if there is none.
  [[nodiscard]] std::size_t find(std::string_view bus_id) const noexcept {
    std::size_t i = 0;
    while (i < gpus.size() && gpus[i].bus_id != bus_id) ++i;
    return i;
  }
  /// How remarks name a GPU: "GPU 0 (0000:1b:00.0)".
  [[nodiscard]] std::string label(std::size_t i) const {
    const std::string& bus_id = gpus[i].bus_id;
    return "GPU " + std::to_string(i) + (bus_id.empty() ? "" : " (" + bus_id + ")");
  }

  std::vector<gpu_facts> gpus;
  std::vector<pair_facts> pairs;     ///< row by row
  std::vector<std::string> remarks;  ///< on what could not be learned
};

}  // namespace peerfold::topology
