// Packed sums have the bits of a sum in float that is rounded once: of all pairs of numbers.
#include <peerfold/arch/packed_sum.hpp>
#include <peerfold/core/reduction_op.hpp>

#include <support/catch.hpp>

#include <cuda_runtime.h>

#include <cstdint>

namespace pf = peerfold;

namespace {

/// Thread a of 2^16 adds each number b to number a, in both halves.
template <class T>
__global__ void count_differences(unsigned long long* differences, bool* has_sums) {
#if PEERFOLD_DEVICE_PASS
  if constexpr (pf::arch::has_packed_sum<T>) {
    *has_sums = true;
    const auto number = [](std::uint32_t bits) {
      return pf::bit_cast<T>(static_cast<std::uint16_t>(bits));
    };
    const std::uint32_t a = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned found = 0;
    for (std::uint32_t b = 0; b < 1u << 16; ++b) {
      using traits = pf::element_traits<T>;
      const T sum = traits::narrow(pf::sum{}(traits::widen(number(a)), traits::widen(number(b))));
      const std::uint32_t wanted = pf::bit_cast<std::uint16_t>(sum);
      const std::uint32_t words = pf::arch::packed_sum<T>(a | b << 16, b | a << 16);
      found += words != (wanted | wanted << 16) ? 1 : 0;
    }
    if (found != 0) atomicAdd(differences, static_cast<unsigned long long>(found));
  }
#endif
}

template <class T>
void check_all_pairs() {
  unsigned long long* differences = nullptr;
  REQUIRE(cudaMalloc(&differences, 2 * sizeof(*differences)) == cudaSuccess);
  REQUIRE(cudaMemset(differences, 0, 2 * sizeof(*differences)) == cudaSuccess);
  count_differences<T><<<256, 256>>>(differences, reinterpret_cast<bool*>(differences + 1));
  unsigned long long found[2];
  REQUIRE(cudaMemcpy(found, differences, sizeof(found), cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(found[0] == 0);
  if (found[1] == 0) WARN("this device has no packed sums");
  static_cast<void>(cudaFree(differences));
}

}  // namespace

TEST_CASE("packed sums have the bits of sums in float, of all pairs of numbers") {
  check_all_pairs<__half>();
  check_all_pairs<__nv_bfloat16>();
}
