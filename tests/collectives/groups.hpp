/// \file
/// Groups of tensors: of all sizes from none on, of three element types, in place and not, aligned
/// and not, by every policy, called by the team and by each rank, again with new values; what they
/// leave, byte by byte, and what is refused.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/oracle.hpp>
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
#include <tuple>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// The tensors of one type: where they lie in a slab that every rank has.
template <class T>
struct grouped_list {
  struct entry {
    std::size_t count;
    std::size_t in;  ///< in bytes
    std::size_t out;
  };
  std::vector<entry> entries;

  grouped_list(std::mt19937& random, std::size_t tensors, std::size_t most, std::size_t& end) {
    for (std::size_t i = 0; i < tensors; ++i) {
      // Small ones, of which several share a tile, and a few that take many.
      const std::size_t bound = i % 7 == 3 ? most : i % 3 == 0 ? 5 : 300;
      const auto place = [&](std::size_t count) {
        end = (end + 63) / 64 * 64 + random() % 5 * sizeof(T);
        const std::size_t at = end;
        end += count * sizeof(T) + sizeof(T);
        return at;
      };
      const std::size_t count = i % 11 == 5 ? 0 : random() % bound + 1;
      const std::size_t in = place(count);
      entries.push_back({count, in, i % 4 == 1 ? in : place(count)});
    }
  }

  /// As calls take them, of ranks first … first + M - 1.
  template <int M>
  [[nodiscard]] std::vector<tensor<T, M>> tensors(int first,
                                                  const std::vector<std::byte*>& slabs) const {
    std::vector<tensor<T, M>> list;
    for (const entry& e : entries) {
      tensor<T, M> t;
      t.count = e.count;
      for (int i = 0; i < M; ++i) {
        std::byte* slab = slabs[static_cast<std::size_t>(first + i)];
        t.in[static_cast<std::size_t>(i)] = reinterpret_cast<const T*>(slab + e.in);
        t.out[static_cast<std::size_t>(i)] = reinterpret_cast<T*>(slab + e.out);
      }
      list.push_back(t);
    }
    return list;
  }

  /// Puts values of round `round` into the slabs' images.
  void fill(oracle::operation op, int round, std::vector<std::vector<std::byte>>& images) const {
    for (std::size_t r = 0; r < images.size(); ++r) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        for (std::size_t e = 0; e < entries[i].count; ++e) {
          const T value = input_value<T>(op, i + static_cast<std::size_t>(1000 * round),
                                         static_cast<int>(r), e);
          std::memcpy(images[r].data() + entries[i].in + e * sizeof(T), &value, sizeof(T));
        }
      }
    }
  }

  /// Checks the outputs in a rank's slab, and puts what was there before in their place.
  void check(oracle::operation op, int round, int ranks, std::vector<std::byte>& found,
             const std::vector<std::byte>& before, const std::string& where, report& result) const {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      for (std::size_t e = 0; e < entries[i].count; ++e) {
        oracle::request call;
        call.op = op;
        call.ranks = ranks;
        call.count = 1;
        const auto value = [&](int q, std::size_t) {
          return input_value<T>(op, i + static_cast<std::size_t>(1000 * round), q, e);
        };
        const T wanted = oracle::result<T>(call, 0, 0, value(0, 0), value);
        const std::size_t at = entries[i].out + e * sizeof(T);
        oracle::bytes_of_value<T> bytes;
        std::memcpy(&bytes, found.data() + at, sizeof(T));
        if (!oracle::same(__builtin_bit_cast(T, bytes), wanted)) {
          result.fail(where + ": element " + std::to_string(e) + " of tensor " + std::to_string(i) +
                      ", which has " + std::to_string(entries[i].count) + " of " +
                      std::to_string(sizeof(T)) + " bytes, is wrong");
          return;
        }
        std::memcpy(found.data() + at, before.data() + at, sizeof(T));
      }
    }
  }
};

