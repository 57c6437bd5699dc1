/// \file
/// An NVML that is made up: GPUs whose links, pairs and fabric a test sets as it likes.
#pragma once

#include <peerfold/topology/facts.hpp>
#include <peerfold/topology/nvml.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::test {

namespace nvml = topology::nvml;

/// What a link answers.
struct fake_link {
  int state = nvml::feature_enabled;
  int state_result = nvml::success;
  int type = nvml::device_type_gpu;
  int type_result = nvml::success;
  topology::pci_address remote = {};
  int remote_result = nvml::success;
};

struct fake_gpu {
  topology::pci_address address;
  std::vector<fake_link> links = {};  ///< beyond them: no such link
  unsigned mig = 0;
  unsigned long near_nodes = 0;  ///< NUMA nodes, a bit each
  std::optional<unsigned> speed = {};
  std::optional<nvml::fabric_info_v> fabric = {};
  std::map<const fake_gpu*, int> level = {};                   ///< common ancestors
  std::map<std::pair<const fake_gpu*, int>, int> status = {};  ///< by peer and capability
};

/// The functions get at it through one pointer, so there is one at a time.
class fake_nvml {
 public:
  fake_nvml() {
    current() = this;
    using nvml::device;
    functions.init = [] { return ++current()->started, current()->init_result; };
    functions.shutdown = [] { return --current()->started, nvml::success; };
    functions.handle_by_bus_id = [](const char* bus_id, device* found) {
      const auto address = topology::pci_address::parse(bus_id);
      for (const auto& gpu : current()->gpus) {
        if (address == gpu->address) {
          *found = gpu.get();
          return nvml::success;
        }
      }
      return nvml::error_not_found;
    };
    functions.mig_mode = [](device d, unsigned* now, unsigned* later) {
      *now = *later = of(d).mig;
      return nvml::success;
    };
    functions.memory_affinity = [](device d, unsigned, unsigned long* nodes, unsigned) {
      *nodes = of(d).near_nodes;
      return nvml::success;
    };
    functions.link_state = [](device d, unsigned link, int* state) {
      if (link >= of(d).links.size()) return nvml::error_not_supported;
      *state = of(d).links[link].state;
      return of(d).links[link].state_result;
    };
    functions.link_remote_type = [](device d, unsigned link, int* type) {
      *type = of(d).links.at(link).type;
      return of(d).links[link].type_result;
    };
    functions.link_remote_pci = [](device d, unsigned link, nvml::pci_info* info) {
      const topology::pci_address& remote = of(d).links.at(link).remote;
      info->domain = remote.domain;
      info->bus = remote.bus;
      info->device = remote.device;
      return of(d).links[link].remote_result;
    };
    functions.field_values = [](device d, int, nvml::field_value* field) {
      if (field->field_id != nvml::field_speed_common || !of(d).speed) {
        field->result = nvml::error_not_supported;
        return nvml::success;
      }
      field->result = nvml::success;
      field->value_type = nvml::value_unsigned;
      field->value.as_unsigned = *of(d).speed;
      return nvml::success;
    };
    functions.p2p_status = [](device a, device b, int capability, int* status) {
      const auto found = of(a).status.find({&of(b), capability});
      *status = found == of(a).status.end() ? nvml::p2p_status_ok : found->second;
      return nvml::success;
    };
    functions.common_ancestor = [](device a, device b, int* level) {
      const auto found = of(a).level.find(&of(b));
      if (found == of(a).level.end()) return nvml::error_not_supported;
      *level = found->second;
      return nvml::success;
    };
    functions.fabric_v = [](device d, nvml::fabric_info_v* info) {
      if (!of(d).fabric || info->version != current()->fabric_version) {
        return nvml::error_not_supported;
      }
      *info = *of(d).fabric;
      return nvml::success;
    };
  }
  fake_nvml(const fake_nvml&) = delete;
  fake_nvml& operator=(const fake_nvml&) = delete;

  /// Adds GPUs at buses 0x10, 0x11, ...
  void add(int count) {
    for (int i = 0; i < count; ++i) {
      const auto bus = static_cast<std::uint32_t>(0x10 + gpus.size());
      gpus.push_back(std::make_unique<fake_gpu>(fake_gpu{{0, bus, 0, 0}}));
    }
  }
  [[nodiscard]] fake_gpu& operator[](std::size_t i) { return *gpus.at(i); }

  /// Joins two GPUs.
  void link(std::size_t a, std::size_t b, int count) {
    for (int l = 0; l < count; ++l) {
      gpus.at(a)->links.push_back({.remote = gpus.at(b)->address});
      gpus.at(b)->links.push_back({.remote = gpus.at(a)->address});
    }
  }
  /// Joins every GPU to a switch.
  void link_to_switch(const topology::pci_address& address, int count) {
    for (const auto& gpu : gpus) {
      for (int l = 0; l < count; ++l) {
        gpu->links.push_back({.type = nvml::device_type_switch, .remote = address});
      }
    }
  }
  /// What a pair is said to be capable of, both ways.
  void say(std::size_t a, std::size_t b, int capability, int status) {
    gpus.at(a)->status[{gpus.at(b).get(), capability}] = status;
    gpus.at(b)->status[{gpus.at(a).get(), capability}] = status;
  }

  /// Facts of these GPUs, in this order, as CUDA would know them.
  [[nodiscard]] topology::node_facts facts(const std::vector<std::size_t>& order) const {
    std::vector<topology::gpu_facts> all;
    for (const std::size_t i : order) {
      topology::gpu_facts gpu;
      gpu.bus_id = gpus.at(i)->address.text();
      gpu.sm = 90;
      all.push_back(std::move(gpu));
    }
    return topology::node_facts{std::move(all)};
  }

  nvml::functions functions;
  std::vector<std::unique_ptr<fake_gpu>> gpus;
  int init_result = nvml::success;
  unsigned fabric_version = nvml::fabric_info_v3;
  int started = 0;

 private:
  [[nodiscard]] static fake_nvml*& current() {
    static fake_nvml* only = nullptr;
    return only;
  }
  [[nodiscard]] static fake_gpu& of(nvml::device d) { return *static_cast<fake_gpu*>(d); }
};

/// The address that virtual machines show for a switch.
inline constexpr topology::pci_address hidden{0xffff'ffff, 0xffff, 0xff, 0};

}  // namespace peerfold::test
