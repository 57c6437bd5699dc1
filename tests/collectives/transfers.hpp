/// \file
/// Groups of messages: random ones between all ranks and to oneself, of three element types, none
/// to many a pair, aligned and not, by every policy, called by the team and by each rank, again
/// with new values; what they leave, byte by byte; what is refused; and what ends in a fault.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// A message of a test: where it lies in the slabs of its two ranks, in bytes.
struct planned_message {
  int from;
  int to;
  int type;  ///< 0: uint8_t, 1: int16_t, 2: float
  std::size_t count;
  std::size_t source;
  std::size_t target;

  [[nodiscard]] std::size_t element_bytes() const { return std::size_t{1} << type; }
  [[nodiscard]] std::size_t bytes() const { return count * element_bytes(); }

  void add_to(std::vector<message<const void>>& sends, const std::byte* slab) const {
    const std::byte* at = slab + source;
    if (type == 0)
      sends.push_back(message_to(to, reinterpret_cast<const std::uint8_t*>(at), count));
    if (type == 1)
      sends.push_back(message_to(to, reinterpret_cast<const std::int16_t*>(at), count));
    if (type == 2) sends.push_back(message_to(to, reinterpret_cast<const float*>(at), count));
  }
  void add_to(std::vector<message<void>>& gets, std::byte* slab) const {
    std::byte* at = slab + target;
    if (type == 0) gets.push_back(message_from(from, reinterpret_cast<std::uint8_t*>(at), count));
    if (type == 1) gets.push_back(message_from(from, reinterpret_cast<std::int16_t*>(at), count));
    if (type == 2) gets.push_back(message_from(from, reinterpret_cast<float*>(at), count));
  }
};

