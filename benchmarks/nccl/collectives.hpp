// NCCL's collectives behind the runner's interface.
#pragma once

#include <memory>

#include "../implementation.hpp"
#include "library.hpp"

namespace bench::nccl {

enum class memory { plain, symmetric_windows };

// Whether NCCL has a collective for it, and one that profits from windows.
constexpr bool has(collective which) {
  return which != collective::inclusive_scan && which != collective::exclusive_scan &&
         which != collective::barrier;
}
constexpr bool uses_windows(collective which) {
  return which == collective::all_reduce || which == collective::reduce_scatter ||
         which == collective::all_gather;
}

// Makes a communicator with a thread a rank. Throws where NCCL refuses, such as two ranks on
// one GPU or no symmetric windows. NCCL's environment variables are left as they are.
std::unique_ptr<implementation> make_calls(const library& with, const assignment& ranks,
                                           memory kind);

}  // namespace bench::nccl
