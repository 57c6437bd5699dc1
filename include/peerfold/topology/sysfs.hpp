/// \file
/// What Linux knows of the GPUs of a node: the PCIe bridges above them and their NUMA nodes.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/topology/facts.hpp>

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace peerfold::topology {

namespace detail {

/// The first line of a file; empty where it cannot be read.
[[nodiscard]] inline std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream{file};
  std::string line;
  std::getline(stream, line);
  return line;
}

/// The host bridge and the bridges of a GPU, of where its entry of sysfs leads to:
/// ".../pci0000:15/0000:15:01.0/0000:16:00.0/0000:17:00.0/0000:1b:00.0", below the host bridge the
/// root port, then for each PCIe switch the port up and the one down. A switch is one bridge, which
/// nvidia-smi and NCCL also make of it, and the root port belongs to the host bridge.
inline void read_bridges(gpu_facts& gpu, const std::filesystem::path& entry) {
  std::vector<std::string> ports;
  for (const std::filesystem::path& part : entry) {
    const std::string name = part.string();
    if (name.starts_with("pci") && name.find(':') != std::string::npos) {
      gpu.host_bridge = name;
      ports.clear();
    } else if (!gpu.host_bridge.empty()) {
      ports.push_back(name);
    }
  }
  gpu.bridges.clear();
  for (std::size_t p = 1; p + 1 < ports.size(); p += 2) gpu.bridges.push_back(ports[p]);
}

/// What kind of device an NVLink's end is, by its PCI class.
[[nodiscard]] inline link_end::kind kind_of_class(std::string_view pci_class) {
  if (pci_class.starts_with("0x0300") || pci_class.starts_with("0x0302")) {
    return link_end::kind::gpu;
  }
  if (pci_class.starts_with("0x068001")) return link_end::kind::cpu;  // POWER's end of a link
  if (pci_class.starts_with("0x0680")) return link_end::kind::nvswitch;
  return link_end::kind::unknown;
}

}  // namespace detail

/// Reads <root>/bus/pci/devices of the GPUs of `node`, and of the ends of their links that NVML had
/// no name for. Containers may not have it: then it stays unknown, with one remark for all.
inline void add_sysfs(node_facts& node, const std::string& root = "/sys") {
  const std::filesystem::path devices = std::filesystem::path{root} / "bus/pci/devices";
  std::size_t missing = 0;
  std::size_t known = 0;
  for (gpu_facts& gpu : node.gpus) {
    if (gpu.bus_id.empty()) continue;
    ++known;
    std::error_code failure;
    const std::filesystem::path entry = std::filesystem::canonical(devices / gpu.bus_id, failure);
    if (failure) {
      ++missing;
      continue;
    }
    detail::read_bridges(gpu, entry);
    const std::string text = detail::first_line(entry / "numa_node");
    int numa_node = -1;  // which Linux writes where there is none
    std::from_chars(text.data(), text.data() + text.size(), numa_node);
    if (numa_node >= 0) gpu.numa_node = numa_node;
  }
  for (gpu_facts& gpu : node.gpus) {
    if (!gpu.links) continue;
    for (link_end& end : *gpu.links) {
      if (end.at != link_end::kind::unknown || end.bus_id.empty()) continue;
      end.at = detail::kind_of_class(detail::first_line(devices / end.bus_id / "class"));
    }
  }
  if (missing != 0) {
    node.remarks.push_back(
        peerfold::detail::text_of({devices.string(), " has ", known - missing, " of ", known,
                                   " GPUs; the others' PCIe bridges are unknown"}));
  }
}

}  // namespace peerfold::topology
