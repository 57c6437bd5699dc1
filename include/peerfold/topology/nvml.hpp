/// \file
/// NVML, the management library that comes with the driver, found at run time: the few functions
/// that tell what joins GPUs. Their C interface is declared here, as the toolkit's nvml.h has it
/// (13.0; tests/topology/nvml_interface.test.cpp holds one against the other), so that no header of
/// NVML is needed.
#pragma once

#include <peerfold/core/config.hpp>

#include <dlfcn.h>

#include <cstdint>

namespace peerfold::topology::nvml {

/// nvmlDevice_t.
using device = void*;

/// Of nvmlReturn_t.
inline constexpr int success = 0;
inline constexpr int error_invalid_argument = 2;
inline constexpr int error_not_supported = 3;
inline constexpr int error_not_found = 6;

/// NVML_NVLINK_MAX_LINKS: links are numbered below it.
inline constexpr unsigned max_links = 36;
/// nvmlEnableState_t.
inline constexpr int feature_enabled = 1;

/// Of nvmlIntNvLinkDeviceType_t.
inline constexpr int device_type_gpu = 0;
inline constexpr int device_type_cpu = 1;
inline constexpr int device_type_switch = 2;
inline constexpr int device_type_unknown = 0xff;

/// Of nvmlGpuTopologyLevel_t.
inline constexpr int topology_internal = 0;
inline constexpr int topology_single = 10;
inline constexpr int topology_multiple = 20;
inline constexpr int topology_host_bridge = 30;
inline constexpr int topology_node = 40;
inline constexpr int topology_system = 50;

/// Of nvmlGpuP2PCapsIndex_t.
inline constexpr int p2p_read = 0;
inline constexpr int p2p_write = 1;
inline constexpr int p2p_nvlink = 2;
inline constexpr int p2p_atomics = 3;
/// Of nvmlGpuP2PStatus_t; what lies between is a reason why not.
inline constexpr int p2p_status_ok = 0;
inline constexpr int p2p_status_unknown = 6;

/// nvmlPciInfo_t.
struct pci_info {
  char bus_id_legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  char bus_id[32];
};

/// nvmlFieldValue_t, with nvmlValue_t and what is used of nvmlValueType_t.
struct field_value {
  unsigned field_id;
  unsigned scope_id;
  long long timestamp;
  long long latency_us;
  int value_type;
  int result;
  union {
    double as_double;
    unsigned as_unsigned;
    unsigned long as_unsigned_long;
    unsigned long long as_unsigned_long_long;
  } value;
};
inline constexpr int value_unsigned = 1;
inline constexpr int value_unsigned_long = 2;
inline constexpr int value_unsigned_long_long = 3;
/// Fields, in MB/s: of all active links, and of the link that the scope names.
inline constexpr unsigned field_speed_common = 90;
inline constexpr unsigned field_speed = 164;

/// nvmlGpuFabricInfo_t.
struct fabric_info {
  unsigned char cluster[16];
  int status;
  unsigned clique;
  unsigned char state;
};
/// nvmlGpuFabricInfo_v3_t, of which nvmlGpuFabricInfo_v2_t is all but the last member.
struct fabric_info_v {
  unsigned version;
  unsigned char cluster[16];
  int status;
  unsigned clique;
  unsigned char state;
  unsigned health;
  unsigned char summary;
};
inline constexpr unsigned fabric_info_v3 = sizeof(fabric_info_v) | 3u << 24;
inline constexpr unsigned fabric_info_v2 = (sizeof(fabric_info_v) - 4) | 2u << 24;
/// NVML_GPU_FABRIC_STATE_*.
inline constexpr int fabric_not_started = 1;
inline constexpr int fabric_in_progress = 2;
inline constexpr int fabric_completed = 3;

/// Parts of fabric_info_v::health, NVML_GPU_FABRIC_HEALTH_MASK_*.
[[nodiscard]] constexpr bool is_degraded(unsigned health) noexcept { return (health & 3) == 1; }
[[nodiscard]] constexpr bool is_unhealthy(unsigned health) noexcept {
  return (health >> 4 & 3) == 1;
}
[[nodiscard]] constexpr bool is_misconfigured(unsigned health) noexcept {
  return (health >> 8 & 0xf) > 1;
}

/// NVML_AFFINITY_SCOPE_NODE.
inline constexpr unsigned scope_node = 0;

/// Its functions; null: this driver's NVML does not have it. Tests fill it in by themselves.
struct functions {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_string)(int) = nullptr;
  int (*handle_by_bus_id)(const char* bus_id, device*) = nullptr;
  int (*mig_mode)(device, unsigned* current, unsigned* pending) = nullptr;
  int (*memory_affinity)(device, unsigned words, unsigned long* nodes, unsigned scope) = nullptr;
  int (*link_state)(device, unsigned link, int* state) = nullptr;
  int (*link_remote_type)(device, unsigned link, int* type) = nullptr;
  int (*link_remote_pci)(device, unsigned link, pci_info*) = nullptr;
  int (*field_values)(device, int count, field_value*) = nullptr;
  int (*p2p_status)(device, device, int capability, int* status) = nullptr;
  int (*common_ancestor)(device, device, int* level) = nullptr;
  int (*fabric)(device, fabric_info*) = nullptr;
  int (*fabric_v)(device, fabric_info_v*) = nullptr;
};

/// The driver's library, for as long as this lives. Opening it does not start NVML; add_nvml()
/// (topology/nvml_facts.hpp) does, for as long as it reads.
class library {
 public:
  /// `file` is searched as the loader does.
  explicit library(const char* file = "libnvidia-ml.so.1") noexcept
      : handle_{dlopen(file, RTLD_NOW | RTLD_LOCAL)} {
    if (handle_ == nullptr) return;
    find(functions_.init, "nvmlInit_v2");
    find(functions_.shutdown, "nvmlShutdown");
    find(functions_.error_string, "nvmlErrorString");
    find(functions_.handle_by_bus_id, "nvmlDeviceGetHandleByPciBusId_v2");
    find(functions_.mig_mode, "nvmlDeviceGetMigMode");
    find(functions_.memory_affinity, "nvmlDeviceGetMemoryAffinity");
    find(functions_.link_state, "nvmlDeviceGetNvLinkState");
    find(functions_.link_remote_type, "nvmlDeviceGetNvLinkRemoteDeviceType");
    find(functions_.link_remote_pci, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
    find(functions_.field_values, "nvmlDeviceGetFieldValues");
    find(functions_.p2p_status, "nvmlDeviceGetP2PStatus");
    find(functions_.common_ancestor, "nvmlDeviceGetTopologyCommonAncestor");
    find(functions_.fabric, "nvmlDeviceGetGpuFabricInfo");
    find(functions_.fabric_v, "nvmlDeviceGetGpuFabricInfoV");
  }
  library(const library&) = delete;
  library& operator=(const library&) = delete;
  ~library() {
    if (handle_ != nullptr) dlclose(handle_);
  }

  /// All null where there is no such library.
  [[nodiscard]] const functions& get() const noexcept { return functions_; }

 private:
  template <class Function>
  void find(Function& function, const char* name) noexcept {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
  }

  void* handle_;
  functions functions_;
};

}  // namespace peerfold::topology::nvml
