/// \file
/// Groups of transfers: random ones between all ranks and to oneself, of three element types, none
/// to many a pair, aligned and not, by every policy, called by the team and by each rank, again
/// with new values; what they leave, byte by byte; what is refused; and what ends in a fault.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/records.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// Calls visit(a null pointer) of element type number `type`.
template <class Visit>
decltype(auto) with_transfer_type(int type, Visit visit) {
  switch (type) {
    case 0: return visit(static_cast<std::uint8_t*>(nullptr));
    case 1: return visit(static_cast<std::int16_t*>(nullptr));
    case 2: return visit(static_cast<float*>(nullptr));
    case 3: return visit(static_cast<colour*>(nullptr));
    default: return visit(static_cast<particle*>(nullptr));
  }
}
inline constexpr int transfer_types = 5;

/// A transfer of a test: where it lies in the slabs of its two ranks, in bytes.
struct planned_transfer {
  int from;
  int to;
  int type;
  std::size_t count;
  std::size_t source;
  std::size_t target;

  [[nodiscard]] std::size_t element_bytes() const {
    return with_transfer_type(type, [](auto* p) { return sizeof(*p); });
  }
  [[nodiscard]] std::size_t bytes() const { return count * element_bytes(); }

  void add_to(std::vector<transfer<const void>>& sends, const std::byte* slab) const {
    with_transfer_type(type, [&](auto* p) {
      sends.push_back(transfer_to(
          to, reinterpret_cast<const std::remove_pointer_t<decltype(p)>*>(slab + source), count));
    });
  }
  void add_to(std::vector<transfer<void>>& receives, std::byte* slab) const {
    with_transfer_type(type, [&](auto* p) {
      receives.push_back(transfer_from(from, reinterpret_cast<decltype(p)>(slab + target), count));
    });
  }
};

/// Random transfers between N ranks, up to `most` bytes each. `bytes` of the slabs are used.
inline std::vector<planned_transfer> plan_transfers(int ranks, std::size_t most,
                                                    std::mt19937& random, std::size_t& bytes) {
  std::vector<planned_transfer> plan;
  std::vector<std::size_t> end(static_cast<std::size_t>(ranks), 64);
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      const std::size_t many = random() % 4 == 0 ? 0 : random() % 5;
      for (std::size_t i = 0; i < many; ++i) {
        planned_transfer m{from, to, static_cast<int>(random() % transfer_types), 0, 0, 0};
        const std::size_t bound = i == 0 ? most : i == 3 ? 5 : 300;
        m.count = random() % 5 == 0 ? 0 : random() % (bound / m.element_bytes() + 1);
        const auto place = [&](int rank) {
          std::size_t& next = end[static_cast<std::size_t>(rank)];
          const std::size_t at = (next + 15) / 16 * 16 + random() % 9 * m.element_bytes();
          next = at + m.bytes() + 1;
          return at;
        };
        m.source = place(from);
        m.target = place(to);
        plan.push_back(m);
      }
    }
  }
  std::shuffle(plan.begin(), plan.end(), random);
  bytes = *std::max_element(end.begin(), end.end()) + 64;
  return plan;
}

/// Rank r's transfers. The order in which they are sent is not that in which they are got, but
/// between two ranks.
inline rank_transfers transfers_of(const std::vector<planned_transfer>& plan, int r,
                                   std::byte* slab) {
  rank_transfers own;
  for (const planned_transfer& m : plan) {
    if (m.from == r) m.add_to(own.sends, slab);
  }
  auto by_sender = plan;
  std::stable_sort(by_sender.begin(), by_sender.end(),
                   [](const auto& a, const auto& b) { return a.from > b.from; });
  for (const planned_transfer& m : by_sender) {
    if (m.to == r) m.add_to(own.receives, slab);
  }
  return own;
}

