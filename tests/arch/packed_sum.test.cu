// Packed sums have the bits of a sum in float that is rounded once: of all pairs of numbers.
#include <peerfold/arch/packed_sum.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/reduction_op.hpp>

#include <support/catch.hpp>

#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

namespace pf = peerfold;

namespace {

/// Thread a adds each number b to number a, in all places of a word.
template <class T>
__global__ void count_differences(unsigned long long* differences, bool* has_sums) {
#if PEERFOLD_DEVICE_PASS
  if constexpr (pf::arch::has_packed_sum<T>) {
    *has_sums = true;
    using bits = std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t>;
    constexpr std::uint32_t numbers = 1u << 8 * sizeof(T);
    const auto number = [](std::uint32_t x) { return pf::bit_cast<T>(static_cast<bits>(x)); };
    // Both orders of the two, in turn.
    const auto in_turn = [](std::uint32_t x, std::uint32_t y) {
      const std::uint32_t two = x | y << 8 * sizeof(T);
      return sizeof(T) == 1 ? two | two << 16 : two;
    };
    const std::uint32_t a = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned found = 0;
    for (std::uint32_t b = 0; a < numbers && b < numbers; ++b) {
      using traits = pf::element_traits<T>;
      const T sum = traits::narrow(pf::sum{}(traits::widen(number(a)), traits::widen(number(b))));
      const std::uint32_t wanted = pf::bit_cast<bits>(sum);
      using pack = pf::arch::pack<T, 8>;
      const pack x{{in_turn(a, b), in_turn(b, a)}};
      const pack y{{in_turn(b, a), in_turn(a, b)}};
      const pack sums = pf::arch::packed_sum(x, y);
      for (const std::uint32_t word : sums.word) found += word != in_turn(wanted, wanted) ? 1 : 0;
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
  check_all_pairs<__nv_fp8_e4m3>();
  check_all_pairs<__nv_fp8_e5m2>();
}
