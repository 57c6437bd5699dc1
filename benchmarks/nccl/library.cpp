#include "library.hpp"

#include <dlfcn.h>

#include <stdexcept>

namespace bench::nccl {

int data_type(element type) {
  switch (type) {
    case element::int32: return 2;
    case element::float16: return 6;
    case element::float32: return 7;
    case element::float64: return 8;
    case element::bfloat16: return 9;
    case element::fp8_e4m3: return 10;
    case element::fp8_e5m2: return 11;
  }
  throw std::logic_error("no such element type");
}

int reduction_op(reduction op) {
  switch (op) {
    case reduction::sum: return 0;
    case reduction::max: return 2;
    case reduction::average: return 4;
  }
  throw std::logic_error("no such operator");
}

int library::version() const {
  int value = 0;
  check(get_version(&value), "ncclGetVersion");
  return value;
}

std::string library::version_text() const {
  const int v = version();
  return std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

void library::check(int result, const char* call) const {
  if (result == success || result == in_progress) return;
  throw std::runtime_error(std::string(call) + ": " + get_error_string(result));
}

const library* find_library(std::string& reason) {
  static library loaded{};
  static bool complete = false;
  if (complete) return &loaded;
  void* const handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    reason = "libnccl.so.2 is not found (LD_LIBRARY_PATH)";
    return nullptr;
  }
  std::string missing;
  const auto find = [&](auto& function, const char* name, bool required = true) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && required) missing = name;
  };
  find(loaded.get_version, "ncclGetVersion");
  find(loaded.get_unique_id, "ncclGetUniqueId");
  find(loaded.comm_init_rank, "ncclCommInitRank");
  find(loaded.comm_destroy, "ncclCommDestroy");
  find(loaded.comm_abort, "ncclCommAbort");
  find(loaded.comm_get_async_error, "ncclCommGetAsyncError");
  find(loaded.get_error_string, "ncclGetErrorString");
  find(loaded.group_start, "ncclGroupStart");
  find(loaded.group_end, "ncclGroupEnd");
  find(loaded.all_reduce, "ncclAllReduce");
  find(loaded.reduce_scatter, "ncclReduceScatter");
  find(loaded.all_gather, "ncclAllGather");
  find(loaded.broadcast, "ncclBroadcast");
  find(loaded.reduce, "ncclReduce");
  find(loaded.send, "ncclSend");
  find(loaded.recv, "ncclRecv");
  find(loaded.all_to_all, "ncclAlltoAll", false);
  find(loaded.gather, "ncclGather", false);
  find(loaded.scatter, "ncclScatter", false);
  find(loaded.mem_alloc, "ncclMemAlloc", false);
  find(loaded.mem_free, "ncclMemFree", false);
  find(loaded.comm_window_register, "ncclCommWindowRegister", false);
  find(loaded.comm_window_deregister, "ncclCommWindowDeregister", false);
  if (!missing.empty()) {
    reason = "libnccl.so.2 has no " + missing;
    return nullptr;
  }
  complete = true;
  return &loaded;
}

}  // namespace bench::nccl
