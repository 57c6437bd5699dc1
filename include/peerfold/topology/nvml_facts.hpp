/// \file
/// What NVML knows of the GPUs of a node: where their NVLinks end, and what pairs of them can do.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/topology/facts.hpp>
#include <peerfold/topology/graph.hpp>
#include <peerfold/topology/nvml.hpp>

#include <array>
#include <bit>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::topology {

namespace detail {

/// Asks NVML, which is started, about the GPUs of one node.
class nvml_reader {
 public:
  nvml_reader(node_facts& node, const nvml::functions& nvml)
      : node_{node}, nvml_{nvml}, devices_(node.gpus.size(), nullptr) {}

  void read() {
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (find_device(i)) read_gpu(i);
    }
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      for (std::size_t j = 0; j < devices_.size(); ++j) {
        const bool asked = i != j && is_whole(i) && is_whole(j);
        if (asked && devices_[i] != devices_[j]) read_pair(i, j);
      }
    }
  }

 private:
  [[nodiscard]] bool is_whole(std::size_t i) const {
    return devices_[i] != nullptr && !node_.gpus[i].is_part;
  }

  /// False, with a remark, where NVML does not have the GPU.
  [[nodiscard]] bool find_device(std::size_t i) {
    const std::string& bus_id = node_.gpus[i].bus_id;
    if (bus_id.empty() || nvml_.handle_by_bus_id == nullptr) return false;
    const int result = nvml_.handle_by_bus_id(bus_id.c_str(), &devices_[i]);
    if (result == nvml::success && devices_[i] != nullptr) return true;
    devices_[i] = nullptr;
    node_.remarks.push_back(
        peerfold::detail::text_of({node_.label(i), ": NVML does not give it (", reason(result),
                                   "); its NVLinks are unknown"}));
    return false;
  }

  [[nodiscard]] std::string reason(int result) const {
    const char* const text = nvml_.error_string == nullptr ? nullptr : nvml_.error_string(result);
    if (text != nullptr) return text;
    return peerfold::detail::text_of({"error ", result});
  }

  void read_gpu(std::size_t i) {
    gpu_facts& gpu = node_.gpus[i];
    const nvml::device device = devices_[i];
    unsigned mig = 0;
    unsigned pending = 0;
    if (nvml_.mig_mode != nullptr && nvml_.mig_mode(device, &mig, &pending) == nvml::success &&
        mig != 0) {
      gpu.is_part = true;
      return;
    }
    gpu.numa_node = numa_node(device);
    gpu.fabric = fabric(device);
    read_links(i);
  }

  /// The only NUMA node of the host that is near. (nvmlDeviceGetNumaNodeId() has another one: that
  /// of the GPU's own memory, on the machines where it is a node.)
  [[nodiscard]] std::optional<int> numa_node(nvml::device device) const {
    std::array<unsigned long, 16> nodes{};
    if (nvml_.memory_affinity == nullptr ||
        nvml_.memory_affinity(device, nodes.size(), nodes.data(), nvml::scope_node) !=
            nvml::success) {
      return {};
    }
    std::optional<int> only;
    for (std::size_t w = 0; w < nodes.size(); ++w) {
      if (nodes[w] == 0) continue;
      if (only || !std::has_single_bit(nodes[w])) return {};
      only = static_cast<int>(w * sizeof(long) * CHAR_BIT) + std::countr_zero(nodes[w]);
    }
    return only;
  }

  [[nodiscard]] std::optional<fabric_facts> fabric(nvml::device device) const {
    nvml::fabric_info_v info{};
    const auto ask = [&](unsigned version) {
      info = {};
      info.version = version;
      return nvml_.fabric_v != nullptr && nvml_.fabric_v(device, &info) == nvml::success;
    };
    if (!ask(nvml::fabric_info_v3) && !ask(nvml::fabric_info_v2)) {
      nvml::fabric_info old{};
      if (nvml_.fabric == nullptr || nvml_.fabric(device, &old) != nvml::success) return {};
      info = {};
      std::memcpy(info.cluster, old.cluster, sizeof info.cluster);
      info.status = old.status;
      info.clique = old.clique;
      info.state = old.state;
    }
    fabric_facts facts;
    switch (info.state) {
      case nvml::fabric_not_started: facts.registration = fabric_facts::state::not_started; break;
      case nvml::fabric_in_progress: facts.registration = fabric_facts::state::in_progress; break;
      case nvml::fabric_completed: facts.registration = fabric_facts::state::completed; break;
      default: break;
    }
    facts.failure = facts.registration == fabric_facts::state::completed ? info.status : 0;
    std::memcpy(facts.cluster.data(), info.cluster, facts.cluster.size());
    facts.clique = info.clique;
    facts.is_degraded = nvml::is_degraded(info.health);
    facts.is_unhealthy = nvml::is_unhealthy(info.health);
    facts.is_misconfigured = nvml::is_misconfigured(info.health);
    return facts;
  }

  /// Leaves them unknown where NVML fails on one: half of the links would be a wrong graph.
  void read_links(std::size_t i) {
    gpu_facts& gpu = node_.gpus[i];
    if (nvml_.link_state == nullptr) return;
    std::vector<link_end> links;
    std::optional<unsigned> an_active;
    for (unsigned link = 0; link < nvml::max_links; ++link) {
      int state = 0;
      const int result = nvml_.link_state(devices_[i], link, &state);
      // Behind a GPU's last link, or for one that has none.
      if (result == nvml::error_not_supported || result == nvml::error_invalid_argument) continue;
      if (result != nvml::success) {
        node_.remarks.push_back(
            peerfold::detail::text_of({node_.label(i), ": NVML does not tell the state of NVLink ",
                                       link, " (", reason(result), "); its NVLinks are unknown"}));
        return;
      }
      if (state != nvml::feature_enabled) continue;
      if (!an_active) an_active = link;
      links.push_back(end_of(i, link));
    }
    gpu.links = std::move(links);
    if (an_active) gpu.link_gbps = link_rate(devices_[i], *an_active);
  }

  [[nodiscard]] link_end end_of(std::size_t i, unsigned link) const {
    using kind = link_end::kind;
    int type = nvml::device_type_unknown;
    if (nvml_.link_remote_type != nullptr &&
        nvml_.link_remote_type(devices_[i], link, &type) != nvml::success) {
      type = nvml::device_type_unknown;
    }
    nvml::pci_info pci{};
    const int result = nvml_.link_remote_pci == nullptr
                           ? nvml::error_not_found
                           : nvml_.link_remote_pci(devices_[i], link, &pci);
    const pci_address address{pci.domain, pci.bus, pci.device, 0};
    std::string bus_id;
    if (result == nvml::success && address.is_valid() && address != pci_address{}) {
      bus_id = address.text();
    }
    switch (type) {
      case nvml::device_type_switch: return {kind::nvswitch, bus_id};
      case nvml::device_type_cpu: return {kind::cpu, bus_id};
      case nvml::device_type_gpu:
        // Some clouds let each link end at its own GPU.
        if (bus_id.empty() || bus_id == node_.gpus[i].bus_id) return {};
        return {kind::gpu, bus_id};
      default: break;
    }
    if (!bus_id.empty()) {
      if (bus_id == node_.gpus[i].bus_id) return {};
      return {is_gpu(bus_id) ? kind::gpu : kind::unknown, bus_id};
    }
    // Virtual machines hide the switches, and nothing else that a GPU may be linked to.
    const bool is_hidden = result == nvml::success || result == nvml::error_not_supported;
    return {is_hidden ? kind::nvswitch : kind::unknown, {}};
  }

  /// Whether it is a GPU, of CUDA or not.
  [[nodiscard]] bool is_gpu(const std::string& bus_id) const {
    if (node_.find(bus_id) != node_.gpus.size()) return true;
    nvml::device other = nullptr;
    return nvml_.handle_by_bus_id(bus_id.c_str(), &other) == nvml::success;
  }

  [[nodiscard]] std::optional<double> link_rate(nvml::device device, unsigned link) const {
    if (nvml_.field_values == nullptr) return {};
    for (const unsigned field : {nvml::field_speed, nvml::field_speed_common}) {
      nvml::field_value value{};
      value.field_id = field;
      value.scope_id = field == nvml::field_speed ? link : 0;
      if (nvml_.field_values(device, 1, &value) != nvml::success || value.result != nvml::success) {
        continue;
      }
      double rate = 0;
      switch (value.value_type) {
        case nvml::value_unsigned: rate = value.value.as_unsigned; break;
        case nvml::value_unsigned_long:
          rate = static_cast<double>(value.value.as_unsigned_long);
          break;
        case nvml::value_unsigned_long_long:
          rate = static_cast<double>(value.value.as_unsigned_long_long);
          break;
        default: break;
      }
      if (rate > 0 && rate < 1e6) return rate * 1e-3;
    }
    return {};
  }

  void read_pair(std::size_t i, std::size_t j) {
    pair_facts& pair = node_.at(i, j);
    const auto can = [&](int capability) -> std::optional<bool> {
      int status = nvml::p2p_status_unknown;
      if (nvml_.p2p_status == nullptr ||
          nvml_.p2p_status(devices_[i], devices_[j], capability, &status) != nvml::success ||
          status == nvml::p2p_status_unknown) {
        return {};
      }
      return status == nvml::p2p_status_ok;
    };
    pair.reads = can(nvml::p2p_read);
    pair.writes = can(nvml::p2p_write);
    pair.over_nvlink = can(nvml::p2p_nvlink);
    pair.atomics = can(nvml::p2p_atomics);
    int level = -1;
    if (nvml_.common_ancestor == nullptr ||
        nvml_.common_ancestor(devices_[i], devices_[j], &level) != nvml::success) {
      return;
    }
    switch (level) {
      case nvml::topology_internal:  // two GPUs of one board
      case nvml::topology_single: pair.ancestor = path_kind::pix; break;
      case nvml::topology_multiple: pair.ancestor = path_kind::pxb; break;
      case nvml::topology_host_bridge: pair.ancestor = path_kind::phb; break;
      case nvml::topology_node: pair.ancestor = path_kind::node; break;
      case nvml::topology_system: pair.ancestor = path_kind::sys; break;
      default: break;
    }
  }

  node_facts& node_;
  const nvml::functions& nvml_;
  std::vector<nvml::device> devices_;  ///< null: NVML does not have it
};

}  // namespace detail

/// Asks NVML about the GPUs of `node`, which it knows by their PCI bus ids. What it does not
/// answer stays unknown, with a remark where that is not its habit.
inline void add_nvml(node_facts& node, const nvml::functions& nvml) {
  const char* const unknown = "; NVLinks are unknown";
  if (nvml.init == nullptr) {
    node.remarks.push_back(peerfold::detail::text_of({"no NVML (libnvidia-ml.so.1)", unknown}));
    return;
  }
  if (const int result = nvml.init(); result != nvml::success) {
    node.remarks.push_back(
        peerfold::detail::text_of({"NVML does not start (error ", result, ")", unknown}));
    return;
  }
  struct until_here {
    const nvml::functions& nvml;
    ~until_here() {
      if (nvml.shutdown != nullptr) nvml.shutdown();
    }
  } const started{nvml};
  detail::nvml_reader{node, nvml}.read();
}

}  // namespace peerfold::topology
