// Stands in for train_gpu.cu in a build without CUDA.
#include "train.hpp"

namespace digits {

gpu_search find_gpus() { return {{}, "this build has no CUDA"}; }

training_result train_on_gpus(const training_plan&, const std::vector<int>&, const data_set&,
                              progress&) {
  throw std::logic_error{"this build has no CUDA"};
}

}  // namespace digits
