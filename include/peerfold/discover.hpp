/// \file
/// The machine that a program runs on, as a graph (topology/graph.hpp).
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/topology/assemble.hpp>
#include <peerfold/topology/facts.hpp>
#include <peerfold/topology/graph.hpp>
#include <peerfold/topology/nvml.hpp>
#include <peerfold/topology/nvml_facts.hpp>
#include <peerfold/topology/sysfs.hpp>

#if defined(__CUDACC__)
#include <peerfold/execution/device_facts.cuh>
#include <peerfold/execution/peer_probe.cuh>
#endif

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::topology {

/// How discover() looks.
struct discover_options {
  std::vector<int> devices = {};  ///< numbers of CUDA, each once; GPU i of the graph is devices[i];
                                  ///< empty: all
  /// Whether data are moved between each two GPUs before they count as having peer access.
  bool probe = true;
  bool measure = true;  ///< with the probe: bandwidth of stores, latency of a flag
  std::chrono::milliseconds patience{2000};  ///< for a kernel of the probe
  std::string sysfs = "/sys";                ///< where Linux shows its devices
};

#if defined(__CUDACC__)

/// Looks at the machine by CUDA, NVML and sysfs, and, with the probe, by moving data. What cannot
/// be learned stays unknown, and has a remark. Refuses where there is no GPU (errc::no_device), and
/// devices that are named twice (errc::invalid_argument).
///
/// Any one host thread calls it, when the GPUs are idle and no stream is in capture: what else they
/// do would be waited for and spoil what is measured. The probe makes a context and takes 33 MB on
/// each device for as long as the call lasts, which is 5 to 20 ms a pair, and enables peer access,
/// which it disables again unless somebody had it before. A thread that enables the same access
/// meanwhile, other than by a team, finds it gone.
///
/// Where one process may see less than another (containers, CUDA_VISIBLE_DEVICES), this is what the
/// caller's sees. connection::ipc says whether handles of the memory can be had; to open them is
/// another process's business, which has to see the GPU too.
[[nodiscard]] inline outcome<discovery> discover(const discover_options& options = {}) {
  std::vector<int> devices = options.devices;
  node_facts node;
  if (error reason = execution::read_devices(devices, node)) {
    return peerfold::detail::refuse<discovery>(std::move(reason));
  }
  {
    const nvml::library library;
    add_nvml(node, library.get());
  }
  add_sysfs(node, options.sysfs);
  if (options.probe) {
    execution::peer_probe probe{devices,
                                {.measure = options.measure, .patience = options.patience}};
    for (std::size_t i = 0; i < devices.size(); ++i) node.gpus[i].shares = probe.shares(i);
    for (std::size_t i = 0; i < devices.size(); ++i) {
      for (std::size_t j = i + 1; j < devices.size(); ++j) {
        probe.examine(i, j, node.at(i, j), node.at(j, i));
      }
    }
  }
  return assemble(node);
}

#endif

}  // namespace peerfold::topology