template <class Place, class Op, int N, class... Ts>
void run_groups(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr oracle::operation op = operation_of<Op>();
  std::mt19937 random(29 + N);
  for (const setting& chosen : Place::settings(N, false)) {
    const std::string name = std::to_string(N) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, N);
      using team_type = decltype(team);
      Place place{team};
      for (const std::size_t tensors : {std::size_t{0}, std::size_t{1}, std::size_t{60}}) {
        std::size_t bytes = 64;
        const std::tuple<grouped_list<Ts>...> lists{
            grouped_list<Ts>{random, tensors, chosen.most_bytes / sizeof(Ts) / 4, bytes}...};
        bytes += 64;
        std::vector<std::byte*> slabs;
        for (int r = 0; r < N; ++r) slabs.push_back(place.allocate(team, r, bytes));
        const auto whole = std::apply(
            [&](const auto&... list) {
              return make_tensor_group(team, list.template tensors<N>(0, slabs)...);
            },
            lists);
        std::vector<tensor_group<team_type, Ts...>> of_ranks;
        for (int r = 0; r < N; ++r) {
          of_ranks.push_back(std::apply(
              [&](const auto&... list) {
                return make_tensor_group(team.rank(r), list.template tensors<1>(r, slabs)...);
              },
              lists));
        }
        using list =
            std::conditional_t<carries_sentinels<N, Ts...>, floating_policies, every_policy>;
        std::vector<peerfold::policy> policies(list::list.begin(), list::list.end());
        policies.push_back(automatic);
        int round = 0;
        for (const peerfold::policy& policy : policies) {
          ++round;
          std::vector<std::vector<std::byte>> images(
              N, std::vector<std::byte>(bytes, std::byte{0x5c}));
          std::apply([&](const auto&... list) { (list.fill(op, round, images), ...); }, lists);
          for (int r = 0; r < N; ++r) {
            const auto at = static_cast<std::size_t>(r);
            place.upload(r, slabs[at], images[at]);
          }
          place.wait();
          call_options options;
          options.policy = policy;
          options.max_blocks = round == 3 ? 1 : 0;
          if (chosen.who == caller::team) {
            all_reduce<list>(team, whole, Op{}, options);
          } else {
            std::vector<std::thread> threads;
            for (int r = 0; r < N; ++r) {
              threads.emplace_back([&, r] {
                recording(result, name, [&] {
                  all_reduce<list>(team.rank(r), of_ranks[static_cast<std::size_t>(r)], Op{},
                                   place.rank_options(options, r));
                  place.after_rank_call(r, 0);
                });
              });
            }
            for (std::thread& thread : threads) thread.join();
          }
          const std::string where = name + ", " + std::to_string(tensors) +
                                    " tensors of each type, " +
                                    std::string{peerfold::to_string(policy)};
          const std::string failure = place.wait();
          result.check(failure.empty() && team.status().ok(),
                       where + ": " + failure + team.status().to_string());
          for (int r = 0; r < N && result.ok(); ++r) {
            const auto at = static_cast<std::size_t>(r);
            auto found = place.download(r, slabs[at], bytes);
            std::apply(
                [&](const auto&... list) {
                  (list.check(op, round, N, found, images[at], where, result), ...);
                },
                lists);
            result.check(found == images[at], where + ": changed a byte beside its outputs");
            result.count(1, bytes / sizeof(float));
          }
          if (!result.ok()) return;
        }
      }
    });
    if (!result.ok()) return;
  }
}

