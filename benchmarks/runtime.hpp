// Owners of CUDA resources; every failed call throws with the call's name.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace bench {

inline void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(error));
}

// The program's name, in front of what give_up() says.
inline const char* program_name = "peerfold-bench";

// Called by give_up() before the process ends; main() saves what has been measured here.
inline std::function<void()> last_words;

// Ends the process after a wait that did not end. An exception would not do: the destructors
// that it runs would wait for the same kernels or threads.
[[noreturn]] inline void give_up(const std::string& why) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s; giving up\n", program_name, why.c_str());
  if (last_words) last_words();
  std::fflush(stdout);
  std::_Exit(1);
}

// Makes a device current for a scope.
class on_device {
 public:
  explicit on_device(int device) {
    check(cudaGetDevice(&previous_), "cudaGetDevice");
    if (device != previous_) check(cudaSetDevice(device), "cudaSetDevice");
  }
  ~on_device() { cudaSetDevice(previous_); }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;

 private:
  int previous_ = 0;
};

// Device memory of one GPU.
class device_memory {
 public:
  device_memory() = default;
  device_memory(int device, std::size_t bytes) : device_(device), bytes_(bytes) {
    const on_device scope(device);
    check(cudaMalloc(&data_, bytes == 0 ? 1 : bytes), "cudaMalloc");
  }
  device_memory(device_memory&& other) noexcept { swap(other); }
  device_memory& operator=(device_memory&& other) noexcept {
    device_memory(std::move(other)).swap(*this);
    return *this;
  }
  ~device_memory() { cudaFree(data_); }

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t bytes() const { return bytes_; }
  int device() const { return device_; }

  // Sets every byte and waits.
  void fill(int byte) const {
    const on_device scope(device_);
    check(cudaMemset(data_, byte, bytes_), "cudaMemset");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }

 private:
  void swap(device_memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(device_, other.device_);
    std::swap(bytes_, other.bytes_);
  }
  void* data_ = nullptr;
  int device_ = 0;
  std::size_t bytes_ = 0;
};

class stream {
 public:
  explicit stream(int device) : device_(device) {
    const on_device scope(device);
    check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  stream(stream&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), device_(other.device_) {}
  stream& operator=(stream&&) = delete;
  ~stream() {
    if (handle_ != nullptr) cudaStreamDestroy(handle_);
  }
  cudaStream_t get() const { return handle_; }
  int device() const { return device_; }

 private:
  cudaStream_t handle_ = nullptr;
  int device_ = 0;
};

class event {
 public:
  explicit event(int device) {
    const on_device scope(device);
    check(cudaEventCreate(&handle_), "cudaEventCreate");
  }
  event(event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  event& operator=(event&&) = delete;
  ~event() {
    if (handle_ != nullptr) cudaEventDestroy(handle_);
  }
  cudaEvent_t get() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

}  // namespace bench
