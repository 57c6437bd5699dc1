// Data-parallel training in one process: ranks are GPUs, several to a GPU, or CPU threads, and the
// program is the same. See train_threads.cpp and train_gpu.cu for the loops, network.hpp for the
// arithmetic they share.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "options.hpp"
#include "train.hpp"

namespace digits {
namespace {

/// Where the ranks run, and why.
struct placement {
  int ranks = 0;
  std::vector<int> devices;  ///< of each rank; none on threads
  std::string why;
};

placement choose_place(const std::optional<int>& ranks, const gpu_search& gpus) {
  constexpr int fewest_by_default = 2;
  constexpr int most = 8;
  const int gpu_count = static_cast<int>(gpus.devices.size());
  placement chosen;
  chosen.why = gpus.found;
  chosen.ranks = ranks.value_or(std::clamp(gpu_count, fewest_by_default, most));
  const int used = std::min(gpu_count, chosen.ranks);
  for (int r = 0; r < chosen.ranks && used > 0; ++r) {  // in blocks: 0 0 1 1
    chosen.devices.push_back(gpus.devices[static_cast<std::size_t>(r * used / chosen.ranks)]);
  }
  return chosen;
}

void print(const placement& place) {
  std::string where = place.devices.empty() ? "CPU threads" : "GPU";
  for (const int device : place.devices) where.append(" ").append(std::to_string(device));
  std::printf("place     %s (%s)\n", where.c_str(), place.why.c_str());
  std::printf("ranks     %d\n", place.ranks);
}

void print(const training_result& result, const data_set& data, int ranks) {
  std::printf("accuracy  %.1f %% (%d of %d held-out digits)\n",
              100.0 * result.correct / data.held_out(), result.correct, data.held_out());
  std::printf("allreduce %.1f %% of %.2f s of training (waiting for slower ranks included)\n",
              100.0 * result.all_reduce_share, result.seconds);
  std::printf("identical %s (the weights of ranks 0 to %d, bit for bit)\n",
              result.identical ? "yes" : "NO", ranks - 1);
  std::printf("checksum  %016" PRIx64 "\n", result.checksum);
}

/// Reports in one line.
exit_code complain(std::string reason, exit_code code) {
  std::replace(reason.begin(), reason.end(), '\n', ';');
  std::fprintf(stderr, "train_digits: %s\n", reason.c_str());
  return code;
}

exit_code run(const options& options) {
  const data_set data = load(options.data, options.seed);
  const gpu_search gpus =
      options.place == place_choice::threads ? gpu_search{{}, "--place threads"} : find_gpus();
  if (options.place == place_choice::gpu && gpus.devices.empty()) {
    return complain("--place gpu: " + gpus.found, exit_code::no_device);
  }
  const placement place = choose_place(options.ranks, gpus);
  print(place);
  std::printf("data      %d digits to train on, %d held out (seed %" PRIu64 ")\n", data.train,
              data.held_out(), options.seed);
  const std::string_view policy = to_string(options.policy);
  std::printf("policy    %.*s\n", static_cast<int>(policy.size()), policy.data());

  const training_plan plan{place.ranks, options.epochs, options.seed, options.policy};
  progress progress{plan.epochs};
  const training_result result = place.devices.empty()
                                     ? train_on_threads(plan, data, progress)
                                     : train_on_gpus(plan, place.devices, data, progress);
  print(result, data, plan.ranks);
  return result.identical ? exit_code::success : exit_code::failed;
}

exit_code answer(int argc, char** argv) {
  try {
    const auto parsed = parse_options(argc, argv);
    const auto* chosen = std::get_if<options>(&parsed);
    return chosen != nullptr ? run(*chosen) : std::get<exit_code>(parsed);
  } catch (const data_error& error) {
    return complain(error.what(), exit_code::bad_input);
  } catch (const std::exception& error) {
    return complain(error.what(), exit_code::failed);
  }
}

}  // namespace
}  // namespace digits

int main(int argc, char** argv) { return static_cast<int>(digits::answer(argc, argv)); }
