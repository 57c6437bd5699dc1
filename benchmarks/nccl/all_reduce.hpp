// NCCL's all-reduce behind the runner's interface.
#pragma once

#include <memory>

#include "../implementation.hpp"
#include "library.hpp"

namespace bench::nccl {

enum class memory { plain, symmetric_windows };

// Makes a communicator with a thread a rank. Throws where NCCL refuses, such as two ranks on
// one GPU or no symmetric windows. NCCL's environment variables are left as they are.
std::unique_ptr<implementation> make_all_reduce(const library& with, const assignment& ranks,
                                                memory kind);

}  // namespace bench::nccl
