/// \file
/// Link routes from the graph of a node: who passes messages on where GPUs are not linked, and
/// orders of the ranks that follow links.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/link_routes.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace peerfold::topology {

namespace detail {

/// Works out routes among the ranks on GPUs gpus[rank] of a graph.
class route_planner {
 public:
  route_planner(const graph& g, const std::vector<int>& gpus)
      : ranks_{static_cast<int>(gpus.size())} {
    for (int i = 0; i < ranks_; ++i) {
      for (int j = 0; j < ranks_; ++j) width_[at(i)][at(j)] = width(g, gpus[at(i)], gpus[at(j)]);
    }
  }

  [[nodiscard]] link_routes plan() {
    link_routes routes = link_routes::straight(ranks_);
    bool all_linked = true;
    for (int i = 0; i < ranks_; ++i) {
      for (int j = 0; j < ranks_; ++j) all_linked = all_linked && linked(i, j);
    }
    if (all_linked) return routes;
    choose_relays(routes);
    search_order(
        routes.ring, [](int position) { return position - 1; }, true);
    search_order(routes.tree, tree_neighbour(), false);
    return routes;
  }

 private:
  using order = std::array<int, max_ranks>;

  static constexpr std::size_t at(int i) noexcept { return static_cast<std::size_t>(i); }

  /// What joins two ranks by NVLinks, or as memory of one GPU; 0: nothing does.
  [[nodiscard]] static double width(const graph& g, int from, int to) {
    if (from == to) return std::numeric_limits<double>::infinity();
    const connection& c = g.at(from, to);
    if (c.path != path_kind::nvlink) return 0;
    return c.gbps.value_or(c.links.value_or(1));
  }
  [[nodiscard]] bool linked(int i, int j) const noexcept { return width_[at(i)][at(j)] > 0; }

  /// How long the busiest link takes of a relayed two-shot all-reduce, in shares for what a link of
  /// width 1 carries, and the sum over all links, by which equal ones are told apart. A share of
  /// every rank goes straight to each rank that it is linked to, twice; what rank i has for rank j
  /// by way of p crosses i-p once more, and p-j twice: on the way back i's result is at p already.
  struct load {
    double busiest = 0;
    double sum = 0;
    [[nodiscard]] bool operator<(const load& other) const noexcept {
      constexpr double equal = 1e-9;
      if (busiest < other.busiest - equal) return true;
      return busiest < other.busiest + equal && sum < other.sum - equal;
    }
  };
  [[nodiscard]] load load_of(const link_routes& routes) const {
    std::array<std::array<double, max_ranks>, max_ranks> shares{};
    for (int i = 0; i < ranks_; ++i) {
      for (int j = 0; j < ranks_; ++j) {
        if (i == j) continue;
        const int p = routes.via[i][j];
        if (p == j) {
          shares[at(i)][at(j)] += 2;
        } else {
          shares[at(i)][at(p)] += 1;
          shares[at(p)][at(j)] += 2;
        }
      }
    }
    load all;
    for (int i = 0; i < ranks_; ++i) {
      for (int j = 0; j < ranks_; ++j) {
        if (i == j || !linked(i, j)) continue;
        const double time = shares[at(i)][at(j)] / width_[at(i)][at(j)];
        all.busiest = std::max(all.busiest, time);
        all.sum += time * time;
      }
    }
    return all;
  }

