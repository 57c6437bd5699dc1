// peerfold/device.hpp compiles under NVRTC, the CUDA runtime compiler, which has no host headers
// and needs no GPU: a kernel of the caller's own with an all-reduce inside.
#include <support/catch.hpp>

#include <nvrtc.h>

#include <string>
#include <vector>

namespace {

constexpr const char* kernel = R"(
#include <peerfold/device.hpp>

namespace pf = peerfold;

struct scaled {
  const float* data;
  float by;
  __device__ float operator()(pf::size_t i) const { return data[i] * by; }
};

struct larger_magnitude {
  __device__ float operator()(float a, float b) const { return fabsf(b) > fabsf(a) ? b : a; }
};

template <template <class, class> class Transport>
__device__ void reduce(const pf::sync::channel_view<2>& channel,
                       const pf::sync::rank_view<2>& local, const pf::transport::tiling& tiles,
                       const scaled& load, const pf::store_to<float>& store) {
  using context = pf::execution::context<2, pf::execution::block_group>;
  __shared__ alignas(16) unsigned char scratch[context::scratch_bytes];
  const pf::call_signature call{.which = pf::collective::all_reduce};
  context c{channel, local, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x),
            pf::execution::block_group{}, scratch, call};
  Transport<float, context> t{c};
  static_cast<void>(pf::algorithm::all_reduce_one_shot(c, t, tiles, load, larger_magnitude{},
                                                       pf::round_to<float>{}, store));
  t.close();
}

extern "C" __global__ void over_packets(const __grid_constant__ pf::sync::channel_view<2> channel,
                                        pf::sync::rank_view<2> local,
                                        pf::transport::tiling tiles, scaled load,
                                        pf::store_to<float> store) {
  reduce<pf::transport::packet>(channel, local, tiles, load, store);
}

extern "C" __global__ void over_stores(const __grid_constant__ pf::sync::channel_view<2> channel,
                                       pf::sync::rank_view<2> local,
                                       pf::transport::tiling tiles, scaled load,
                                       pf::store_to<float> store) {
  reduce<pf::transport::store_flag>(channel, local, tiles, load, store);
}
)";

}  // namespace

TEST_CASE("device.hpp compiles under NVRTC") {
  nvrtcProgram program = nullptr;
  REQUIRE(nvrtcCreateProgram(&program, kernel, "reduce.cu", 0, nullptr, nullptr) == NVRTC_SUCCESS);
  // One option a word: --std=c++20, the architecture, and the include folders.
  std::vector<const char*> options = {PEERFOLD_TEST_NVRTC_OPTIONS};
  const nvrtcResult result =
      nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  std::size_t size = 0;
  REQUIRE(nvrtcGetProgramLogSize(program, &size) == NVRTC_SUCCESS);
  std::string log(size, '\0');
  REQUIRE(nvrtcGetProgramLog(program, log.data()) == NVRTC_SUCCESS);
  INFO(log);
  CHECK(result == NVRTC_SUCCESS);
  nvrtcDestroyProgram(&program);
}
