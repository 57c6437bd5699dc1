#include "session.hpp"

#include <peerfold/core/rank.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include "nccl/collectives.hpp"
#include "nccl/library.hpp"
#include "report.hpp"
#include "rivals/rivals.hpp"
#include "verify.hpp"

namespace bench {
namespace {

std::invalid_argument not_compiled(std::string_view what, const options& how) {
  return std::invalid_argument(
      "--collective, --type, --op: " + std::string(what) + " of " + std::string(name_of(how.type)) +
      ", " + std::string(name_of(how.op)) + ", among " +
      (how.run_time_ranks ? "a run-time count of" : std::to_string(how.ranks)) +
      " ranks is not compiled in (--list shows what is; see "
      "PEERFOLD_BENCH_INSTANCES in benchmarks/README.md)");
}

// The version, and what the environment tells it to do otherwise.
std::string describe(const nccl::library& nccl) {
  std::string settings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view setting = *entry;
    if (setting.starts_with("NCCL_"))
      settings += (settings.empty() ? "" : ", ") + std::string(setting);
  }
  return nccl.version_text() + (settings.empty() ? "" : " (" + settings + ")");
}

}  // namespace

session::session(machine where, options how) {
  const int ranks = how.run_time_ranks ? peerfold::run_time_ranks : how.ranks;
  for (const collective which : how.which) {
    const auto* const found = library::find_instance(which, ranks, how.type, how.op);
    if (found != nullptr) {
      instances_.push_back(found);
    } else if (how.named) {
      throw not_compiled(name_of(which), how);
    }
  }
  if (instances_.empty()) throw not_compiled("any collective", how);
  ranks_.type = how.type;
  ranks_.op = how.op;
  ranks_.devices = how.devices;
  ranks_.max_bytes = how.sizes().back();
  ranks_.max_blocks = how.max_blocks;
  ranks_.tensors = how.tensors;
  ranks_.shift = how.shift;
  ranks_.skewed = how.skewed;
  ranks_.multiprocessors = 1 << 20;
  for (const int device : how.devices) {
    ranks_.multiprocessors = std::min(ranks_.multiprocessors,
                                      where.gpus[static_cast<std::size_t>(device)].multiprocessors);
  }
  all_.where = std::move(where);
  all_.how = std::move(how);
}

bool session::run() {
  std::string reason;
  const nccl::library* const nccl = all_.how.nccl ? nccl::find_library(reason) : nullptr;
  all_.nccl = nccl != nullptr ? describe(*nccl) : all_.how.nccl ? "not found" : "off";
  print_machine(all_.where, all_.how, all_.nccl);
  enable_peer_access(all_.how.devices);
  for (const int device : distinct(all_.how.devices)) load_verification(device);
  if (all_.how.limits) {
    all_.floors = measure_limits(all_.where, all_.how.devices);
    print_limits(*all_.floors);
  }
  for (const library::instance* instance : instances_) {
    instance_ = instance;
    ranks_.which = instance->which;
    print_section(ranks_.which);
    measure_peerfold();
    if (all_.how.rival && ranks_.which == collective::all_reduce && ranks_.tensors == 1) {
      measure_rivals();
    }
    if (nccl != nullptr) measure_nccl();
    save();  // what there is, should the run be ended from outside
  }
  if (nccl == nullptr && all_.how.nccl) print_skipped("nccl", reason);
  all_.complete = true;
  return total_wrong(all_.tables) == 0;
}

void session::save() const {
  if (!all_.how.json.empty()) write_results(all_.how.json, all_);
}

std::unique_ptr<implementation> session::make_peerfold(const std::string& policy,
                                                       bool symmetric) const {
  return instance_->make(ranks_, {policy, symmetric});
}

void session::measure_peerfold() {
  const bool sentinels = is_floating(ranks_.type) && !all_.how.run_time_ranks;
  std::vector<std::string> policies = all_.how.policies;
  if (policies.empty()) {
    policies.emplace_back("automatic");
    for (const auto name : policies_of(ranks_.which, takes_symmetric(ranks_.which), sentinels)) {
      policies.emplace_back(name);
    }
  }
  for (const std::string& policy : policies) {
    for (const bool symmetric : {true, false}) {
      if (symmetric ? !all_.how.symmetric : !all_.how.ordinary) continue;
      if (has_policy(ranks_.which, policy, symmetric, sentinels)) {
        measure_table(*make_peerfold(policy, symmetric));
      } else if (!all_.how.policies.empty()) {
        const std::string memory = symmetric ? "symmetric" : "ordinary";
        print_skipped("peerfold " + policy + ", " + memory + " memory",
                      "it has no such form for that memory, or for these elements");
      }
    }
  }
}

