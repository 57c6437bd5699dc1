#include "verify.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <stdexcept>
#include <type_traits>

#include "runtime.hpp"

namespace bench {
namespace {

template <class T>
struct tag {
  using type = T;
};

// Calls f with a tag of the C++ type.
template <class F>
void with_type(element type, F&& f) {
  switch (type) {
    case element::float32: return f(tag<float>{});
    case element::float64: return f(tag<double>{});
    case element::float16: return f(tag<__half>{});
    case element::bfloat16: return f(tag<__nv_bfloat16>{});
    case element::int32: return f(tag<std::int32_t>{});
    case element::fp8_e4m3: return f(tag<__nv_fp8_e4m3>{});
    case element::fp8_e5m2: return f(tag<__nv_fp8_e5m2>{});
  }
  throw std::logic_error("no such element type");
}

template <class T>
constexpr bool is_narrow = std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16> ||
                           std::is_same_v<T, __nv_fp8_e4m3> || std::is_same_v<T, __nv_fp8_e5m2>;
template <class T>
using accumulator = std::conditional_t<is_narrow<T>, float, T>;

__device__ std::uint32_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return static_cast<std::uint32_t>(x >> 32) ^ static_cast<std::uint32_t>(x);
}

template <class T>
__device__ T value_of(const problem& p, int rank, std::size_t index) {
  const std::uint64_t key = (std::uint64_t{p.seed} << 40) ^ (std::uint64_t(rank) << 36) ^ index;
  const std::uint32_t bits = mix(key * 0x9e3779b97f4a7c15ull + 0x632be59bd9b4e019ull);
  const std::int32_t small = static_cast<std::int32_t>(bits & 31u) - 16;
  if constexpr (std::is_same_v<T, std::int32_t>) {
    return p.kind == values::integers ? small : static_cast<std::int32_t>(bits);
  } else {
    using A = accumulator<T>;
    if (p.kind == values::integers) return static_cast<T>(static_cast<A>(small));
    // 24 random bits times 2^0 to 2^7: sums round, and differently in each order.
    const A fraction = static_cast<A>(static_cast<std::int32_t>(bits) >> 8) * A(0x1p-23);
    return static_cast<T>(fraction * static_cast<A>(1u << (bits & 7u)));
  }
}

template <class A>
__device__ A combined(reduction op, A a, A b) {
  if (op == reduction::max) return a < b ? b : a;
  if constexpr (std::is_integral_v<A>) {
    return static_cast<A>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));  // wraps
  } else {
    return a + b;
  }
}

// The folds of several ranks' elements `source`, as rank `rank` gets them.
template <class T>
__device__ T folded(const problem& p, int rank, std::size_t source) {
  using A = accumulator<T>;
  const bool scans = p.call.which == collective::inclusive_scan;
  const bool scans_before = p.call.which == collective::exclusive_scan;
  const int end = scans ? rank + 1 : scans_before ? rank : p.call.ranks;
  const auto value = [&](int from) { return static_cast<A>(value_of<T>(p, from, source)); };
  A result = scans_before ? static_cast<A>(scan_initial) : value(0);
  for (int from = scans_before ? 0 : 1; from < end; ++from) {
    result = combined(p.op, result, value(from));
  }
  if (p.op == reduction::average) result = result / static_cast<A>(p.call.ranks);
  return static_cast<T>(result);
}

template <class T>
__device__ T expected(const problem& p, int rank, std::size_t index) {
  const message& m = p.call;
  const bool gets_several = peerfold::parts_got(m.which, m.ranks) > 1;
  const bool gives_several = peerfold::parts_given(m.which, m.ranks) > 1;
  const int part = gets_several ? static_cast<int>(index / m.count) : 0;
  const std::size_t source = index - static_cast<std::size_t>(part) * m.count +
                             (gives_several ? static_cast<std::size_t>(rank) * m.count : 0);
  if (is_reduction(m.which)) return folded<T>(p, rank, source);
  const int from = gets_several                       ? part
                   : m.which == collective::send_recv ? last_rank(rank, m.ranks)
                                                      : root;
  return value_of<T>(p, from, source);
}

template <class T>
__device__ bool same_bits(const T& a, const T& b) {
  using narrow = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>;
  using word = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, narrow>>;
  word x;
  word y;
  memcpy(&x, &a, sizeof(T));
  memcpy(&y, &b, sizeof(T));
  return x == y;
}

