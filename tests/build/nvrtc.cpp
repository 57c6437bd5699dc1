// peerfold/device.hpp compiles under NVRTC, the CUDA runtime compiler, which has no host headers
// and needs no GPU: kernels of the caller's own with every algorithm inside.
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

using context3 = pf::execution::context<3, pf::execution::block_group>;

// Runs call(context, transport), closes, and is ready for the next.
template <class Transport, class Call>
__device__ bool with(context3& c, Transport t, const Call& call) {
  const bool done = call(t);
  t.close();
  return !c.group().any(!done);
}

template <template <class, class, class> class Transport>
__device__ bool all_algorithms(context3& c, const pf::transport::tiling& tiles, const float* in,
                               const pf::store_to_symmetric<float, 3>& everywhere,
                               pf::transport::some_peers peers,
                               const pf::algorithm::tree_place& place) {
  namespace algorithm = pf::algorithm;
  using transport = Transport<float, context3, pf::transport::every_peer>;
  using between_some = Transport<float, context3, pf::transport::some_peers>;
  using pf::collective;
  const pf::load_from<float> load{in};
  const pf::store_to<float> store{everywhere.data};
  const larger_magnitude op;
  const pf::round_to<float> finish;
  if (!with(c, transport{c}, [&](transport& t) {
    const algorithm::route_of<collective::all_to_all> route{1000};
    return algorithm::exchange(c, t, tiles, route, true, load, store);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    const algorithm::route_of<collective::gather> route{1000, 2};
    return algorithm::exchange(c, t, tiles, route, true, load, store);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    const algorithm::route_of<collective::reduce_scatter> route{1000};
    return algorithm::reduce_exchange(c, t, tiles, route, true, load, op, finish, store);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    const algorithm::route_of<collective::exclusive_scan> route{1000};
    return algorithm::reduce_exchange(c, t, tiles, route, true, load, op, finish, store,
                                      pf::ranks_before<float>{0.0f, c.rank()});
  })) return false;
  if (!with(c, between_some{c, peers}, [&](between_some& t) {
    return algorithm::exchange(c, t, tiles, algorithm::pair_route{c.rank(), 1, -1}, false, load,
                               store);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    return algorithm::all_reduce_two_shot(c, t, tiles, load, op, finish, everywhere);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    return algorithm::reduce_two_shot(c, t, tiles, 1, load, op, finish, store);
  })) return false;
  if (!with(c, transport{c}, [&](transport& t) {
    return algorithm::broadcast_two_shot(c, t, tiles, 1, true, load, everywhere);
  })) return false;
  if (!with(c, between_some{c, peers}, [&](between_some& t) {
    return algorithm::tree_reduce<float>(c, t, tiles, place, true, load, op, finish, store);
  })) return false;
  if (!with(c, between_some{c, peers}, [&](between_some& t) {
    return algorithm::tree_broadcast(c, t, tiles, place, true, load, store);
  })) return false;
  if constexpr (transport::traits.publishes_writes) {
    if (!with(c, transport{c}, [&](transport& t) {
      const algorithm::route_of<collective::all_gather> route{1000};
      return algorithm::exchange_direct<pf::transport::lane_mover>(c, t, tiles, route, true, load,
                                                                   everywhere);
    })) return false;
  }
  return true;
}

extern "C" __global__ void every_algorithm(
    const __grid_constant__ pf::sync::channel_view<3> channel, pf::sync::rank_view<3> local,
    pf::transport::tiling tiles, const float* in, pf::store_to_symmetric<float, 3> everywhere) {
  __shared__ alignas(16) unsigned char scratch[context3::scratch_bytes];
  const pf::call_signature call{.which = pf::collective::custom};
  context3 c{channel, local, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x),
             pf::execution::block_group{}, scratch, call};
  const auto place = pf::algorithm::place_in_tree(
      pf::algorithm::tree_shape::tree, 3, c.rank(),
      pf::algorithm::natural_root(pf::algorithm::tree_shape::tree, 3), 7u);
  const pf::transport::some_peers peers = pf::algorithm::neighbours_of(place);
  if (!all_algorithms<pf::transport::packet>(c, tiles, in, everywhere, peers, place)) return;
  all_algorithms<pf::transport::store_flag>(c, tiles, in, everywhere, peers, place);
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
