/// \file
/// From what the sources say of a machine to its graph.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/topology/facts.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::topology {

/// The graph of a machine that was looked at, and a sentence for each thing that could not be
/// learned or looks wrong.
struct discovery {
  graph node;
  std::vector<std::string> remarks;
};

namespace detail {

class assembler {
 public:
  explicit assembler(const node_facts& facts) : facts_{facts}, found_{{}, facts.remarks} {}

  [[nodiscard]] discovery run() {
    mark_parts();
    make_gpus();
    for_pairs([&](std::size_t i, std::size_t j) { connect_over_pcie(i, j); });
    read_links();
    join_by_links();
    for_pairs([&](std::size_t i, std::size_t j) { fill_in(i, j); });
    rate_links(found_.node);
    for_pairs([&](std::size_t i, std::size_t j) { compare_rates(i, j); });
    remark_on_fabric();
    return std::move(found_);
  }

 private:
  using text_part = peerfold::detail::text_part;

  void remark(std::initializer_list<text_part> what) {
    found_.remarks.push_back(peerfold::detail::text_of(what));
  }
  [[nodiscard]] std::string label(std::size_t i) const { return facts_.label(i); }
  [[nodiscard]] std::string label(std::size_t i, std::size_t j) const {
    return label(i) + " to " + label(j);
  }
  [[nodiscard]] connection& at(std::size_t i, std::size_t j) {
    return found_.node.at(static_cast<int>(i), static_cast<int>(j));
  }
  template <class Visit>
  void for_pairs(const Visit& visit) const {
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = 0; j < size(); ++j) {
        if (i != j) visit(i, j);
      }
    }
  }
  [[nodiscard]] std::size_t size() const { return facts_.gpus.size(); }

  /// MIG instances: NVML says so, or two devices are at one place. The links of a GPU are not
  /// theirs.
  void mark_parts() {
    is_part_.resize(size());
    for (std::size_t i = 0; i < size(); ++i) {
      const std::string& bus_id = facts_.gpus[i].bus_id;
      const auto same = std::ranges::count(facts_.gpus, bus_id, &gpu_facts::bus_id);
      is_part_[i] = facts_.gpus[i].is_part || (!bus_id.empty() && same > 1);
      if (is_part_[i]) {
        remark({label(i), ": a part of a GPU (MIG); what joins it to others is unknown"});
      }
    }
  }

  void make_gpus() {
    std::vector<gpu> gpus;
    for (const gpu_facts& facts : facts_.gpus) {
      gpus.push_back({.name = facts.name,
                      .bus_id = facts.bus_id,
                      .numa_node = facts.numa_node,
                      .sm = facts.sm,
                      .host_bridge = facts.host_bridge,
                      .bridges = facts.bridges});
    }
    found_.node = graph{std::move(gpus)};
  }

  /// NVML's word comes first: its driver knows more than the bridges that a virtual machine shows.
  void connect_over_pcie(std::size_t i, std::size_t j) {
    if (is_part_[i] || is_part_[j]) return;
    const path_kind ancestor = facts_.at(i, j).ancestor;
    at(i, j).path = ancestor != path_kind::unknown
                        ? ancestor
                        : pcie_path(found_.node.gpus()[i], found_.node.gpus()[j]);
  }

  void read_links() {
    links_.assign(size() * size(), 0);
    knows_links_.assign(size(), false);
    for (std::size_t i = 0; i < size(); ++i) {
      if (!facts_.gpus[i].links || is_part_[i]) continue;
      int unknown = 0;
      for (const link_end& end : *facts_.gpus[i].links) {
        if (!count_link(i, end)) ++unknown;
      }
      knows_links_[i] = unknown == 0;
      if (unknown != 0) {
        remark({label(i), ": where ", unknown, " of its ", facts_.gpus[i].links->size(),
                " active NVLinks end is unknown"});
      }
    }
  }

  /// False where it is not known where it ends.
  [[nodiscard]] bool count_link(std::size_t i, const link_end& end) {
    gpu& g = found_.node.gpu_at(static_cast<int>(i));
    switch (end.at) {
      case link_end::kind::gpu:
        // It may be one that this process does not see.
        if (const std::size_t j = facts_.find(end.bus_id); j != size()) ++links(i, j);
        return true;
      case link_end::kind::cpu: ++g.links_to_cpu; return true;
      case link_end::kind::nvswitch: {
        const int number = found_.node.nvswitch_at(end.bus_id);
        const auto port = std::ranges::find(g.ports, number, &switch_port::nvswitch);
        if (port == g.ports.end()) {
          g.ports.push_back({number, 1});
        } else {
          ++port->links;
        }
        return true;
      }
      default: return false;
    }
  }

  [[nodiscard]] int& links(std::size_t i, std::size_t j) { return links_[i * size() + j]; }

  void join_by_links() {
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = i + 1; j < size(); ++j) {
        if (is_part_[i] || is_part_[j]) continue;
        connection joined = at(i, j);
        join(i, j, joined);
        for (const auto& [a, b] : {std::pair{i, j}, std::pair{j, i}}) {
          connection& c = at(a, b);
          c.links = joined.links;
          c.through_switch = joined.through_switch;
          if (joined.path == path_kind::nvlink) c.path = joined.path;
        }
      }
    }
  }

  void join(std::size_t i, std::size_t j, connection& joined) {
    const gpu& a = found_.node.gpus()[i];
    const gpu& b = found_.node.gpus()[j];
    const int through = std::min(a.links_to_switches(), b.links_to_switches());
    const int direct = direct_links(i, j);
    const std::optional<bool> said = facts_.at(i, j).over_nvlink;
    if (direct > 0 || (through > 0 && share_a_fabric(i, j))) {
      // A partition of the switches may keep two GPUs apart. CUDA does not reach a peer then.
      if (said == false) {
        const bool reaches = accesses(i, j) == true;
        remark({label(i, j), ": NVML has no peer access over NVLink, although their links meet; ",
                reaches ? "CUDA has peer access, so they count"
                        : "nor has CUDA, so they do not count"});
        if (!reaches) {
          joined.links = 0;
          return;
        }
      }
      joined.path = path_kind::nvlink;
      joined.links = direct > 0 ? direct : through;
      joined.through_switch = direct == 0;
      return;
    }
    if (said == true) {  // how many is not known
      joined.path = path_kind::nvlink;
      return;
    }
    if (has_none(i, j) || has_none(j, i) || (knows_links_[i] && knows_links_[j])) joined.links = 0;
  }

  /// Both ends should count the same.
  [[nodiscard]] int direct_links(std::size_t i, std::size_t j) {
    const int there = links(i, j);
    const int back = links(j, i);
    if (there == back) return there;
    if (!knows_links_[i] || !knows_links_[j]) return std::max(there, back);
    remark({label(i, j), ": ", there, " NVLinks, but ", back, " in the other direction"});
    return std::min(there, back);
  }

  /// Whether GPU i is known to have no link on which j might be reached.
  [[nodiscard]] bool has_none(std::size_t i, std::size_t j) {
    return knows_links_[i] && links(i, j) == 0 && found_.node.gpus()[i].ports.empty();
  }

  [[nodiscard]] bool share_a_fabric(std::size_t i, std::size_t j) const {
    const auto& a = facts_.gpus[i].fabric;
    const auto& b = facts_.gpus[j].fabric;
    using state = fabric_facts::state;
    if (!a || !b || a->registration != state::completed || b->registration != state::completed) {
      return true;  // as far as is known
    }
    return a->cluster == b->cluster && a->clique == b->clique;
  }

  /// Whether kernels reach the peer's memory: what was tried, else what CUDA says, else NVML.
  [[nodiscard]] std::optional<bool> accesses(std::size_t i, std::size_t j) const {
    const pair_facts& pair = facts_.at(i, j);
    if (pair.carries_data) return pair.carries_data;
    if (pair.can_access) return pair.can_access;
    if (pair.reads == false || pair.writes == false) return false;
    if (pair.reads && pair.writes) return true;
    return {};
  }

  void fill_in(std::size_t i, std::size_t j) {
    const pair_facts& pair = facts_.at(i, j);
    connection& c = at(i, j);
    c.peer_access = accesses(i, j);
    c.native_atomics = pair.native_atomics ? pair.native_atomics : pair.atomics;
    c.ipc = c.peer_access == false ? std::optional{false} : facts_.gpus[j].shares;
    c.measured_gbps = pair.measured_gbps;
    c.latency_us = pair.latency_us;
    if (pair.carries_data == false) {
      remark({label(i, j), ": ", pair.trouble, "; counts as without peer access"});
    } else if (!pair.trouble.empty() && not_tried_.insert(pair.trouble).second) {
      remark({label(i, j), ": ", pair.trouble});  // once, and not for all pairs
    }
    if (!pair.carries_data && pair.can_access == true &&
        (pair.reads == false || pair.writes == false)) {
      remark({label(i, j), ": CUDA has peer access, NVML has not; it was not tried"});
    }
    if (c.path == path_kind::nvlink && c.links) {
      const std::optional<double> a = rate_of_a_link(i);
      const std::optional<double> b = rate_of_a_link(j);
      if (a && b) c.gbps = *c.links * std::min(*a, *b);
    }
  }

  /// NVML rounds rates down to whole MB/s: where it says what the table has, the table's.
  [[nodiscard]] std::optional<double> rate_of_a_link(std::size_t i) const {
    const double of_table = nvlink_generation::of(facts_.gpus[i].sm.value_or(0)).gbps;
    const std::optional<double>& said = facts_.gpus[i].link_gbps;
    if (of_table > 0 && (!said || std::abs(*said - of_table) < 0.005 * of_table)) return of_table;
    return said;
  }

  void compare_rates(std::size_t i, std::size_t j) {
    const connection& c = at(i, j);
    if (!c.gbps || !c.measured_gbps || *c.measured_gbps >= 0.5 * *c.gbps) return;
    remark({label(i, j), ": stores reach ", std::lround(*c.measured_gbps), " GB/s, and its ",
            *c.links, " NVLinks carry ", std::lround(*c.gbps)});
  }

  void remark_on_fabric() {
    using state = fabric_facts::state;
    for (std::size_t i = 0; i < size(); ++i) {
      if (!facts_.gpus[i].fabric) continue;
      const fabric_facts& fabric = *facts_.gpus[i].fabric;
      const char* what = nullptr;
      if (fabric.registration == state::not_started || fabric.registration == state::in_progress) {
        what = "is not set up; is the fabric manager running?";
      } else if (fabric.is_misconfigured) {
        what = "is not configured as it should be";
      } else if (fabric.is_unhealthy) {
        what = "has routes that are not healthy";
      } else if (fabric.is_degraded) {
        what = "has less bandwidth than it should have";
      }
      if (what != nullptr) remark({label(i), ": the fabric of its NVSwitches ", what});
      if (fabric.failure != 0) {
        remark({label(i), ": the fabric of its NVSwitches could not be set up (NVML's error ",
                fabric.failure, ")"});
      }
    }
    for (std::size_t j = 1; j < size(); ++j) {
      if (share_a_fabric(0, j)) continue;
      remark({label(0), " and ", label(j), " are in different partitions of the NVSwitches"});
    }
  }

  const node_facts& facts_;
  discovery found_;
  std::set<std::string> not_tried_;
  std::vector<bool> is_part_;
  std::vector<bool> knows_links_;  ///< all ends of a GPU's links
  std::vector<int> links_;         ///< from one GPU straight to another, row by row
};

}  // namespace detail

/// Where sources contradict each other, what was tried counts more than what is said, and CUDA,
/// which programs depend on, more than NVML; each such case is a remark.
[[nodiscard]] inline discovery assemble(const node_facts& facts) {
  return detail::assembler{facts}.run();
}

}  // namespace peerfold::topology
