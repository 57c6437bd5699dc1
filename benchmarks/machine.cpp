#include "machine.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <stdexcept>

#include "commit.hpp"  // made by the build
#include "runtime.hpp"

namespace bench {
namespace {

// The four functions of NVML that are needed, found at run time.
class nvml {
 public:
  nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    const auto init = find<int (*)()>("nvmlInit_v2");
    ready_ = init != nullptr && init() == 0;
  }
  ~nvml() {
    if (ready_) {
      if (const auto shutdown = find<int (*)()>("nvmlShutdown")) shutdown();
    }
    if (library_ != nullptr) dlclose(library_);
  }
  nvml(const nvml&) = delete;
  nvml& operator=(const nvml&) = delete;

  std::string driver_version() const {
    const auto get = find<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
    std::array<char, 96> text{};
    if (!ready_ || get == nullptr || get(text.data(), unsigned{text.size()}) != 0) return {};
    return text.data();
  }

  int active_links(const std::string& bus_id) const {
    const auto by_bus_id = find<int (*)(const char*, void**)>("nvmlDeviceGetHandleByPciBusId_v2");
    const auto state = find<int (*)(void*, unsigned, int*)>("nvmlDeviceGetNvLinkState");
    void* device = nullptr;
    if (!ready_ || by_bus_id == nullptr || state == nullptr ||
        by_bus_id(bus_id.c_str(), &device) != 0) {
      return -1;
    }
    int count = 0;
    for (unsigned link = 0; link < 36; ++link) {
      int active = 0;
      if (state(device, link, &active) == 0 && active == 1) ++count;
    }
    return count;
  }

 private:
  template <class F>
  F find(const char* name) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<F>(dlsym(library_, name));
  }
  void* library_ = nullptr;
  bool ready_ = false;
};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

}  // namespace

machine describe_machine() {
  machine m;
  m.commit = PEERFOLD_BENCH_COMMIT;
  m.date = now_utc();
  int version = 0;
  if (cudaRuntimeGetVersion(&version) == cudaSuccess) m.cuda_runtime = version_text(version);
  if (cudaDriverGetVersion(&version) == cudaSuccess && version != 0) {
    m.cuda_driver = version_text(version);
  }
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return m;
  }
  const nvml management;
  m.driver = management.driver_version();
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    std::array<char, 32> bus_id{};
    check(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), index),
          "cudaDeviceGetPCIBusId");
    gpu g;
    g.index = index;
    g.name = properties.name;
    g.bus_id = bus_id.data();
    g.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, index);
    g.memory_bytes = properties.totalGlobalMem;
    g.l2_bytes = static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize, index));
    g.nvlinks = management.active_links(g.bus_id);
    m.gpus.push_back(std::move(g));
  }
  return m;
}

std::string machine::link(const std::vector<int>& devices) const {
  bool all = true;
  bool known = true;
  int fewest = 1 << 10;
  for (const int device : devices) {
    const int links = gpus[static_cast<std::size_t>(device)].nvlinks;
    known = known && links >= 0;
    all = all && links > 0;
    fewest = std::min(fewest, links);
  }
  if (!known) return "unknown";
  return all ? "NVLink (" + std::to_string(fewest) + " links a GPU)" : "PCIe";
}

std::vector<int> distinct(const std::vector<int>& devices) {
  std::vector<int> out;
  for (const int device : devices) {
    if (std::ranges::find(out, device) == out.end()) out.push_back(device);
  }
  return out;
}

void enable_peer_access(const std::vector<int>& devices) {
  for (const int from : distinct(devices)) {
    for (const int to : distinct(devices)) {
      if (from == to) continue;
      int reachable = 0;
      check(cudaDeviceCanAccessPeer(&reachable, from, to), "cudaDeviceCanAccessPeer");
      if (reachable == 0) {
        throw std::runtime_error("GPU " + std::to_string(from) +
                                 " cannot reach the memory of GPU " + std::to_string(to));
      }
      const on_device scope(from);
      const cudaError_t error = cudaDeviceEnablePeerAccess(to, 0);
      if (error == cudaErrorPeerAccessAlreadyEnabled) {
        cudaGetLastError();
      } else {
        check(error, "cudaDeviceEnablePeerAccess");
      }
    }
  }
}

}  // namespace bench