template <class Place, int N>
void run_transfer_groups(report& result) {
  if (!Place::has(N)) return result.skip();
  std::mt19937 random(31 + N);
  for (const setting& chosen : Place::settings(N, false)) {
    const std::string name = std::to_string(N) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, N);
      using team_type = decltype(team);
      Place place{team};
      // Less than is expected, about that, and much more.
      for (const std::size_t most : {std::size_t{0}, chosen.most_bytes / 8, chosen.most_bytes}) {
        std::size_t bytes = 0;
        const auto plan = plan_transfers(N, most, random, bytes);
        std::vector<std::byte*> slabs;
        std::array<rank_transfers, N> transfers;
        std::vector<transfer_group<team_type>> of_ranks;
        for (int r = 0; r < N; ++r) {
          slabs.push_back(place.allocate(team, r, bytes));
          transfers[static_cast<std::size_t>(r)] = transfers_of(plan, r, slabs.back());
          of_ranks.push_back(make_transfer_group(
              team.rank(r), transfers[static_cast<std::size_t>(r)], chosen.most_bytes / 8));
        }
        const auto whole = make_transfer_group(team, transfers);
        int round = 0;
        for (const peerfold::policy& policy : {one_shot_packet, one_shot_store, automatic}) {
          ++round;
          std::vector<std::vector<std::byte>> images(N, std::vector<std::byte>(bytes));
          for (int r = 0; r < N; ++r) {
            const auto at = static_cast<std::size_t>(r);
            for (std::byte& b : images[at]) b = static_cast<std::byte>(random());
            place.upload(r, slabs[at], images[at]);
          }
          place.wait();
          call_options options;
          options.policy = policy;
          options.max_blocks = round == 2 ? 2 : 0;
          if (chosen.who == caller::team) {
            send_recv(team, whole, options);
          } else {
            std::vector<std::thread> threads;
            for (int r = 0; r < N; ++r) {
              threads.emplace_back([&, r] {
                recording(result, name, [&] {
                  const auto& group = round == 3 ? whole : of_ranks[static_cast<std::size_t>(r)];
                  send_recv(team.rank(r), group, place.rank_options(options, r));
                  place.after_rank_call(r, 0);
                });
              });
            }
            for (std::thread& thread : threads) thread.join();
          }
          const std::string where = name + ", transfers of up to " + std::to_string(most) +
                                    " bytes, " + std::string{peerfold::to_string(policy)};
          const std::string failure = place.wait();
          result.check(failure.empty() && team.status().ok(),
                       where + ": " + failure + team.status().to_string());
          auto wanted = images;
          std::size_t moved = 0;
          for (const planned_transfer& m : plan) {
            std::memcpy(wanted[static_cast<std::size_t>(m.to)].data() + m.target,
                        images[static_cast<std::size_t>(m.from)].data() + m.source, m.bytes());
            moved += m.count;
          }
          for (int r = 0; r < N && result.ok(); ++r) {
            const auto at = static_cast<std::size_t>(r);
            const auto found = place.download(r, slabs[at], bytes);
            const auto wrong = std::mismatch(found.begin(), found.end(), wanted[at].begin()).first;
            result.check(wrong == found.end(), where + ": byte " +
                                                   std::to_string(wrong - found.begin()) +
                                                   " of rank " + std::to_string(r) + " is wrong");
          }
          result.count(1, moved);
          if (!result.ok()) return;
        }
      }
    });
    if (!result.ok()) return;
  }
}