template <class T>
__global__ void fill_kernel(problem p, int rank, std::size_t count, T* to) {
  const std::size_t step = std::size_t(gridDim.x) * blockDim.x;
  for (std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    to[i] = value_of<T>(p, rank, i);
  }
}

template <class T>
__global__ void check_kernel(problem p, int rank, std::size_t count, const T* out,
                             unsigned long long* wrong) {
  unsigned long long mine = 0;
  const std::size_t step = std::size_t(gridDim.x) * blockDim.x;
  for (std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    if (p.call.skewed && i % p.call.count >= p.call.part_for(rank)) continue;  // never written
    if (!same_bits(out[i], expected<T>(p, rank, i))) ++mine;
  }
  if (mine != 0) atomicAdd(wrong, mine);
}

unsigned blocks_for(std::size_t count) {
  const std::size_t blocks = (count + 255) / 256;
  return blocks < 1 ? 1u : blocks > 2048 ? 2048u : static_cast<unsigned>(blocks);
}

void* element_at(void* first, std::size_t index, element type) {
  return static_cast<char*>(first) + index * bytes_of(type);
}

void synchronize(const rank_pointers& at) {
  for (const int device : at.devices) {
    const on_device scope(device);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
}

}  // namespace

void* rank_pointers::input(const message& m, std::size_t r, placement where) const {
  if (where == placement::out_of_place) return in[r];
  void* const both = m.given() > m.got() ? in[r] : out[r];
  return element_at(both, m.input_in_place(static_cast<int>(r)), m.type);
}

void* rank_pointers::output(const message& m, std::size_t r, placement where) const {
  if (where == placement::out_of_place) return out[r];
  void* const both = m.given() > m.got() ? in[r] : out[r];
  return element_at(both, m.output_in_place(static_cast<int>(r)), m.type);
}

void load_verification(int device) {
  const on_device scope(device);
  for (const element_info& info : element_table) {
    with_type(info.type, [](auto t) {
      using T = typename decltype(t)::type;
      cudaFuncAttributes a{};
      check(cudaFuncGetAttributes(&a, fill_kernel<T>), "cudaFuncGetAttributes");
      check(cudaFuncGetAttributes(&a, check_kernel<T>), "cudaFuncGetAttributes");
    });
  }
}

void fill_inputs(const problem& what, const rank_pointers& at, placement where) {
  const message& m = what.call;
  for (int rank = 0; rank < m.ranks; ++rank) {
    const std::size_t r = static_cast<std::size_t>(rank);
    const std::size_t count = m.given_by(rank);
    if (count == 0) continue;
    const on_device scope(at.devices[r]);
    with_type(m.type, [&](auto t) {
      using T = typename decltype(t)::type;
      fill_kernel<<<blocks_for(count), 256>>>(what, rank, count,
                                              static_cast<T*>(at.input(m, r, where)));
    });
    check(cudaGetLastError(), "filling the inputs");
  }
  synchronize(at);
}

void poison_outputs(const problem& what, const rank_pointers& at) {
  const message& m = what.call;
  // NaNs, and an integer that no sum of small ones is.
  const int byte = m.type == element::int32 ? 0xa5 : 0xff;
  for (std::size_t r = 0; r < at.out.size(); ++r) {
    const on_device scope(at.devices[r]);
    check(cudaMemset(at.out[r], byte, m.got() * bytes_of(m.type)), "cudaMemset");
  }
  synchronize(at);
}

std::uint64_t count_wrong(const problem& what, const rank_pointers& at, placement where) {
  const message& m = what.call;
  std::uint64_t total = 0;
  for (int rank = 0; rank < m.ranks; ++rank) {
    const std::size_t r = static_cast<std::size_t>(rank);
    const std::size_t count = m.got_by(rank);
    if (count == 0) continue;
    const on_device scope(at.devices[r]);
    const device_memory counter(at.devices[r], sizeof(unsigned long long));
    counter.fill(0);
    with_type(m.type, [&](auto t) {
      using T = typename decltype(t)::type;
      check_kernel<<<blocks_for(count), 256>>>(what, rank, count,
                                               static_cast<const T*>(at.output(m, r, where)),
                                               counter.as<unsigned long long>());
    });
    check(cudaGetLastError(), "checking the outputs");
    unsigned long long wrong = 0;
    check(cudaMemcpy(&wrong, counter.data(), sizeof wrong, cudaMemcpyDeviceToHost), "cudaMemcpy");
    total += wrong;
  }
  return total;
}

}  // namespace bench
