/// \file
/// Linked to GPU tests: skips the whole program where there are fewer GPUs than the environment
/// variable PEERFOLD_REQUIRED_GPUS asks for (1 if it is not set; ctest sets it).
#define PEERFOLD_TEST_LISTENER
#include "catch.hpp"
#include "skip.hpp"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <string>

namespace {

class gpus_required : public peerfold::test::listener {
 public:
  using peerfold::test::listener::listener;

  void testRunStarting(const Catch::TestRunInfo&) override {
    const char* wanted = std::getenv("PEERFOLD_REQUIRED_GPUS");
    const int required = wanted == nullptr ? 1 : std::atoi(wanted);
    int found = 0;
    std::string why;
    if (const cudaError_t failure = cudaGetDeviceCount(&found); failure != cudaSuccess) {
      found = 0;
      why = std::string(" (") + cudaGetErrorString(failure) + ")";
    }
    if (found >= required) return;
    peerfold::test::skip_program(
        ("needs " + std::to_string(required) + " GPU(s), found " + std::to_string(found) + why)
            .c_str());
  }
};

}  // namespace

CATCH_REGISTER_LISTENER(gpus_required)