/// What is refused, and with which words.
template <class Place, int N>
void transfer_groups_refused(report& result) {
  if (!Place::has(N)) return result.skip();
  auto team = Place::template make_team<N>({}, N);
  auto other = Place::template make_team<N>({}, N);
  Place place{team};
  std::array<float*, N> memory;
  for (int r = 0; r < N; ++r) {
    memory[static_cast<std::size_t>(r)] = reinterpret_cast<float*>(place.allocate(team, r, 4096));
  }
  using all = std::array<rank_transfers, N>;
  const auto refused = [&](const std::string& words, auto&& change) {
    check_refused(result, words, [&] {
      all transfers;
      transfers[0].sends.push_back(transfer_to(1, memory[0], 16));
      transfers[1].receives.push_back(transfer_from(0, memory[1], 16));
      change(transfers);
      static_cast<void>(make_transfer_group(team, transfers));
    });
  };
  refused("rank 0, sends[1].peer: 3; this team has ranks 0 to 2",
          [&](all& m) { m[0].sends.push_back(transfer_to(N, memory[0], 1)); });
  refused("rank 2, receives[0].peer: -1",
          [&](all& m) { m[2].receives.push_back(transfer_from(-1, memory[2], 1)); });
  refused("rank 0, sends[0].count: -4 elements; a count is not negative",
          [&](all& m) { m[0].sends[0] = transfer_to(1, memory[0], -4); });
  refused("rank 0, sends[0].count: with 2305843009213693951 elements there are more than",
          [&](all& m) { m[0].sends[0] = transfer_to(1, memory[0], SIZE_MAX / 8); });
  refused("rank 0, sends[3].count: with", [&](all& m) {  // each is not too much
    for (int i = 0; i < 3; ++i) {
      m[0].sends.push_back(transfer_to(2, memory[0], std::size_t{1} << 31));
    }
  });
  refused("overflow the address space", [&](all& m) {
    m[0].sends[0] = transfer_to(1, reinterpret_cast<const float*>(UINTPTR_MAX - 7), 16);
  });
  refused("rank 1, receives[0]: null; pass memory of 16 elements",
          [&](all& m) { m[1].receives[0] = transfer_from(0, static_cast<float*>(nullptr), 16); });
  refused("is not aligned; elements of 4 bytes need a multiple of 4", [&](all& m) {
    m[0].sends[0] = transfer_to(
        1, reinterpret_cast<const float*>(reinterpret_cast<const char*>(memory[0]) + 2), 16);
  });
  refused("overlaps rank 1, receives[0]", [&](all& m) {
    m[0].sends.push_back(transfer_to(1, memory[0] + 100, 16));
    m[1].receives.push_back(transfer_from(0, memory[1] + 8, 16));
  });
  refused("overlaps rank 1, receives[0]",
          [&](all& m) { m[1].sends.push_back(transfer_to(0, memory[1] + 15, 1)); });
  refused("overlaps rank 0, sends[0]",  // of another rank
          [&](all& m) { m[2].receives.push_back(transfer_from(2, memory[0] + 5, 1)); });
  refused("rank 2: what it sends itself is not what it receives from itself",
          [&](all& m) { m[2].sends.push_back(transfer_to(2, memory[2], 3)); });
  refused("rank 2 to rank 1: more is sent than received",
          [&](all& m) { m[2].sends.push_back(transfer_to(1, memory[2], 3)); });
  refused("rank 2 to rank 1: more is received than sent",
          [&](all& m) { m[1].receives.push_back(transfer_from(2, memory[1] + 20, 3)); });
  refused("rank 0 to rank 1: transfer 0 is sent as 16 elements and received as 15",
          [&](all& m) { m[1].receives[0] = transfer_from(0, memory[1], 15); });
  refused("of another type", [&](all& m) {
    m[1].receives[0] = transfer_from(0, reinterpret_cast<std::int32_t*>(memory[1]), 16);
  });
  auto group = make_transfer_group(team, all{});
  check_refused(result, "it belongs to team", [&] { send_recv(other, group); });
  auto of_one = make_transfer_group(team.rank(0), rank_transfers{}, 0);
  check_refused(result, "it has no transfers of rank 1", [&] { send_recv(team, of_one); });
  auto moved = make_transfer_group(team, all{});
  moved = std::move(group);
  check_refused(result, "it was moved from", [&] { send_recv(team, group); });
  check_refused(result, "options.policy", [&] {
    call_options options;
    options.policy = two_shot_store;
    send_recv(team, moved, options);
  });
  send_recv(team, moved);
  place.wait();
  result.check(team.status().ok(), "the team is not as it was");
}

