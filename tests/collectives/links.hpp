/// \file
/// Teams on nodes whose GPUs are not all linked: what keeps to links, beside what does not.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "several_steps.hpp"

namespace peerfold::test {
namespace detail {

/// Routes over links given as pairs, where pairs without one go by the first rank that is linked to
/// both.
inline link_routes routes_over(int ranks, const std::vector<std::pair<int, int>>& links,
                               const std::vector<int>& ring, const std::vector<int>& tree) {
  link_routes routes = link_routes::straight(ranks);
  const auto linked = [&](int a, int b) {
    for (const auto& [i, j] : links) {
      if ((i == a && j == b) || (i == b && j == a)) return true;
    }
    return false;
  };
  for (int i = 0; i < ranks; ++i) {
    for (int j = 0; j < ranks; ++j) {
      for (int p = ranks - 1; p >= 0 && i != j && !linked(i, j); --p) {
        if (linked(i, p) && linked(p, j)) routes.via[i][j] = static_cast<std::uint8_t>(p);
      }
    }
    routes.ring[i] = static_cast<std::uint8_t>(ring[static_cast<std::size_t>(i)]);
    routes.tree[i] = static_cast<std::uint8_t>(tree[static_cast<std::size_t>(i)]);
  }
  return routes;
}

/// Three in a row, four in a ring, and the hybrid cube mesh of eight.
template <int N>
link_routes partial_links() {
  if constexpr (N == 3) return routes_over(3, {{0, 1}, {1, 2}}, {2, 1, 0}, {0, 1, 2});
  if constexpr (N == 4) {
    return routes_over(4, {{0, 1}, {1, 2}, {2, 3}, {3, 0}}, {1, 2, 3, 0}, {0, 1, 2, 3});
  }
  static_assert(N == 3 || N == 4 || N == 8);
  return routes_over(8,
                     {{0, 1},
                      {0, 2},
                      {0, 3},
                      {0, 4},
                      {1, 2},
                      {1, 3},
                      {1, 5},
                      {2, 3},
                      {2, 6},
                      {3, 7},
                      {4, 5},
                      {4, 6},
                      {4, 7},
                      {5, 6},
                      {5, 7},
                      {6, 7}},
                     {0, 3, 2, 1, 5, 6, 7, 4}, {6, 2, 1, 3, 0, 5, 4, 7});
}

/// A place whose teams have such links.
template <class Place, int N>
struct partly_linked : Place {
  using Place::Place;
  static auto settings(int ranks, bool thorough) {
    auto all = Place::settings(ranks, thorough);
    for (auto& each : all) each.options.links = partial_links<N>();
    return all;
  }
};

template <class Place, class T, class Op, int N, collective Which, memory_kind Kind, class Policies>
void add_linked(const char* what) {
  registration(
      to_string(Which), std::string{"not all linked, "} + std::to_string(N) + " ranks, " + what,
      &run_combination<partly_linked<Place, N>, T, Op, N, Policies, Kind, (N <= 4), Which>);
}

template <class Place, int N>
void add_links_of() {
  using enum collective;
  using relays_and_rings = policies<two_shot_relayed_store, ring_packet, ring_store>;
  add_linked<Place, float, sum, N, all_reduce, memory_kind::ordinary,
             policies_of_place<Place,
                               policies<two_shot_relayed_store, ring_packet, ring_store,
                                        tree_packet, two_shot_packet>,
                               policies<two_shot_relayed_store, ring_packet>>>("ordinary memory");
  add_linked<
      Place, float, sum, N, all_reduce, memory_kind::symmetric,
      policies_of_place<Place, relays_and_rings, policies<two_shot_relayed_store, ring_store>>>(
      "symmetric memory");
  if constexpr (Place::every_kernel) {
    add_linked<Place, float, sum, N, reduce, memory_kind::ordinary,
               policies<tree_store, chain_packet>>("ordinary memory");
    add_linked<Place, std::int32_t, sum, N, broadcast, memory_kind::ordinary,
               policies<tree_packet, chain_store>>("ordinary memory");
#if PEERFOLD_ORACLE_HAS_FLOAT16
    if constexpr (N == 3) {
      add_linked<Place, __half, avg, N, all_reduce, memory_kind::ordinary, relays_and_rings>(
          "averages of half, ordinary memory");
    }
#endif
  }
}

}  // namespace detail

/// Of First to Last ranks, of those that there are links for.
template <class Place, int First, int Last>
bool add_links() {
  if constexpr (First <= 3 && Last >= 3) detail::add_links_of<Place, 3>();
  if constexpr (First <= 4 && Last >= 4) detail::add_links_of<Place, 4>();
  if constexpr (First <= 8 && Last >= 8) detail::add_links_of<Place, 8>();
  return true;
}

}  // namespace peerfold::test