  /// Begins with the first relay of each pair that there is and takes others, a pair at a time,
  /// while that makes the busiest link less so. Where no rank is linked to both, the pair is left.
  void choose_relays(link_routes& routes) const {
    for (int i = 0; i < ranks_; ++i) {
      for (int j = 0; j < ranks_; ++j) {
        for (int p = 0; !linked(i, j) && routes.via[i][j] == j && p < ranks_; ++p) {
          if (passes_on(p, i, j)) routes.via[i][j] = static_cast<std::uint8_t>(p);
        }
      }
    }
    load least = load_of(routes);
    for (bool better = true; better;) {
      better = false;
      for (int i = 0; i < ranks_; ++i) {
        for (int j = 0; j < ranks_; ++j) {
          if (routes.via[i][j] == j) continue;
          for (int p = 0; p < ranks_; ++p) {
            if (!passes_on(p, i, j)) continue;
            link_routes other = routes;
            other.via[i][j] = static_cast<std::uint8_t>(p);
            const load now = load_of(other);
            if (!(now < least)) continue;
            least = now;
            routes = other;
            better = true;
          }
        }
      }
    }
  }
  [[nodiscard]] bool passes_on(int p, int i, int j) const noexcept {
    return p != i && p != j && linked(i, p) && linked(p, j);
  }

  /// To which position before it each position of the balanced tree is joined, where positions are
  /// filled from the root down.
  struct tree_neighbour {};

  /// Puts down the order of the ranks whose narrowest link is the widest, and of those the first;
  /// leaves it alone if no order keeps to links.
  template <class Joined>
  void search_order(std::uint8_t (&result)[max_ranks], Joined joined, bool closes) const {
    order best{};
    double widest = 0;
    order now{};
    std::array<bool, max_ranks> used{};
    const auto extend = [&](auto& self, int filled, double narrowest) -> void {
      if (narrowest <= widest) return;
      if (filled == ranks_) {
        if (closes) {
          narrowest = std::min(narrowest, width_[at(now[at(ranks_ - 1)])][at(now[0])]);
        }
        if (narrowest > widest) {
          widest = narrowest;
          best = now;
        }
        return;
      }
      const auto [position, neighbour] = place(joined, filled);
      for (int r = 0; r < ranks_; ++r) {
        if (used[at(r)]) continue;
        const double w = neighbour < 0 ? std::numeric_limits<double>::infinity()
                                       : width_[at(now[at(neighbour)])][at(r)];
        used[at(r)] = true;
        now[at(position)] = r;
        self(self, filled + 1, std::min(narrowest, w));
        used[at(r)] = false;
      }
    };
    extend(extend, 0, std::numeric_limits<double>::infinity());
    if (widest <= 0) return;
    for (int p = 0; p < ranks_; ++p) result[p] = static_cast<std::uint8_t>(best[at(p)]);
  }

  /// Which position is filled as number `filled`, and which filled one it is joined to; -1: none.
  struct filling {
    int position;
    int neighbour;
  };
  template <class Joined>
  [[nodiscard]] filling place(Joined joined, int filled) const {
    return {filled, joined(filled)};
  }
  [[nodiscard]] filling place(tree_neighbour /*joined*/, int filled) const {
    // Breadth first over the ranges of ranks, as the balanced tree divides them.
    struct range {
      int begin;
      int end;
      int above;
    };
    std::vector<range> ranges{{0, ranks_, -1}};
    for (std::size_t k = 0;; ++k) {
      const range r = ranges[k];
      const int middle = r.begin + (r.end - r.begin) / 2;
      if (static_cast<int>(k) == filled) return {middle, r.above};
      if (r.begin < middle) ranges.push_back({r.begin, middle, middle});
      if (middle + 1 < r.end) ranges.push_back({middle + 1, r.end, middle});
    }
  }

  int ranks_;
  std::array<std::array<double, max_ranks>, max_ranks> width_{};
};

}  // namespace detail

/// The routes of a team whose rank r is GPU gpus[r] of the graph; several may be one GPU. Straight
/// ones where all are linked by NVLinks, and for more than max_ranks ranks. Where they are not, a
/// pair without NVLinks goes by way of a rank that is linked to both, chosen so that the busiest
/// link of an all-reduce is the least busy (by steps from a first choice: not surely the best of
/// all), or straight where there is none; ring and tree follow links where some order does.
[[nodiscard]] inline link_routes plan_routes(const graph& g, const std::vector<int>& gpus) {
  if (gpus.size() > static_cast<std::size_t>(max_ranks)) return {};
  return detail::route_planner{g, gpus}.plan();
}

}  // namespace peerfold::topology
