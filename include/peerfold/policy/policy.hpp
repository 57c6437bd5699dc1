/// \file
/// Policies: plain values that name an algorithm and the transport it runs over.
#pragma once

#include <peerfold/core/config.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace peerfold {

enum class algorithm_id : uint8_t {
  automatic,
  one_shot,
  two_shot,
  direct,
  chain,
  tree,
  two_shot_relayed,
  ring
};
enum class transport_id : uint8_t { automatic, packet, store, bulk, sentinel };

/// How a collective is to be carried out. All but rings, and trees that fold, are reproducible: the
/// bits of the result do not depend on which one ran (see policy_traits).
struct policy {
  algorithm_id algorithm = algorithm_id::automatic;
  transport_id transport = transport_id::automatic;

  friend constexpr bool operator==(const policy&, const policy&) = default;
};

inline constexpr policy automatic{};
inline constexpr policy one_shot_packet{algorithm_id::one_shot, transport_id::packet};
inline constexpr policy one_shot_store{algorithm_id::one_shot, transport_id::store};
inline constexpr policy two_shot_packet{algorithm_id::two_shot, transport_id::packet};
inline constexpr policy two_shot_store{algorithm_id::two_shot, transport_id::store};

/// For folds of floating-point elements; compiled where they are named, and where automatic may
/// take them.
inline constexpr policy one_shot_sentinel{algorithm_id::one_shot, transport_id::sentinel};
inline constexpr policy two_shot_sentinel{algorithm_id::two_shot, transport_id::sentinel};

inline constexpr policy direct_store{algorithm_id::direct, transport_id::store};
inline constexpr policy direct_bulk{algorithm_id::direct, transport_id::bulk};

/// For nodes whose GPUs are not all linked: along a chain of the ranks in their order, or a
/// balanced tree of them. Compiled where they are named. A tree that folds gives the same bits
/// every time, but not those of the other policies. (Ranks that name policies without a common
/// link, as a chain and a tree may be, find out when the wait budget ends.)
inline constexpr policy chain_packet{algorithm_id::chain, transport_id::packet};
inline constexpr policy chain_store{algorithm_id::chain, transport_id::store};
inline constexpr policy tree_packet{algorithm_id::tree, transport_id::packet};
inline constexpr policy tree_store{algorithm_id::tree, transport_id::store};

/// All-reduce where GPUs are not all linked, by the team's link routes: in two steps by way of
/// relays, with the bits of the others, or round a ring, with bits of its own. Compiled where they
/// are named.
inline constexpr policy two_shot_relayed_store{algorithm_id::two_shot_relayed, transport_id::store};
inline constexpr policy ring_packet{algorithm_id::ring, transport_id::packet};
inline constexpr policy ring_store{algorithm_id::ring, transport_id::store};

/// Every policy of all_reduce, of elements of any type, that lets each rank send to every other.
inline constexpr std::array all_policies{one_shot_packet, one_shot_store, two_shot_packet,
                                         two_shot_store};
/// Every policy of any collective.
inline constexpr std::array known_policies{one_shot_packet,
                                           one_shot_store,
                                           two_shot_packet,
                                           two_shot_store,
                                           direct_store,
                                           direct_bulk,
                                           chain_packet,
                                           chain_store,
                                           tree_packet,
                                           tree_store,
                                           one_shot_sentinel,
                                           two_shot_sentinel,
                                           two_shot_relayed_store,
                                           ring_packet,
                                           ring_store};

/// "one_shot/packet" and the like, or "automatic"; what names no policy: "one_shot/automatic".
constexpr std::string_view to_string(const policy& p) noexcept {
  constexpr std::string_view names[8][5] = {
      {"automatic", "automatic/packet", "automatic/store", "automatic/bulk", "automatic/sentinel"},
      {"one_shot/automatic", "one_shot/packet", "one_shot/store", "one_shot/bulk",
       "one_shot/sentinel"},
      {"two_shot/automatic", "two_shot/packet", "two_shot/store", "two_shot/bulk",
       "two_shot/sentinel"},
      {"direct/automatic", "direct/packet", "direct/store", "direct/bulk", "direct/sentinel"},
      {"chain/automatic", "chain/packet", "chain/store", "chain/bulk", "chain/sentinel"},
      {"tree/automatic", "tree/packet", "tree/store", "tree/bulk", "tree/sentinel"},
      {"two_shot_relayed/automatic", "two_shot_relayed/packet", "two_shot_relayed/store",
       "two_shot_relayed/bulk", "two_shot_relayed/sentinel"},
      {"ring/automatic", "ring/packet", "ring/store", "ring/bulk", "ring/sentinel"}};
  const auto a = static_cast<std::size_t>(p.algorithm);
  const auto t = static_cast<std::size_t>(p.transport);
  return a < 8 && t < 5 ? names[a][t] : "(no policy)";
}

/// The policy of that name; nothing if there is none.
constexpr std::optional<policy> parse_policy(std::string_view name) noexcept {
  for (const policy& p : known_policies) {
    if (to_string(p) == name) return p;
  }
  if (name == to_string(automatic)) return automatic;
  return std::nullopt;
}

/// A list of policies for the compiler: what a call instantiates.
template <policy... List>
struct policies {
  static constexpr std::size_t size = sizeof...(List);
  static constexpr std::array<policy, sizeof...(List)> list{List...};

  static constexpr bool contains(const policy& p) noexcept { return ((p == List) || ...); }
  static constexpr bool contains(transport_id t) noexcept { return ((t == List.transport) || ...); }

  /// Calls visit.template operator()<P>() for the P of the list that equals p; false if none does.
  template <class Visit>
  static bool dispatch(const policy& p, Visit&& visit) {
    return ((p == List ? (visit.template operator()<List>(), true) : false) || ...);
  }
};

/// Of all_reduce, of elements of any type.
using every_policy = policies<one_shot_packet, one_shot_store, two_shot_packet, two_shot_store>;
/// Of all_reduce, of floating-point elements.
using floating_policies = policies<one_shot_packet, one_shot_sentinel, one_shot_store,
                                   two_shot_packet, two_shot_sentinel, two_shot_store>;
/// Of all_reduce where GPUs are not all linked: what to name there. Automatic takes the first,
/// which has the bits of the others, where the team's routes have relays.
using linked_policies = policies<two_shot_relayed_store, two_shot_store, ring_store, tree_store>;
/// Of the collectives that take one step, in memory of any kind.
using exchange_policies = policies<one_shot_packet, one_shot_store>;
/// Of reduce, and of broadcast in ordinary memory.
using rooted_policies = policies<one_shot_packet, one_shot_store, two_shot_store>;
/// Of broadcast in symmetric memory.
using symmetric_broadcast_policies =
    policies<one_shot_packet, one_shot_store, direct_store, two_shot_store>;
/// Of the others that copy, in symmetric memory. (direct_bulk leaves a multiprocessor's lanes free,
/// but no link is filled sooner by it: it is compiled where it is named.)
using symmetric_exchange_policies = policies<one_shot_packet, one_shot_store, direct_store>;

}  // namespace peerfold
