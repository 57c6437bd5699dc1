/// \file
/// Where the memory of ranks comes from.
#pragma once

#include <peerfold/core/config.hpp>

#include <cstddef>

namespace peerfold::memory {

/// Allocates memory of a rank that all other ranks of the team reach.
class provider {
 public:
  provider() = default;
  provider(const provider&) = delete;
  provider& operator=(const provider&) = delete;
  virtual ~provider() = default;

  /// At least `bytes` bytes, aligned to 256, of rank `rank`; null if there are none left.
  [[nodiscard]] virtual void* allocate(int rank, std::size_t bytes) noexcept = 0;
  virtual void deallocate(int rank, void* memory) noexcept = 0;

  /// Copies `bytes` bytes of the host's at `from` into memory of rank `rank`, and waits until they
  /// are there; false if that failed.
  [[nodiscard]] virtual bool write(int rank, void* memory, const void* from,
                                   std::size_t bytes) noexcept = 0;
};

}  // namespace peerfold::memory
