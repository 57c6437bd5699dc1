// Packs are read and written at any address, and nothing beside them is.
#include <peerfold/arch/vector_access.hpp>

#include <support/catch.hpp>

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pf = peerfold;

namespace {

template <int Bytes>
struct bytes {
  std::uint8_t at[Bytes];
};

/// Thread i copies a pack from i bytes on to 63 - i bytes on, in a line of its own.
template <class Pack>
__global__ void copy_packs(const std::uint8_t* from, std::uint8_t* to, std::size_t line) {
  const std::size_t i = threadIdx.x * alignof(typename Pack::value_type);
  if (i >= 64) return;
  const Pack values = pf::arch::load_unaligned<Pack>(from + threadIdx.x * line + i);
  pf::arch::store_unaligned(to + threadIdx.x * line + 64 - i, values);
}

template <class T, int PackBytes>
void check_packs() {
  using pack = pf::arch::pack<T, PackBytes>;
  static_assert(pf::arch::moves_by_words<pack>);
  constexpr std::size_t line = 256;
  constexpr std::size_t lines = 64;
  std::vector<std::uint8_t> source(line * lines);
  for (std::size_t i = 0; i < source.size(); ++i)
    source[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  std::vector<std::uint8_t> wanted(source.size(), 0xee);
  std::uint8_t* from = nullptr;
  std::uint8_t* to = nullptr;
  REQUIRE(cudaMalloc(&from, source.size()) == cudaSuccess);
  REQUIRE(cudaMalloc(&to, source.size()) == cudaSuccess);
  REQUIRE(cudaMemcpy(from, source.data(), source.size(), cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(cudaMemcpy(to, wanted.data(), wanted.size(), cudaMemcpyHostToDevice) == cudaSuccess);
  copy_packs<pack><<<1, lines>>>(from, to, line);
  REQUIRE(cudaGetLastError() == cudaSuccess);
  std::vector<std::uint8_t> found(source.size());
  REQUIRE(cudaMemcpy(found.data(), to, found.size(), cudaMemcpyDeviceToHost) == cudaSuccess);
  for (std::size_t thread = 0; thread < lines; ++thread) {
    const std::size_t i = thread * alignof(T);
    if (i >= 64) continue;
    for (std::size_t b = 0; b < PackBytes; ++b) {
      wanted[thread * line + 64 - i + b] = source[thread * line + i + b];
    }
  }
  CHECK(found == wanted);
  REQUIRE(cudaFree(from) == cudaSuccess);
  REQUIRE(cudaFree(to) == cudaSuccess);
}

}  // namespace

TEST_CASE("packs of elements narrower than words are copied from anywhere to anywhere") {
  check_packs<std::uint8_t, 8>();
  check_packs<std::uint8_t, 16>();
  check_packs<std::uint16_t, 8>();
  check_packs<std::uint16_t, 16>();
  check_packs<bytes<2>, 16>();
  check_packs<bytes<3>, 48>();
  check_packs<bytes<6>, 24>();
  check_packs<bytes<128>, 128>();
}