/// Random messages between N ranks, up to `most` bytes each. `bytes` of the slabs are used.
inline std::vector<planned_message> plan_messages(int ranks, std::size_t most, std::mt19937& random,
                                                  std::size_t& bytes) {
  std::vector<planned_message> plan;
  std::vector<std::size_t> end(static_cast<std::size_t>(ranks), 64);
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      const std::size_t many = random() % 4 == 0 ? 0 : random() % 5;
      for (std::size_t i = 0; i < many; ++i) {
        planned_message m{from, to, static_cast<int>(random() % 3), 0, 0, 0};
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

/// Rank r's messages. The order in which they are sent is not that in which they are got, but
/// between two ranks.
inline rank_messages messages_of(const std::vector<planned_message>& plan, int r, std::byte* slab) {
  rank_messages own;
  for (const planned_message& m : plan) {
    if (m.from == r) m.add_to(own.sends, slab);
  }
  auto by_sender = plan;
  std::stable_sort(by_sender.begin(), by_sender.end(),
                   [](const auto& a, const auto& b) { return a.from > b.from; });
  for (const planned_message& m : by_sender) {
    if (m.to == r) m.add_to(own.gets, slab);
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
        const auto plan = plan_messages(N, most, random, bytes);
        std::vector<std::byte*> slabs;
        std::array<rank_messages, N> messages;
        std::vector<transfer_group<team_type>> of_ranks;
        for (int r = 0; r < N; ++r) {
          slabs.push_back(place.allocate(team, r, bytes));
          messages[static_cast<std::size_t>(r)] = messages_of(plan, r, slabs.back());
          of_ranks.push_back(make_transfer_group(
              team.rank(r), messages[static_cast<std::size_t>(r)], chosen.most_bytes / 8));
        }
        const auto whole = make_transfer_group(team, messages);
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
          const std::string where = name + ", messages of up to " + std::to_string(most) +
                                    " bytes, " + std::string{peerfold::to_string(policy)};
          const std::string failure = place.wait();
          result.check(failure.empty() && team.status().ok(),
                       where + ": " + failure + team.status().to_string());
          auto wanted = images;
          std::size_t moved = 0;
          for (const planned_message& m : plan) {
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
  using all = std::array<rank_messages, N>;
  const auto refused = [&](const std::string& words, auto&& change) {
    check_refused(result, words, [&] {
      all messages;
      messages[0].sends.push_back(message_to(1, memory[0], 16));
      messages[1].gets.push_back(message_from(0, memory[1], 16));
      change(messages);
      static_cast<void>(make_transfer_group(team, messages));
    });
  };
  refused("rank 0, sends[1].peer: 3; this team has ranks 0 to 2",
          [&](all& m) { m[0].sends.push_back(message_to(N, memory[0], 1)); });
  refused("rank 2, gets[0].peer: -1",
          [&](all& m) { m[2].gets.push_back(message_from(-1, memory[2], 1)); });
  refused("rank 0, sends[0].count: -4 elements; a count is not negative",
          [&](all& m) { m[0].sends[0] = message_to(1, memory[0], -4); });
  refused("overflow the address space",
          [&](all& m) { m[0].sends[0] = message_to(1, memory[0], SIZE_MAX / 8); });
  refused("rank 1, gets[0].data: null; pass memory of 16 elements",
          [&](all& m) { m[1].gets[0] = message_from(0, static_cast<float*>(nullptr), 16); });
  refused("is not aligned; elements of 4 bytes need a multiple of 4", [&](all& m) {
    m[0].sends[0] = message_to(
        1, reinterpret_cast<const float*>(reinterpret_cast<const char*>(memory[0]) + 2), 16);
  });
  refused("overlaps rank 1, gets[0]", [&](all& m) {
    m[0].sends.push_back(message_to(1, memory[0] + 100, 16));
    m[1].gets.push_back(message_from(0, memory[1] + 8, 16));
  });
  refused("overlaps rank 1, gets[0]",
          [&](all& m) { m[1].sends.push_back(message_to(0, memory[1] + 15, 1)); });
  refused("rank 2: the messages to itself are not those from itself",
          [&](all& m) { m[2].sends.push_back(message_to(2, memory[2], 3)); });
  refused("rank 2 to rank 1: more messages are sent than got",
          [&](all& m) { m[2].sends.push_back(message_to(1, memory[2], 3)); });
  refused("rank 2 to rank 1: more messages are got than sent",
          [&](all& m) { m[1].gets.push_back(message_from(2, memory[1] + 20, 3)); });
  refused("rank 0 to rank 1: message 0 is sent as 16 elements and got as 15",
          [&](all& m) { m[1].gets[0] = message_from(0, memory[1], 15); });
  refused("of another type", [&](all& m) {
    m[1].gets[0] = message_from(0, reinterpret_cast<std::int32_t*>(memory[1]), 16);
  });
  auto group = make_transfer_group(team, all{});
  check_refused(result, "it belongs to team", [&] { send_recv(other, group); });
  auto of_one = make_transfer_group(team.rank(0), rank_messages{}, 0);
  check_refused(result, "it has no messages of rank 1", [&] { send_recv(team, of_one); });
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

/// Ranks 0 and 1 do not agree on the second message between them: both say so, none writes.
template <class Place, int N>
void transfer_groups_unmatched(report& result) {
  if (!Place::has(N) || !Place::launches_apart(N)) return result.skip();
  for (const bool of_another_type : {false, true}) {
    team_options options;
    options.wait_budget = std::chrono::seconds{20};
    auto team = Place::template make_team<N>(options, N);
    Place place{team};
    std::vector<std::thread> threads;
    std::vector<std::byte*> slabs;
    const std::vector<std::byte> before(4096, std::byte{0x3d});
    for (int r = 0; r < N; ++r) {
      slabs.push_back(place.allocate(team, r, before.size()));
      place.upload(r, slabs.back(), before);
    }
    place.wait();
    for (int r = 0; r < N; ++r) {
      threads.emplace_back([&, r] {
        recording(result, "messages that do not match", [&] {
          auto* floats = reinterpret_cast<float*>(slabs[static_cast<std::size_t>(r)]);
          auto* numbers = reinterpret_cast<std::int32_t*>(floats);
          rank_messages own;
          own.sends.push_back(message_to((r + 1) % N, floats, 7));
          own.gets.push_back(message_from((r + N - 1) % N, floats + 10, 7));
          if (r == 0) own.sends.push_back(message_to(1, floats, 9));
          if (r == 1 && of_another_type) own.gets.push_back(message_from(0, numbers + 20, 9));
          if (r == 1 && !of_another_type) own.gets.push_back(message_from(0, floats + 20, 8));
          const auto group = make_transfer_group(team.rank(r), own, 64);
          try {
            send_recv(team.rank(r), group, place.rank_options({}, r));
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
    for (const auto* words : {"the messages between it and rank 0 do not match",
                              "the messages between it and rank 1 do not match"}) {
      result.check(status.find(words) != std::string::npos, "not reported: " + status);
    }
    for (int r = 0; r < 2; ++r) {
      result.check(place.download(r, slabs[static_cast<std::size_t>(r)], before.size()) == before,
                   "rank " + std::to_string(r) + " wrote something");
    }
    result.count(N, 0);
  }
}

template <class Place, int N>
void add_transfers_of() {
  const std::string ranks = std::to_string(N) + " ranks";
  registration("groups of messages", ranks, &run_transfer_groups<Place, N>);
  if constexpr (N == 3) {
    registration("groups of messages", ranks + ", refused", &transfer_groups_refused<Place, N>);
    registration("groups of messages", ranks + ", unmatched", &transfer_groups_unmatched<Place, N>);
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
