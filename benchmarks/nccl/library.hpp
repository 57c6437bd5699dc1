// The part of NCCL's C interface that the runner uses, found at run time: the program neither
// includes nccl.h nor links libnccl. Values as in NCCL 2.27 and later.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "../element.hpp"

namespace bench::nccl {

struct communicator;  // ncclComm
struct window;        // ncclWindow_vidmem
struct unique_id {
  std::array<char, 128> internal;
};

inline constexpr int success = 0;
inline constexpr int in_progress = 7;
inline constexpr int window_collective_symmetric = 0x01;  // NCCL_WIN_COLL_SYMMETRIC
inline constexpr int first_version_with_windows = 22703;

int data_type(element type);     // ncclDataType_t
int reduction_op(reduction op);  // ncclRedOp_t

struct library {
  int (*get_version)(int*);
  int (*get_unique_id)(unique_id*);
  int (*comm_init_rank)(communicator**, int ranks, unique_id, int rank);
  int (*comm_destroy)(communicator*);
  int (*comm_abort)(communicator*);
  int (*comm_get_async_error)(communicator*, int*);
  const char* (*get_error_string)(int);
  int (*group_start)();
  int (*group_end)();
  int (*all_reduce)(const void* in, void* out, std::size_t count, int type, int op, communicator*,
                    cudaStream_t);
  int (*reduce_scatter)(const void* in, void* out, std::size_t count, int type, int op,
                        communicator*, cudaStream_t);
  int (*all_gather)(const void* in, void* out, std::size_t count, int type, communicator*,
                    cudaStream_t);
  int (*broadcast)(const void* in, void* out, std::size_t count, int type, int root, communicator*,
                   cudaStream_t);
  int (*reduce)(const void* in, void* out, std::size_t count, int type, int op, int root,
                communicator*, cudaStream_t);
  int (*send)(const void* in, std::size_t count, int type, int to, communicator*, cudaStream_t);
  int (*recv)(void* out, std::size_t count, int type, int from, communicator*, cudaStream_t);
  // Null in versions before 2.28.
  int (*all_to_all)(const void* in, void* out, std::size_t count, int type, communicator*,
                    cudaStream_t);
  int (*gather)(const void* in, void* out, std::size_t count, int type, int root, communicator*,
                cudaStream_t);
  int (*scatter)(const void* in, void* out, std::size_t count, int type, int root, communicator*,
                 cudaStream_t);
  int (*mem_alloc)(void**, std::size_t);
  int (*mem_free)(void*);
  // Null in versions without symmetric windows.
  int (*comm_window_register)(communicator*, void*, std::size_t, window**, int flags);
  int (*comm_window_deregister)(communicator*, window*);

  int version() const;
  std::string version_text() const;  // such as 2.28.9
  void check(int result, const char* call) const;
};

// libnccl.so.2 from the loader's path (LD_LIBRARY_PATH); it stays loaded. Where there is none,
// or it lacks a function, reason says so.
const library* find_library(std::string& reason);

}  // namespace bench::nccl
