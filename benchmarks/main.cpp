// peerfold-bench: measures peerfold's collectives beside what the machine allows, what NCCL
// reaches and what hand-specialised kernels reach. --help lists the options.
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

#include "machine.hpp"
#include "options.hpp"
#include "runtime.hpp"
#include "session.hpp"

namespace {

int complain(const char* what, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, "peerfold-bench: %s\n", what);
  return status;
}

int run(bench::session& session) {
  bench::last_words = [&session] { session.save(); };
  try {
    const bool right = session.run();
    session.save();
    return right ? 0 : complain("wrong results", bench::status_failed);
  } catch (const std::exception& error) {
    complain(error.what(), bench::status_failed);
    session.save();
    return bench::status_failed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::command_line line = bench::parse_command_line(argc, argv);
  if (line.exit_status) return *line.exit_status;
  try {
    bench::machine here = bench::describe_machine();
    if (line.values.list) {
      bench::print_list(here);
      return 0;
    }
    if (here.gpus.empty()) {
      return complain("no CUDA GPU is visible", bench::status_no_gpu);
    }
#if defined(PEERFOLD_BENCH_QUICK_KERNELS)
    complain("built with PEERFOLD_QUICK_KERNELS: no figure counts", 0);
    if (!line.values.json.empty()) throw std::invalid_argument("--json: nothing to keep");
#endif
    if (!line.values.json.empty() && !std::ofstream(line.values.json, std::ios::app)) {
      throw std::invalid_argument("--json: cannot write " + line.values.json);
    }
    try {
      bench::place_ranks(line.values, static_cast<int>(here.gpus.size()));
    } catch (const std::invalid_argument& error) {
      return complain(error.what(), bench::status_no_gpu);
    }
    bench::session session(std::move(here), std::move(line.values));
    return run(session);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), bench::status_bad_options);
  } catch (const std::exception& error) {
    return complain(error.what(), bench::status_failed);
  }
}
