/// \file
/// What CUDA knows of its devices and of each two of them.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/cuda_error.cuh>
#include <peerfold/topology/facts.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::execution {

/// Asks about `devices`, numbers of CUDA, or about all that it shows where the list is empty; puts
/// those asked about into `devices`. Makes no context.
[[nodiscard]] inline error read_devices(std::vector<int>& devices, topology::node_facts& node) {
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    int driver = 0;  // and stays so where there is none, which the error does not say
    static_cast<void>(cudaDriverGetVersion(&driver));
    const char* const why = driver == 0              ? "there is no driver"
                            : counted == cudaSuccess ? "CUDA shows none"
                            : counted == cudaErrorSystemNotReady
                                ? "the fabric of its NVSwitches is "
                                  "not set up; is the fabric "
                                  "manager running?"
                                : cudaGetErrorString(counted);
    return {errc::no_device, peerfold::detail::text_of({"no GPU: ", why})};
  }
  if (devices.empty()) {
    for (int device = 0; device < count; ++device) devices.push_back(device);
  }
  std::vector<topology::gpu_facts> gpus;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i] < 0 || devices[i] >= count) {
      return {errc::no_device,
              peerfold::detail::text_of({"devices[", i, "]: device ", devices[i],
                                         "; this machine has devices 0 to ", count - 1})};
    }
    const auto here = devices.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(devices.begin(), here, devices[i]) != here) {
      return {errc::invalid_argument,
              peerfold::detail::text_of(
                  {"devices[", i, "]: device ", devices[i], " again; name each once"})};
    }
    topology::gpu_facts gpu;
    cudaDeviceProp properties{};
    std::array<char, 32> bus_id{};
    cudaError_t status = cudaGetDeviceProperties(&properties, devices[i]);
    if (status == cudaSuccess) {
      status = cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), devices[i]);
    }
    if (error reason = cuda_failure(status, {"asking about device ", devices[i]})) return reason;
    gpu.name = properties.name;
    gpu.sm = properties.major * 10 + properties.minor;
    gpu.is_part = gpu.name.find(" MIG ") != std::string::npos;
    if (const auto address = topology::pci_address::parse(bus_id.data())) {
      gpu.bus_id = address->text();
    }
    gpus.push_back(std::move(gpu));
  }
  node = topology::node_facts{std::move(gpus)};
  for (std::size_t i = 0; i < devices.size(); ++i) {
    for (std::size_t j = 0; j < devices.size(); ++j) {
      if (devices[i] == devices[j]) continue;
      topology::pair_facts& pair = node.at(i, j);
      int value = 0;
      if (cudaDeviceCanAccessPeer(&value, devices[i], devices[j]) == cudaSuccess) {
        pair.can_access = value != 0;
      }
      if (cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrNativeAtomicSupported, devices[i],
                                    devices[j]) == cudaSuccess) {
        pair.native_atomics = value != 0;
      }
      static_cast<void>(cudaGetLastError());
    }
  }
  return {};
}

}  // namespace peerfold::execution
