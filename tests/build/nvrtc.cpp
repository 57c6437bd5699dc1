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

extern "C" __global__ void reduce(pf::sync::channel_view<2> channel, pf::sync::host_words* host,
                                  int rank, pf::transport::tiling tiles,
                                  pf::load_from<float> load, pf::store_to<float> store) {
  using context = pf::execution::context<2, pf::execution::block_group>;
  __shared__ alignas(16) unsigned char scratch[context::scratch_bytes];
  context c{channel, host, rank, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x),
            pf::execution::block_group{}, scratch, pf::collective::all_reduce};
  pf::transport::packet<float, context> t{c};
  if (pf::algorithm::all_reduce_one_shot(c, t, tiles, load, pf::sum{}, pf::round_to<float>{},
                                         store)) {
    t.close();
  }
  c.leave();
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
