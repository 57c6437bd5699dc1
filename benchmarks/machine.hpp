// What the results were measured on.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

struct gpu {
  int index = 0;
  std::string name;
  std::string bus_id;
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t l2_bytes = 0;
  int nvlinks = -1;  // active links; -1: unknown (no NVML)
};

struct machine {
  std::vector<gpu> gpus;
  std::string driver;  // such as 580.95.05, or empty
  std::string cuda_driver;
  std::string cuda_runtime;
  std::string commit;  // of peerfold
  std::string date;    // UTC, ISO 8601

  // Whether every GPU named has an active NVLink; otherwise PCIe, or unknown.
  std::string link(const std::vector<int>& devices) const;
};

// Never throws for a machine without a GPU or a driver: gpus is empty then.
machine describe_machine();

// Lets the devices reach one another's memory. Throws where two of them cannot.
void enable_peer_access(const std::vector<int>& devices);

std::vector<int> distinct(const std::vector<int>& devices);  // in order of appearance

}  // namespace bench
