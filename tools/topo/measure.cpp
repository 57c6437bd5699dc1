#include <peerfold/policy/policy.hpp>

#include <algorithm>
#include <chrono>
#include <collective.hpp>
#include <library/instances.hpp>
#include <machine.hpp>
#include <ostream>
#include <runtime.hpp>
#include <string>
#include <utility>

#include "../../benchmarks/measure.hpp"
#include "tuner.hpp"

namespace topo {
namespace {

// A policy in memory of one kind.
struct job {
  const bench::library::instance* of;
  peerfold::policy policy;
  bool symmetric;

  std::string title() const {
    return std::string(bench::name_of(of->which)) + ' ' + std::string(to_string(policy)) +
           (symmetric ? ", symmetric memory" : ", ordinary memory");
  }
};

class bar {
 public:
  bar(std::ostream& out, bool is_terminal, std::size_t jobs)
      : out_(out), is_terminal_(is_terminal), jobs_(jobs) {}

  void show(std::size_t done, const std::string& title) {
    constexpr std::size_t width = 30;
    const std::size_t filled = width * done / std::max<std::size_t>(1, jobs_);
    const auto percent = std::to_string(100 * done / std::max<std::size_t>(1, jobs_)) + " %";
    if (is_terminal_) {
      out_ << "\r[" << std::string(filled, '#') << std::string(width - filled, '.') << "] "
           << percent << "  " << title << "\x1b[K" << (done == jobs_ ? "\n" : "") << std::flush;
    } else if (done % std::max<std::size_t>(1, jobs_ / 10) == 0) {
      out_ << percent << "  " << title << '\n' << std::flush;
    }
  }

 private:
  std::ostream& out_;
  bool is_terminal_;
  std::size_t jobs_;
};

std::vector<job> jobs_of(const measure_options& asked, int ranks, std::ostream& remarks) {
  std::vector<job> jobs;
  for (const bench::collective which : bench::collectives) {
    const bool named = std::ranges::find(asked.which, which) != asked.which.end();
    if (which == bench::collective::barrier || (!named && !asked.which.empty())) continue;
    const auto* const found =
        bench::library::find_instance(which, ranks, bench::element::float32, bench::reduction::sum);
    if (found == nullptr) {
      if (named) {
        remarks << bench::name_of(which) << " among " << ranks
                << " ranks is not compiled in (PEERFOLD_BENCH_INSTANCES)\n";
      }
      continue;
    }
    for (const bool symmetric : {true, false}) {
      if (symmetric && !bench::takes_symmetric(which)) continue;
      for (const peerfold::policy& p : peerfold::known_policies) {
        if (bench::is_compiled(which, p, symmetric, true)) jobs.push_back({found, p, symmetric});
      }
    }
  }
  return jobs;
}

}  // namespace

peerfold::tuning measure(const measure_options& asked, std::ostream& progress, bool is_terminal) {
  using clock = std::chrono::steady_clock;
  const auto begin = clock::now();
  bench::program_name = "peerfold-topo";
  const bench::machine here = bench::describe_machine();
  if (here.gpus.empty()) throw no_gpu("no CUDA GPU is visible");
  bench::assignment ranks;
  ranks.devices = asked.devices;
  for (std::size_t i = 0; asked.devices.empty() && i < here.gpus.size(); ++i) {
    if (i < static_cast<std::size_t>(peerfold::max_ranks)) {
      ranks.devices.push_back(static_cast<int>(i));
    }
  }
  ranks.multiprocessors = 1 << 20;
  for (const int device : ranks.devices) {
    if (device < 0 || static_cast<std::size_t>(device) >= here.gpus.size()) {
      throw no_gpu("GPU " + std::to_string(device) + " is not there; there are " +
                   std::to_string(here.gpus.size()));
    }
    const bench::gpu& at = here.gpus[static_cast<std::size_t>(device)];
    const std::string& first = here.gpus[static_cast<std::size_t>(ranks.devices[0])].name;
    if (at.name != first) {
      throw std::runtime_error("GPUs of several kinds, " + first + " and " + at.name +
                               ": name some of one kind with --gpus");
    }
    ranks.multiprocessors = std::min(ranks.multiprocessors, at.multiprocessors);
  }
  ranks.max_bytes = asked.max_bytes;
  bench::enable_peer_access(ranks.devices);
  for (const int device : bench::distinct(ranks.devices)) bench::load_verification(device);

  bench::options how;
  how.replays = 7;
  peerfold::tuning measured(here.gpus[static_cast<std::size_t>(ranks.devices[0])].name);
  const std::vector<job> jobs = jobs_of(asked, ranks.ranks(), progress);
  if (jobs.empty()) {
    throw std::runtime_error("nothing among " + std::to_string(ranks.ranks()) +
                             " ranks is compiled in (PEERFOLD_BENCH_INSTANCES)");
  }
  bar shown(progress, is_terminal, jobs.size());
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    shown.show(k, jobs[k].title());
    if (std::chrono::duration<double>(clock::now() - begin).count() > asked.seconds) {
      progress << "\nout of time: " << jobs.size() - k << " of " << jobs.size()
               << " policies were not measured, from " << jobs[k].title() << " on\n";
      return measured;
    }
    ranks.which = jobs[k].of->which;
    const auto made =
        jobs[k].of->make(ranks, {std::string(to_string(jobs[k].policy)), jobs[k].symmetric});
    for (std::size_t bytes = asked.min_bytes; bytes <= asked.max_bytes && bytes != 0; bytes *= 4) {
      const bench::message call =
          bench::message_of(ranks.which, bench::element::float32, ranks.ranks(), bytes);
      if (call.count == 0 || !made->supports(call.count)) continue;
      made->prepare(call.count);
      const bench::figure figure =
          bench::measure(*made, ranks, how, call.count, bench::placement::out_of_place);
      made->release();
      if (figure.wrong != 0) {
        throw std::runtime_error(jobs[k].title() + ": " + std::to_string(figure.wrong) +
                                 " wrong elements of " + std::to_string(bytes) + " bytes");
      }
      measured.add({ranks.which, ranks.ranks(), jobs[k].symmetric, jobs[k].policy,
                    call.count * bench::bytes_of(bench::element::float32), figure.time_us});
    }
  }
  shown.show(jobs.size(), "done");
  if (measured.points().empty()) throw std::runtime_error("no size among those is one of a call");
  return measured;
}

}  // namespace topo
