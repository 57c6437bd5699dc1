// Kernels that wait for all ranks at once, which take microseconds, hold what comes in registers.
#include <peerfold/all_reduce.hpp>

#include <cuda_bf16.h>

namespace pf = peerfold;

using at_once = pf::policies<pf::one_shot_packet, pf::one_shot_sentinel, pf::two_shot_packet,
                             pf::two_shot_sentinel>;

template <class T, int N>
void launch(pf::gpu_team<N>& team, pf::symmetric_buffer<T, N>& data) {
  static_cast<void>(pf::all_reduce<at_once>(team, data, pf::sum{}));
}

template void launch(pf::gpu_team<4>&, pf::symmetric_buffer<float, 4>&);
template void launch(pf::gpu_team<8>&, pf::symmetric_buffer<float, 8>&);
template void launch(pf::gpu_team<8>&, pf::symmetric_buffer<__nv_bfloat16, 8>&);