/// What is refused, and with which words.
template <class Place, int N>
void groups_refused(report& result) {
  if (!Place::has(N)) return result.skip();
  auto team = Place::template make_team<N>({}, N);
  auto other = Place::template make_team<N>({}, N);
  Place place{team};
  using list = std::vector<tensor<float, N>>;
  tensor<float, N> good;
  good.count = 16;
  for (int r = 0; r < N; ++r) {
    auto* memory = reinterpret_cast<float*>(place.allocate(team, r, 4096));
    good.in[static_cast<std::size_t>(r)] = memory;
    good.out[static_cast<std::size_t>(r)] = memory + 64;
  }
  const auto refused = [&](const std::string& words, auto&& call) {
    check_refused(result, words, call);
  };
  const auto changed = [&](auto&& change) {
    tensor<float, N> bad = good;
    change(bad);
    return bad;
  };
  refused("in of tensor 1 in list 0: null", [&] {
    static_cast<void>(make_tensor_group(team, list{changed([](auto& t) { t.count = 0; }),
                                                   changed([](auto& t) { t.in[1] = nullptr; })}));
  });
  refused("out of tensor 0 in list 1: 0x", [&] {
    static_cast<void>(make_tensor_group(team, list{good}, list{changed([](auto& t) {
                                          t.out[0] = reinterpret_cast<float*>(
                                              reinterpret_cast<char*>(t.out[0]) + 1);
                                        })}));
  });
  refused("overlaps rank 1, in of tensor 0 in list 0", [&] {
    static_cast<void>(make_tensor_group(
        team, list{changed([](auto& t) { t.out[1] = const_cast<float*>(t.in[1]) + 3; })}));
  });
  refused(", out of tensor 0 in list 0; a tensor is in place with itself only", [&] {
    static_cast<void>(make_tensor_group(team, list{good, good}));
  });
  refused("rank 1, out of tensor 0 in list 0: 0x", [&] {  // two ranks' outputs
    static_cast<void>(make_tensor_group(team, list{changed([](auto& t) { t.out[1] = t.out[0]; })}));
  });
  refused("make several groups", [&] {
    static_cast<void>(
        make_tensor_group(team, list{changed([](auto& t) { t.count = SIZE_MAX / 4; })}));
  });
  auto group = make_tensor_group(team, list{good});
  refused("it belongs to team", [&] { all_reduce(other, group, sum{}); });
  auto of_one = make_tensor_group(
      team.rank(0), std::vector<tensor<float, 1>>{{{good.in[0]}, {good.out[0]}, good.count}});
  refused("it has no tensors of rank 1", [&] { all_reduce(team, of_one, sum{}); });
  auto moved = make_tensor_group(team, list{});
  moved = std::move(group);
  refused("it was moved from", [&] { all_reduce(team, group, sum{}); });
  all_reduce(team, moved, sum{});
  place.wait();
  result.check(team.status().ok(), "the team is not as it was");
}

/// Ranks whose groups differ in the size of one tensor: a fault on each.
template <class Place, int N>
void groups_disagree(report& result) {
  if (!Place::has(N) || !Place::launches_apart(N)) return result.skip();
  team_options options;
  options.wait_budget = std::chrono::seconds{20};
  auto team = Place::template make_team<N>(options, N);
  Place place{team};
  std::vector<std::thread> threads;
  for (int r = 0; r < N; ++r) {
    auto* memory = reinterpret_cast<float*>(place.allocate(team, r, 65536));
    threads.emplace_back([&, r, memory] {
      recording(result, "groups that differ", [&] {
        // Together they have as many elements.
        const std::size_t first = r == 1 ? 96 : 100;
        const auto group = make_tensor_group(
            team.rank(r),
            std::vector<tensor<float, 1>>{{{memory}, {memory}, first},
                                          {{memory + 1000}, {memory + 1000}, 200 - first}});
        try {
          all_reduce(team.rank(r), group, sum{}, place.rank_options({}, r));
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
  result.check(status.find("made another call") != std::string::npos, "no disagreement: " + status);
  result.count(N, 0);
}

template <class Place, int N>
void add_groups_of() {
  const std::string ranks = std::to_string(N) + " ranks";
  registration("groups", ranks + ", sums", &run_groups<Place, sum, N, float, std::int16_t>);
  if constexpr (N == 3) {
    registration("groups", ranks + ", mixtures of three types",
                 &run_groups<Place, mix, N, particle, float, std::uint8_t>);
    registration("groups", ranks + ", refused", &groups_refused<Place, N>);
    registration("groups", ranks + ", different groups", &groups_disagree<Place, N>);
  }
}

}  // namespace detail

/// Teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_groups() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_groups_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
