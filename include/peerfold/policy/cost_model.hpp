/// \file
/// The cost model: how long a call takes by a policy on a node, before anything is measured there.
///
///   time = start + rounds * round + crowding * (further steps * step + wire * (bytes / rate of the
///   busiest edge))
///
/// The constants are of a policy, edges of the node; crowding is one but among ranks that share a
/// GPU. A call's bytes go over the edges of the node (policy/traffic.hpp); behind switches each
/// GPU has its own, in a mesh and over PCIe messages share some, and the one that takes longest
/// counts. Host code.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/policy/cost_constants.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/traffic.hpp>
#include <peerfold/topology/edges.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace peerfold {

/// A GPU's multiprocessors by its compute capability, as its maker describes the boards of its
/// kind.
[[nodiscard]] constexpr int multiprocessors_of(int sm) noexcept {
  if (sm >= 100) return 148;
  if (sm >= 90) return 132;
  if (sm >= 80) return 108;
  return sm >= 70 ? 80 : 56;
}

/// What a call may use.
struct call_limits {
  bool symmetric = false;  ///< memory that peers reach
  int max_blocks = 0;      ///< a rank; 0: as many as its part of the GPU
};

/// The terms of a predicted time, each in microseconds.
struct cost {
  static constexpr int nothing = -1;     ///< nothing is sent
  static constexpr int within_gpu = -2;  ///< the memory of a GPU that several ranks share
  static constexpr int blocks = -3;      ///< a rank's blocks

  double start_us = 0;
  double steps_us = 0;  ///< further ranks and steps, and what paths take beyond NVLink's latency
  double rounds_us = 0;
  double wire_us = 0;
  /// The number of the edge that takes longest, or one of these.
  int busiest = nothing;
  double busiest_bytes = 0;  ///< over it, or within the GPU, or from a rank to another
  // What the constants were multiplied with, for fits.
  int sharing = 1;  ///< most ranks on one GPU
  double further_steps = 0;
  double further_rounds = 0;
  double edge_us = 0;

  [[nodiscard]] double us() const noexcept { return start_us + steps_us + rounds_us + wire_us; }
};

/// Predicts calls on one node.
class cost_model {
 public:
  explicit cost_model(topology::graph g) : graph_{std::move(g)}, edges_{graph_} {}

  [[nodiscard]] const topology::graph& node() const noexcept { return graph_; }
  [[nodiscard]] const topology::edge_map& edges() const noexcept { return edges_; }

  /// The cost of a call by a policy that its collective has, with constants of that policy.
  [[nodiscard]] cost predict(const call_shape& call, const policy& p, const cost_constants& k,
                             const call_limits& limits = {}) const {
    const int n = call.ranks();
    cost c;
    c.start_us = k.start_us;
    if (n < 2) return alone(call, c);
    const traffic sent = traffic_of(call, p);
    const int steps = steps_of(call.which, p, n);
    c.sharing = most_on_one_gpu(call);
    const double crowded = k.crowded(c.sharing);
    c.further_steps = runs_along_links(p) ? steps - 1 : n - 2;
    c.steps_us = crowded * k.step_us * c.further_steps + steps * slower_path(call, sent);

    int blocks = std::max(1, multiprocessors(call) / c.sharing);
    if (limits.max_blocks > 0) blocks = std::min(blocks, limits.max_blocks);
    if (k.round_bytes > 0) {
      const double part = call.part_bytes / (p.algorithm == algorithm_id::two_shot ? n : 1);
      c.further_rounds = std::max(0.0, std::ceil(part / (blocks * k.block_round_bytes(n))) - 1);
      c.rounds_us = k.round_us * c.further_rounds;
    }
    find_busiest(call, sent, c);
    // A block sends its peers more at once than one of them (one to 16 blocks, two and four ranks).
    const double at_once = runs_along_links(p) ? 1 : std::sqrt(n - 1);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        take(c, sent.at(i, j), blocks * k.block_gbps / at_once, cost::blocks);
      }
    }
    c.wire_us = crowded * k.wire * c.edge_us;
    return c;
  }

 private:
  static constexpr double per_us = 1e3;  ///< bytes a microsecond, of 1e9 bytes/s

  /// Whether further ranks make the way longer, and not the ranks that each talks to more.
  [[nodiscard]] static constexpr bool runs_along_links(const policy& p) noexcept {
    return p.algorithm == algorithm_id::chain || p.algorithm == algorithm_id::tree ||
           p.algorithm == algorithm_id::ring;
  }

  [[nodiscard]] static cost alone(const call_shape& call, cost c) {
    c.edge_us = c.wire_us = call.part_bytes / (local_gbps * per_us);
    return c;
  }

  [[nodiscard]] static int most_on_one_gpu(const call_shape& call) {
    int most = 1;
    for (const int gpu : call.gpus) {
      most = std::max(most, static_cast<int>(std::ranges::count(call.gpus, gpu)));
    }
    return most;
  }

  [[nodiscard]] int multiprocessors(const call_shape& call) const {
    int fewest = multiprocessors_of(100);
    for (const int gpu : call.gpus) {
      fewest = std::min(
          fewest, multiprocessors_of(graph_.gpu_at(gpu).sm.value_or(topology::assumed_rates::sm)));
    }
    return fewest;
  }

  /// How much longer than NVLink's the longest latency is of the ways that are used.
  [[nodiscard]] double slower_path(const call_shape& call, const traffic& sent) const {
    const double usual = topology::expected_latency_us(topology::path_kind::nvlink);
    double longest = usual;
    for (int i = 0; i < sent.ranks(); ++i) {
      for (int j = 0; j < sent.ranks(); ++j) {
        const int from = call.gpus[static_cast<std::size_t>(i)];
        const int to = call.gpus[static_cast<std::size_t>(j)];
        if (from == to || sent.at(i, j) == 0) continue;
        const topology::connection& c = graph_.at(from, to);
        longest = std::max(longest, c.latency_us.value_or(topology::expected_latency_us(c.path)));
      }
    }
    return longest - usual;
  }

  /// How long the busiest edge takes, or the memory of the GPU within which most is sent.
  void find_busiest(const call_shape& call, const traffic& sent, cost& c) const {
    const std::vector<double> bytes = bytes_over(edges_, call.gpus, sent);
    for (std::size_t e = 0; e < bytes.size(); ++e) {
      take(c, bytes[e], edges_.edges()[e].reached_gbps, static_cast<int>(e));
    }
    std::vector<double> within(static_cast<std::size_t>(graph_.size()));
    for (int i = 0; i < sent.ranks(); ++i) {
      for (int j = 0; j < sent.ranks(); ++j) {
        const auto gpu = static_cast<std::size_t>(call.gpus[static_cast<std::size_t>(i)]);
        if (static_cast<int>(gpu) == call.gpus[static_cast<std::size_t>(j)]) {
          within[gpu] += sent.at(i, j);
        }
      }
    }
    for (const double local : within) take(c, local, local_gbps, cost::within_gpu);
  }

  /// Counts so many bytes at that rate, if nothing takes longer.
  static void take(cost& c, double bytes, double gbps, int what) noexcept {
    const double us = bytes / (gbps * per_us);
    if (us <= c.edge_us) return;
    c.edge_us = us;
    c.busiest = what;
    c.busiest_bytes = bytes;
  }

  topology::graph graph_;
  topology::edge_map edges_;
};

}  // namespace peerfold
