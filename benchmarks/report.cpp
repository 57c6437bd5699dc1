#include "report.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

// Seven characters, as nccl-tests prints times.
std::string time_text(double us) {
  std::array<char, 32> text{};
  const char* const format = us >= 10000 ? "%7.0f" : us >= 1000 ? "%7.1f" : "%7.2f";
  std::snprintf(text.data(), text.size(), format, us);
  return text.data();
}

void print_figure(const std::optional<figure>& f) {
  if (!f) {
    std::printf("  %7s  %6s  %6s  %5s", "N/A", "N/A", "N/A", "N/A");
    return;
  }
  std::printf("  %7s  %6.2f  %6.2f  %5llu", time_text(f->time_us).c_str(), f->algorithm_gbps,
              f->bus_gbps, static_cast<unsigned long long>(f->wrong));
}

void print_rate(const char* what, const rate& r) {
  std::printf("#   %-44s %8.1f GB/s", what, r.gigabytes_per_second);
  if (r.blocks > 0) std::printf(" (%d blocks)", r.blocks);
  std::printf("\n");
}

void print_time(const char* what, double us) { std::printf("#   %-44s %8.2f us\n", what, us); }

}  // namespace

void print_machine(const machine& where, const options& how, const std::string& nccl) {
  std::printf("# peerfold-bench %s, %s\n", where.commit.c_str(), where.date.c_str());
  std::printf("# driver %s (CUDA %s), runtime %s, NCCL %s, link %s\n",
              where.driver.empty() ? "unknown" : where.driver.c_str(), where.cuda_driver.c_str(),
              where.cuda_runtime.c_str(), nccl.c_str(), where.link(how.devices).c_str());
  std::string names;
  for (const collective which : how.which) {
    names += (names.empty() ? "" : ", ") + std::string(name_of(which));
  }
  std::printf("# %s, minBytes %zu maxBytes %zu step: %zu(factor), %s, median of %d replays\n",
              names.c_str(), how.min_bytes, how.max_bytes, how.factor,
              how.graph ? "CUDA graphs" : "eager calls", how.replays);
  std::printf("#\n# Using devices\n");
  for (std::size_t rank = 0; rank < how.devices.size(); ++rank) {
    const gpu& g = where.gpus[static_cast<std::size_t>(how.devices[rank])];
    std::printf("#  Rank %2zu on device %2d [%s] %s\n", rank, g.index, g.bus_id.c_str(),
                g.name.c_str());
  }
  std::fflush(stdout);
}

void print_limits(const limits& l) {
  std::printf("#\n# Limits of this machine\n");
  print_time("launch gap in a graph", l.launch_us);
  if (l.cooperative_us) print_time("launch gap in a graph, cooperative", *l.cooperative_us);
  const char* const across = l.gpus > 1 ? "to the peer" : "to another block";
  print_time((std::string("flag ") + across + ", one way, relaxed").c_str(), l.flag_relaxed_us);
  print_time((std::string("flag ") + across + ", release/acquire").c_str(), l.flag_ordered_us);
  if (l.stores) print_rate("SM stores to the peer, each direction", *l.stores);
  if (l.stores_alone) print_rate("SM stores to the peer, one GPU alone", *l.stores_alone);
  if (l.loads) print_rate("SM loads from the peer, each direction", *l.loads);
  if (l.copy_engine) print_rate("copy engine to the peer, each direction", *l.copy_engine);
  print_rate("local copy, bytes moved once", l.local_copy);
  std::fflush(stdout);
}

void print_section(collective which) {
  std::printf("#\n# ==== %s ====\n", std::string(name_of(which)).c_str());
  std::fflush(stdout);
}

void print_table_head(collective which, const implementation::identity& who) {
  std::printf("#\n# %s: %s\n#\n", std::string(name_of(which)).c_str(), who.title().c_str());
  std::printf("# %10s  %12s  %8s  %6s  %6s           out-of-place                       in-place\n",
              "", "", "", "", "");
  std::printf("# %10s  %12s  %8s  %6s  %6s", "size", "count", "type", "redop", "root");
  for (int side = 0; side < 2; ++side) {
    std::printf("  %7s  %6s  %6s %6s", "time", "algbw", "busbw", "#wrong");
  }
  std::printf("  %8s  %7s  %s\n", "floor", "x floor", "grid");
  std::printf("# %10s  %12s  %8s  %6s  %6s", "(B)", "(elements)", "", "", "");
  for (int side = 0; side < 2; ++side) {
    std::printf("  %7s  %6s  %6s  %5s", "(us)", "(GB/s)", "(GB/s)", "");
  }
  std::printf("  %8s\n", "(us)");
  std::fflush(stdout);
}

void print_row(const row& r, collective which, const options& how) {
  const std::string type(type_column(which, how.type));
  const std::string op(op_column(which, how.op));
  std::printf("%12zu  %12zu  %8s  %6s  %6d", r.bytes, r.count, type.c_str(), op.c_str(),
              root_column(which));
  print_figure(r.out_of_place);
  print_figure(r.in_place);
  if (r.floor_us) {
    std::printf("  %8s  %7.2f", time_text(*r.floor_us).c_str(),
                r.out_of_place.time_us / *r.floor_us);
  } else {
    std::printf("  %8s  %7s", "N/A", "N/A");
  }
  if (r.out_of_place.shape) {
    std::printf("  %ux%u", r.out_of_place.shape->blocks, r.out_of_place.shape->threads);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void print_table_foot(const table& t) {
  double bus = 0;
  double figures = 0;
  for (const row& r : t.rows) {
    bus += r.out_of_place.bus_gbps;
    figures += 1;
    if (!r.in_place) continue;
    bus += r.in_place->bus_gbps;
    figures += 1;
  }
  const auto wrong = static_cast<unsigned long long>(total_wrong(std::span(&t, 1)));
  std::printf("# Out of bounds values : %llu %s\n", wrong, wrong == 0 ? "OK" : "FAILED");
  std::printf("# Avg bus bandwidth    : %g\n#\n", figures == 0 ? 0 : bus / figures);
  std::fflush(stdout);
}

void print_skipped(const std::string& what, const std::string& why) {
  std::printf("#\n# %s: not measured: %s\n", what.c_str(), why.c_str());
  std::fflush(stdout);
}

void print_comparisons(std::span<const comparison> all) {
  if (all.empty()) return;
  std::printf(
      "#\n# The generic template against the hand-specialised kernel, replayed in turn, made "
      "several "
      "times\n#\n");
  std::printf("# %10s  %-16s  %9s  %9s  %6s\n", "size (B)", "policy", "generic", "by hand",
              "ratio");
  for (const comparison& c : all) {
    std::printf("%12zu  %-16s  %9.2f  %9.2f  %6.3f\n", c.bytes, c.generic.policy.c_str(),
                c.generic_us(), c.hand_us(), c.ratio());
  }
  std::fflush(stdout);
}

std::uint64_t total_wrong(std::span<const table> tables) {
  std::uint64_t wrong = 0;
  for (const table& t : tables) {
    for (const row& r : t.rows) {
      wrong += r.out_of_place.wrong;
      if (r.in_place) wrong += r.in_place->wrong;
    }
  }
  return wrong;
}

}  // namespace bench
