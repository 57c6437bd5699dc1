/// \file
/// CUDA's errors as ours, and the current device put back.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>

#include <cuda_runtime.h>

#include <initializer_list>

namespace peerfold::execution {

/// What failed while doing `what`. Clears CUDA's last error.
[[nodiscard, gnu::cold]] inline error failed_with(cudaError_t status,
                                                  std::initializer_list<detail::text_part> what) {
  static_cast<void>(cudaGetLastError());
  return {errc::cuda_failure,
          detail::text_of({detail::text_of(what), ": ", cudaGetErrorName(status), ", ",
                           cudaGetErrorString(status)})};
}

/// The same; no error for cudaSuccess.
[[nodiscard]] inline error cuda_failure(cudaError_t status,
                                        std::initializer_list<detail::text_part> what) {
  if (status == cudaSuccess) [[likely]]
    return {};
  return failed_with(status, what);
}

/// Restores the calling thread's device when it goes.
class device_guard {
 public:
  device_guard() noexcept { static_cast<void>(cudaGetDevice(&before_)); }
  device_guard(const device_guard&) = delete;
  device_guard& operator=(const device_guard&) = delete;
  ~device_guard() {
    if (current_ != before_) static_cast<void>(cudaSetDevice(before_));
  }

  [[nodiscard]] cudaError_t set(int device) noexcept {
    if (current_ < 0) current_ = before_;
    if (device == current_) return cudaSuccess;
    const cudaError_t status = cudaSetDevice(device);
    if (status == cudaSuccess) current_ = device;
    return status;
  }

 private:
  int before_ = 0;
  int current_ = -1;
};

}  // namespace peerfold::execution
