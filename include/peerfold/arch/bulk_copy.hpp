/// \file
/// Bulk copies: a contiguous piece of memory moved by the copy engine of a multiprocessor, through
/// its shared memory (cp.async.bulk; architectures from 90 on). One thread issues them.
#pragma once

#include <peerfold/core/config.hpp>

/// Whether this pass compiles for a device that has them.
#if PEERFOLD_DEVICE_PASS && __CUDA_ARCH__ >= 900
#define PEERFOLD_HAS_BULK_COPY 1
#else
#define PEERFOLD_HAS_BULK_COPY 0
#endif

namespace peerfold::arch {

/// What bulk copies are aligned to, in bytes: both addresses and the size.
inline constexpr uint32_t bulk_alignment = 16;

#if PEERFOLD_HAS_BULK_COPY

/// An address in shared memory as instructions take it.
__device__ inline uint32_t shared_address(const void* address) noexcept {
  return static_cast<uint32_t>(__cvta_generic_to_shared(address));
}

/// Makes a barrier for loads of one thread, ahead of their use.
__device__ inline void start_barrier(uint64_t* barrier) noexcept {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n\tfence.proxy.async.shared::cta;" ::"r"(
                   shared_address(barrier))
               : "memory");
}

/// Ends the use of a barrier, before the memory is used again.
__device__ inline void end_barrier(uint64_t* barrier) noexcept {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_address(barrier)) : "memory");
}

/// Starts a load of `bytes` bytes into shared memory; the barrier's phase ends when they are there.
__device__ inline void bulk_load(void* shared, const void* global, uint32_t bytes,
                                 uint64_t* barrier) noexcept {
  const uint32_t at = shared_address(barrier);
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes)
               : "memory");
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(at)
      : "memory");
}

/// Waits for the end of a barrier's phase of this parity.
__device__ inline void wait_barrier(uint64_t* barrier, uint32_t parity) noexcept {
  asm volatile(
      "{\n\t"
      ".reg .pred done;\n\t"
      "again:\n\t"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
      "@!done bra again;\n\t"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

/// Starts a store of `bytes` bytes from shared memory to memory of this device or a peer. Stores up
/// to the next commit_bulk_stores() are a group.
__device__ inline void bulk_store(void* global, const void* shared, uint32_t bytes) noexcept {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(
                   __cvta_generic_to_global(global)),
               "r"(shared_address(shared)), "r"(bytes)
               : "memory");
}

__device__ inline void commit_bulk_stores() noexcept {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/// Waits until at most `Most` of this thread's groups of stores still read shared memory.
template <int Most>
__device__ inline void wait_bulk_reads() noexcept {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Most) : "memory");
}

/// Waits until all of this thread's stores are done: like stores of its own, they come before what
/// it releases next.
__device__ inline void wait_bulk_stores() noexcept {
  asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

/// The dynamic shared memory of the block.
__device__ inline stl::byte* dynamic_shared_memory() noexcept {
  extern __shared__ __align__(128) unsigned char peerfold_dynamic_shared_memory[];
  return reinterpret_cast<stl::byte*>(peerfold_dynamic_shared_memory);
}

#endif

}  // namespace peerfold::arch
