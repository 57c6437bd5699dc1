// Packed sums have the bits of a sum in float that is rounded once: of all pairs of numbers.
#include <peerfold/arch/packed_sum.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/reduction_op.hpp>

#include <support/catch.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace pf = peerfold;

namespace {

struct findings {
  unsigned long long compared;
  unsigned long long differences;
};

/// Thread a adds each number b to number a, in all places of a pack, where the device has sums of
/// T.
template <class T>
__global__ void compare_sums(findings* found) {
#if PEERFOLD_DEVICE_PASS
  if constexpr (pf::arch::has_packed_sum<T>) {
    using bits = std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t>;
    using pack = pf::arch::pack<T, 8>;
    constexpr std::uint32_t numbers = 1u << 8 * sizeof(T);
    const auto number = [](std::uint32_t x) { return pf::bit_cast<T>(static_cast<bits>(x)); };
    // Both orders of the two, in turn.
    const auto in_turn = [](std::uint32_t x, std::uint32_t y) {
      const std::uint32_t two = x | y << 8 * sizeof(T);
      return sizeof(T) == 1 ? two | two << 16 : two;
    };
    const std::uint32_t a = blockIdx.x * blockDim.x + threadIdx.x;
    findings own{0, 0};
    for (std::uint32_t b = 0; a < numbers && b < numbers; ++b) {
      using traits = pf::element_traits<T>;
      const T sum = traits::narrow(pf::sum{}(traits::widen(number(a)), traits::widen(number(b))));
      const std::uint32_t wanted = pf::bit_cast<bits>(sum);
      const pack x{{in_turn(a, b), in_turn(b, a)}};
      const pack y{{in_turn(b, a), in_turn(a, b)}};
      const pack sums = pf::arch::packed_sum(x, y);
      for (const std::uint32_t word : sums.word) {
        own.differences += word != in_turn(wanted, wanted) ? 1 : 0;
      }
      ++own.compared;
      // The same in each place of a pack, beside sums that are infinite, NaN, too large and plain.
      const T others[] = {traits::narrow(HUGE_VALF), traits::narrow(-HUGE_VALF), T(60000.0f),
                          T(1.0f)};
      constexpr std::uint32_t places = 8 / sizeof(T);
      const std::uint32_t place = (a + b) % places;
      pack mixed_x{};
      pack mixed_y{};
      pack mixed_wanted{};
      for (std::uint32_t p = 0; p < places; ++p) {
        const T px = p == place ? number(a) : others[(a + p) % 4];
        const T py = p == place ? number(b) : others[(b + p / 2) % 4];
        mixed_x.set(p, px);
        mixed_y.set(p, py);
        mixed_wanted.set(p, traits::narrow(pf::sum{}(traits::widen(px), traits::widen(py))));
      }
      const pack mixed = pf::arch::packed_sum(mixed_x, mixed_y);
      for (int w = 0; w < 2; ++w) {
        own.differences += mixed.word[w] != mixed_wanted.word[w] ? 1 : 0;
      }
    }
    atomicAdd(&found->compared, own.compared);
    atomicAdd(&found->differences, own.differences);
  }
#endif
}

/// `since` is the first device that has sums of T, as major * 10 + minor.
template <class T>
void check_all_pairs(int since) {
  int major = 0;
  int minor = 0;
  REQUIRE(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  REQUIRE(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0) == cudaSuccess);
  findings* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, sizeof(findings)) == cudaSuccess);
  REQUIRE(cudaMemset(memory, 0, sizeof(findings)) == cudaSuccess);
  compare_sums<T><<<256, 256>>>(memory);
  REQUIRE(cudaGetLastError() == cudaSuccess);
  findings found{};
  REQUIRE(cudaMemcpy(&found, memory, sizeof(found), cudaMemcpyDeviceToHost) == cudaSuccess);
  REQUIRE(cudaFree(memory) == cudaSuccess);
  constexpr unsigned long long pairs = 1ull << 16 * sizeof(T);
  CHECK(found.compared == (major * 10 + minor >= since ? pairs : 0));
  CHECK(found.differences == 0);
}

}  // namespace

TEST_CASE("packed sums of half precision have the bits of sums in float") {
  check_all_pairs<__half>(53);
}
TEST_CASE("packed sums of bfloat16 have the bits of sums in float") {
  check_all_pairs<__nv_bfloat16>(90);
}
TEST_CASE("packed sums of e4m3 have the bits of sums in float") {
  check_all_pairs<__nv_fp8_e4m3>(89);
}
TEST_CASE("packed sums of e5m2 have the bits of sums in float") {
  check_all_pairs<__nv_fp8_e5m2>(89);
}