/// Ranks that do not agree: about the type or the count of the second transfer from rank 0 to rank
/// 1, which one of these at least reports, and neither writes anything; about how much is expected;
/// in that rank 0 has the team's group; in that rank 1 receives alone.
template <class Place, int N>
void transfer_groups_disagree(report& result) {
  if (!Place::has(N) || !Place::launches_apart(N)) return result.skip();
  enum class about { type, count, expectation, group, call };
  for (const about what :
       {about::type, about::count, about::expectation, about::group, about::call}) {
    team_options options;
    options.wait_budget = std::chrono::seconds{20};
    auto team = Place::template make_team<N>(options, N);
    using team_type = decltype(team);
    Place place{team};
    std::vector<std::thread> threads;
    std::vector<std::byte*> slabs;
    std::array<rank_transfers, N> transfers;
    std::vector<transfer_group<team_type>> groups;
    const std::vector<std::byte> before(4096, std::byte{0x3d});
    for (int r = 0; r < N; ++r) {
      slabs.push_back(place.allocate(team, r, before.size()));
      place.upload(r, slabs.back(), before);
      auto* floats = reinterpret_cast<float*>(slabs.back());
      auto* numbers = reinterpret_cast<std::int32_t*>(floats);
      rank_transfers& own = transfers[static_cast<std::size_t>(r)];
      own.sends.push_back(transfer_to((r + 1) % N, floats, 7));
      own.receives.push_back(transfer_from((r + N - 1) % N, floats + 10, 7));
      if (r == 0) own.sends.push_back(transfer_to(1, floats, 9));
      if (r == 1 && what == about::type) own.receives.push_back(transfer_from(0, numbers + 20, 9));
      if (r == 1 && what != about::type) {
        own.receives.push_back(transfer_from(0, floats + 20, what == about::count ? 8 : 9));
      }
      const int expected = r == 2 && what == about::expectation ? 65 : 64;
      groups.push_back(make_transfer_group(team.rank(r), own, expected));
    }
    if (what == about::group) groups[0] = make_transfer_group(team, transfers);
    place.wait();
    for (int r = 0; r < N; ++r) {
      threads.emplace_back([&, r] {
        recording(result, "groups that do not match", [&] {
          const call_options own = place.rank_options({}, r);
          try {
            if (r == 1 && what == about::call) {
              recv(team.rank(r), 0, reinterpret_cast<float*>(slabs[1]), 7, own);
            } else {
              send_recv(team.rank(r), groups[static_cast<std::size_t>(r)], own);
            }
          } catch (const error& reason) {
            if (reason.code() != errc::team_faulted) throw;  // whoever is late is told so
          }
          place.after_rank_call(r, 0);
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
    place.wait();
    const std::string status = team.status().to_string();
    const auto says = [&](const char* words) { return status.find(words) != std::string::npos; };
    if (what == about::type || what == about::count) {
      result.check(says("the transfers between it and rank 0 do not match") ||
                       says("the transfers between it and rank 1 do not match"),
                   "not reported: " + status);
      for (int r = 0; r < 2; ++r) {
        result.check(place.download(r, slabs[static_cast<std::size_t>(r)], before.size()) == before,
                     "rank " + std::to_string(r) + " wrote something");
      }
    } else {
      result.check(says("made another call"), "not reported: " + status);
    }
    result.count(N, 0);
  }
}

template <class Place, int N>
void add_transfers_of() {
  const std::string ranks = std::to_string(N) + " ranks";
  registration("groups of transfers", ranks, &run_transfer_groups<Place, N>);
  if constexpr (N == 3) {
    registration("groups of transfers", ranks + ", refused", &transfer_groups_refused<Place, N>);
    registration("groups of transfers", ranks + ", different groups",
                 &transfer_groups_disagree<Place, N>);
  }
}

}  // namespace detail

/// Teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_transfers() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_transfers_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