void session::measure_rivals() {
  if (!rivals::apply_to(ranks_)) {
    print_skipped("hand-specialised kernels", "they are for 2 ranks and float sum");
    return;
  }
  measure_table(*rivals::make_one_shot_packet(ranks_));
  measure_table(*rivals::make_one_shot_sentinel(ranks_));
  measure_table(*rivals::make_two_shot_push(ranks_));
  constexpr std::size_t mib = std::size_t{1} << 20;
  compare_with("one_shot/packet", rivals::make_one_shot_packet, mib);
  compare_with("one_shot/sentinel", rivals::make_one_shot_sentinel, 4 * mib);
  compare_with("two_shot/store", rivals::make_two_shot_push, all_.how.max_bytes);
  print_comparisons(all_.comparisons);
}

void session::measure_nccl() {
  if (distinct(ranks_.devices).size() != ranks_.devices.size()) {
    print_skipped("nccl", "it refuses two ranks on one GPU");
    return;
  }
  if (!nccl::has(ranks_.which)) {
    print_skipped("nccl", "it has no " + std::string(name_of(ranks_.which)));
    return;
  }
  std::string reason;
  const nccl::library& library = *nccl::find_library(reason);
  for (const nccl::memory kind : {nccl::memory::plain, nccl::memory::symmetric_windows}) {
    if (kind == nccl::memory::symmetric_windows && !nccl::uses_windows(ranks_.which)) continue;
    std::unique_ptr<implementation> made;
    try {
      made = nccl::make_calls(library, ranks_, kind);
    } catch (const std::exception& error) {
      print_skipped(kind == nccl::memory::plain ? "nccl" : "nccl with symmetric windows",
                    error.what());
      continue;
    }
    measure_table(*made);
  }
}

void session::measure_table(implementation& what) {
  print_table_head(ranks_.which, what.who());
  all_.tables.push_back({ranks_.which, what.who(), {}});
  table& t = all_.tables.back();
  const bool sizes_differ = ranks_.which != collective::barrier;
  const std::vector<std::size_t> sizes =
      sizes_differ ? all_.how.sizes() : std::vector<std::size_t>{0};
  for (const std::size_t bytes : sizes) {
    message call = message_of(ranks_.which, ranks_.type, ranks_.ranks(), bytes);
    call.skewed = ranks_.skewed;
    if ((call.count == 0 && sizes_differ) || !what.supports(call.count)) continue;
    row r;
    r.count = call.count;
    r.bytes = call.bytes();
    if (all_.floors) r.floor_us = floor_us(*all_.floors, call, ranks_.devices);
    what.prepare(r.count);
    r.out_of_place = measure(what, ranks_, all_.how, r.count, placement::out_of_place);
    if (all_.how.in_place && what.runs(placement::in_place)) {
      r.in_place = measure(what, ranks_, all_.how, r.count, placement::in_place);
    }
    what.release();
    t.rows.push_back(r);
    print_row(r, ranks_.which, all_.how);
  }
  print_table_foot(t);
}

void session::compare_with(const std::string& policy, maker hand, std::size_t max_bytes) {
  constexpr int times_made = 9;
  const std::size_t first = all_.comparisons.size();
  // All kept, so that the rings of each lie elsewhere.
  std::vector<std::unique_ptr<implementation>> kept;
  for (int made = 0; made < times_made; ++made) {
    implementation* const generic = kept.emplace_back(make_peerfold(policy, true)).get();
    implementation* const rival = kept.emplace_back(hand(ranks_)).get();
    std::size_t next = first;
    for (const std::size_t bytes : all_.how.sizes()) {
      const std::size_t count = bytes / bytes_of(ranks_.type);
      if (bytes > max_bytes || !rival->supports(count)) continue;
      if (made == 0) {
        all_.comparisons.push_back({generic->who(), rival->who(), ranks_.call(count).bytes()});
      }
      generic->prepare(count);
      rival->prepare(count);
      compare(*generic, *rival, ranks_, all_.how, count, all_.comparisons[next++]);
      generic->release();
      rival->release();
    }
  }
}

void print_list(const machine& where) {
  std::printf("GPUs:\n");
  for (const gpu& g : where.gpus) {
    std::printf("  %d  %s [%s], %d multiprocessors\n", g.index, g.name.c_str(), g.bus_id.c_str(),
                g.multiprocessors);
  }
  if (where.gpus.empty()) std::printf("  none\n");
  std::printf("peerfold (collective, ranks, type, operator):\n");
  for (const library::instance& i : library::instances()) {
    const bool run_time = i.ranks == peerfold::run_time_ranks;
    std::printf("  %-14s  %-8s  %-8s  %s\n", std::string(name_of(i.which)).c_str(),
                run_time ? "run time" : std::to_string(i.ranks).c_str(),
                std::string(type_column(i.which, i.type)).c_str(),
                std::string(op_column(i.which, i.op)).c_str());
  }
  std::printf(
      "hand-specialised: all_reduce, one_shot/packet, one_shot/sentinel and two_shot/store (2 "
      "ranks, float sum)\n");
  std::string reason;
  const nccl::library* const nccl = nccl::find_library(reason);
  std::printf("NCCL: %s\n", nccl != nullptr ? nccl->version_text().c_str() : reason.c_str());
}

}  // namespace bench
