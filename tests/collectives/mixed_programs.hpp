/// \file
/// Random programs that mix what one call leaves for the next: element types of several sizes,
/// parts of unequal size, groups of transfers and of tensors, on the channels of one team, without
/// a pause between the calls.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/records.hpp>

#include "groups.hpp"
#include "programs.hpp"
#include "transfers.hpp"
#include "unequal.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace peerfold::test {
namespace detail {

/// How a call of a mixed program is made.
struct mixed_options {
  peerfold::policy policy = automatic;
  int channel = 0;
  int max_blocks = 0;
};

/// Calls of one kind, whose memory is filled before the program begins and checked when it is over.
template <class Place, int N>
class mixed_part {
 public:
  using team_type = typename Place::template team<N>;

  virtual ~mixed_part() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual mixed_options options_of(std::size_t i) const = 0;
  [[nodiscard]] virtual std::string name_of(std::size_t i) const = 0;
  virtual void team_call(team_type&, std::size_t i, const call_options&) = 0;
  virtual void rank_call(team_type&, std::size_t i, int rank, const call_options&) = 0;
  virtual void check(Place&, report&) = 0;
};

/// Collectives of elements of type T.
template <class Place, int N, class T, class Op, class... Calls>
class typed_part : public mixed_part<Place, N> {
  using team_type = typename Place::template team<N>;

 public:
  typed_part(Place& place, team_type& team, std::vector<step> steps)
      : work_{operation_of<Op>(), N, std::move(steps), 3},
        slab_{place, team, work_.bytes()},
        calls_{team, work_, slab_} {
    for (int r = 0; r < N; ++r) {
      place.upload(r, slab_[static_cast<std::size_t>(r)], work_.image(r));
    }
  }
  std::size_t size() const override { return work_.steps().size(); }
  mixed_options options_of(std::size_t i) const override {
    const step& s = work_.steps()[i];
    return {s.policy, s.channel, s.max_blocks};
  }
  std::string name_of(std::size_t i) const override { return work_.steps()[i].to_string(); }
  void team_call(team_type&, std::size_t i, const call_options& options) override {
    calls_.team_call(i, options);
  }
  void rank_call(team_type&, std::size_t i, int rank, const call_options& options) override {
    calls_.rank_call(i, rank, options);
  }
  void check(Place& place, report& result) override {
    for (int r = 0; r < N; ++r) {
      work_.check(r, place.download(r, slab_[static_cast<std::size_t>(r)], work_.bytes()), result);
    }
  }

 private:
  using memory = slabs<Place, N, memory_kind::ordinary>;
  program<T> work_;
  memory slab_;
  issuer<T, Op, N, memory_kind::ordinary, team_type, memory, Calls...> calls_;
};

/// Calls that each have a slab on every rank, of which the bytes afterwards are known.
template <class Place, int N>
class slab_part : public mixed_part<Place, N> {
  using team_type = typename Place::template team<N>;

 public:
  std::size_t size() const override { return calls_.size(); }
  mixed_options options_of(std::size_t i) const override { return calls_[i].options; }
  std::string name_of(std::size_t i) const override { return calls_[i].name; }
  void check(Place& place, report& result) override {
    for (const call& c : calls_) {
      for (std::size_t r = 0; r < N; ++r) {
        const auto found = place.download(static_cast<int>(r), c.slabs[r], c.wanted[r].size());
        const auto wrong = std::mismatch(found.begin(), found.end(), c.wanted[r].begin()).first;
        result.check(wrong == found.end(), c.name + ": byte " +
                                               std::to_string(wrong - found.begin()) + " of rank " +
                                               std::to_string(r) + " is wrong");
        result.count(1, found.size() / sizeof(float));
      }
    }
  }

 protected:
  struct call {
    std::string name;
    mixed_options options;
    std::array<std::byte*, N> slabs;
    std::array<std::vector<std::byte>, N> wanted;
  };

  /// Makes a slab of `bytes` on every rank, of random bytes.
  call& add(Place& place, team_type& team, std::size_t bytes, const mixed_options& options,
            std::mt19937& random) {
    call& next = calls_.emplace_back();
    next.options = options;
    for (std::size_t r = 0; r < N; ++r) {
      next.slabs[r] = place.allocate(team, static_cast<int>(r), bytes);
      next.wanted[r].resize(bytes);
      for (std::byte& b : next.wanted[r]) b = static_cast<std::byte>(random());
      place.upload(static_cast<int>(r), next.slabs[r], next.wanted[r]);
    }
    return next;
  }

  std::deque<call> calls_;
};

/// Groups of transfers.
template <class Place, int N>
class transfers_part : public slab_part<Place, N> {
  using team_type = typename Place::template team<N>;

 public:
  transfers_part(Place& place, team_type& team, const std::vector<mixed_options>& all,
                 std::mt19937& random) {
    for (const mixed_options& options : all) {
      const std::size_t most = random() % 3 == 0 ? 20'000 : 700;
      std::size_t bytes = 0;
      const auto plan = plan_transfers(N, most, random, bytes);
      auto& c = this->add(place, team, bytes, options, random);
      c.name = "group of " + std::to_string(plan.size()) + " transfers";
      std::array<rank_transfers, N> transfers;
      std::vector<transfer_group<team_type>> own;
      for (std::size_t r = 0; r < N; ++r) {
        transfers[r] = transfers_of(plan, static_cast<int>(r), c.slabs[r]);
        own.push_back(make_transfer_group(team.rank(static_cast<int>(r)), transfers[r], 1000));
      }
      whole_.push_back(make_transfer_group(team, transfers));
      of_ranks_.push_back(std::move(own));
      const auto before = c.wanted;
      for (const planned_transfer& m : plan) {
        std::memcpy(c.wanted[static_cast<std::size_t>(m.to)].data() + m.target,
                    before[static_cast<std::size_t>(m.from)].data() + m.source, m.bytes());
      }
    }
  }
  void team_call(team_type& team, std::size_t i, const call_options& options) override {
    send_recv(team, whole_[i], options);
  }
  void rank_call(team_type& team, std::size_t i, int r, const call_options& options) override {
    send_recv(team.rank(r), of_ranks_[i][static_cast<std::size_t>(r)], options);
  }

 private:
  std::deque<transfer_group<team_type>> whole_;
  std::vector<std::vector<transfer_group<team_type>>> of_ranks_;
};

/// Exchanges of parts of unequal size.
template <class Place, int N>
class tables_part : public slab_part<Place, N> {
  using team_type = typename Place::template team<N>;
  using T = std::int16_t;

 public:
  tables_part(Place& place, team_type& team, const std::vector<mixed_options>& all,
              std::mt19937& random) {
    for (const mixed_options& options : all) {
      unequal_step s;
      s.which = collective::all_to_all;
      const std::size_t most = random() % 3 == 0 ? 5000 : 90;
      for (int i = 0; i < N * N; ++i) s.counts.push_back(random() % 4 == 0 ? 0 : random() % most);
      const unequal_oracle oracle{s, N};
      std::size_t in_end = 0;
      std::size_t out_end = 0;
      for (std::size_t r = 0; r < N; ++r) {
        in_end = std::max(in_end, oracle.given(r));
        out_end = std::max(out_end, oracle.got(r));
      }
      const std::size_t out = (in_end + 15 + random() % 5) * sizeof(T);
      auto& c = this->add(place, team, out + (out_end + 8) * sizeof(T), options, random);
      c.name = s.to_string();
      const auto before = c.wanted;
      for (std::size_t q = 0; q < N; ++q) {
        for (std::size_t r = 0; r < N; ++r) {
          const auto t = oracle.between(q, r);
          std::memcpy(c.wanted[r].data() + out + t.target * sizeof(T),
                      before[q].data() + t.source * sizeof(T), t.count * sizeof(T));
        }
      }
      steps_.push_back(std::move(s));
      outs_.push_back(out);
    }
  }
  void team_call(team_type& team, std::size_t i, const call_options& options) override {
    std::array<const T*, N> in;
    std::array<T*, N> out;
    for (std::size_t r = 0; r < N; ++r) {
      in[r] = in_of(i, r);
      out[r] = out_of(i, r);
    }
    all_to_all_v(team, in, out, part_table{steps_[i].counts}, {}, options);
  }
  void rank_call(team_type& team, std::size_t i, int r, const call_options& options) override {
    const auto at = static_cast<std::size_t>(r);
    all_to_all_v(team.rank(r), in_of(i, at), out_of(i, at), part_table{steps_[i].counts}, {},
                 options);
  }

 private:
  [[nodiscard]] const T* in_of(std::size_t i, std::size_t r) const {
    return reinterpret_cast<const T*>(this->calls_[i].slabs[r]);
  }
  [[nodiscard]] T* out_of(std::size_t i, std::size_t r) const {
    return reinterpret_cast<T*>(this->calls_[i].slabs[r] + outs_[i]);
  }
  std::vector<unequal_step> steps_;
  std::vector<std::size_t> outs_;
};

/// Groups of tensors, of bytes, which the oracle's mixture folds.
template <class Place, int N>
class tensors_part : public slab_part<Place, N> {
  using team_type = typename Place::template team<N>;
  using T = std::uint8_t;
  using group = tensor_group<team_type, T>;

 public:
  tensors_part(Place& place, team_type& team, const std::vector<mixed_options>& all,
               std::mt19937& random) {
    for (const mixed_options& options : all) {
      std::size_t bytes = 64;
      const grouped_list<T> list{random, random() % 12, 6000, bytes};
      auto& c = this->add(place, team, bytes + 64, options, random);
      c.name = "group of " + std::to_string(list.entries.size()) + " tensors";
      const std::vector<std::byte*> slabs(c.slabs.begin(), c.slabs.end());
      whole_.push_back(make_tensor_group(team, list.template tensors<N>(0, slabs)));
      std::vector<group> own;
      for (int r = 0; r < N; ++r) {
        own.push_back(make_tensor_group(team.rank(r), list.template tensors<1>(r, slabs)));
      }
      of_ranks_.push_back(std::move(own));
      const auto before = c.wanted;
      for (const auto& e : list.entries) {
        for (std::size_t i = 0; i < e.count; ++i) {
          T folded = static_cast<T>(before[0][e.in + i]);
          for (std::size_t q = 1; q < N; ++q) {
            folded = mix{}(folded, static_cast<T>(before[q][e.in + i]));
          }
          for (auto& wanted : c.wanted) wanted[e.out + i] = static_cast<std::byte>(folded);
        }
      }
    }
  }
  void team_call(team_type& team, std::size_t i, const call_options& options) override {
    all_reduce<group_policies>(team, whole_[i], mix{}, options);
  }
  void rank_call(team_type& team, std::size_t i, int r, const call_options& options) override {
    all_reduce<group_policies>(team.rank(r), of_ranks_[i][static_cast<std::size_t>(r)], mix{},
                               options);
  }

 private:
  using group_policies = policies<one_shot_packet, one_shot_store>;
  std::deque<group> whole_;
  std::vector<std::vector<group>> of_ranks_;
};

/// Makes the calls of all parts in turn, and checks what they leave.
template <class Place, int N>
void run_parts(typename Place::template team<N>& team, Place& place,
               const std::vector<std::unique_ptr<mixed_part<Place, N>>>& parts,
               const std::vector<std::pair<std::size_t, std::size_t>>& order, caller who,
               report& result) {
  const auto options_of = [&](const std::pair<std::size_t, std::size_t>& at) {
    const mixed_options chosen = parts[at.first]->options_of(at.second);
    call_options options;
    options.policy = chosen.policy;
    options.channel = chosen.channel;
    options.max_blocks = chosen.max_blocks;
    return options;
  };
  place.wait();
  if (who == caller::team) {
    recording(result, "mixed program", [&] {
      for (const auto& at : order) parts[at.first]->team_call(team, at.second, options_of(at));
    });
  } else {
    std::vector<std::thread> threads;
    for (int r = 0; r < N; ++r) {
      for (int channel = 0; channel < team.channels(); ++channel) {
        threads.emplace_back([&, r, channel] {
          recording(result, "mixed program", [&] {
            for (const auto& at : order) {
              if (options_of(at).channel != channel) continue;
              parts[at.first]->rank_call(team, at.second, r, place.rank_options(options_of(at), r));
              place.after_rank_call(r, channel);
            }
          });
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
  if (const std::string failure = place.wait(); !failure.empty()) return result.fail(failure);
  if (const team_status status = team.status(); !status) return result.fail(status.to_string());
  for (const auto& part : parts) part->check(place, result);
}

/// Programs until one fails.
template <class Place, int N>
void mixed_programs(report& result) {
  if (!Place::has(N)) return result.skip();
  // Elements of three lines, and of part of one.
  using large_calls =
      call_list<called<collective::all_reduce, policies<one_shot_packet, two_shot_store>>,
                called<collective::all_gather, exchange_policies>>;
  using small_calls =
      call_list<called<collective::all_reduce, policies<two_shot_packet, one_shot_store>>,
                called<collective::reduce, policies<one_shot_packet, two_shot_store>>>;
  const auto made = []<class T, class Op, class... Calls>(std::type_identity<T>, Op,
                                                          call_list<Calls...>) {
    return [](Place& place, typename Place::template team<N>& team,
              std::vector<step> steps) -> std::unique_ptr<mixed_part<Place, N>> {
      return std::make_unique<typed_part<Place, N, T, Op, Calls...>>(place, team, std::move(steps));
    };
  };
  const auto make_large = made(std::type_identity<particle>{}, mix{}, large_calls{});
  const auto make_small = made(std::type_identity<std::int16_t>{}, sum{}, small_calls{});
  std::size_t programs = 0;
  const bool right = rc::check("mixed programs of " + std::to_string(N) + " ranks", [&] {
    auto how = *random_team_of(false, Place::launches_apart(N), Place::most_workers);
    constexpr int few = 16;  // calls of a kind, at most
    const auto large = *rc::gen::resize(
        few, rc::gen::container<std::vector<step>>(random_step<large_calls, N>(2)));
    const auto small = *rc::gen::resize(
        few, rc::gen::container<std::vector<step>>(random_step<small_calls, N>(2)));
    const auto chosen =
        rc::gen::resize(few, rc::gen::container<std::vector<mixed_options>>(rc::gen::exec([] {
                          return mixed_options{*rc::gen::elementOf(std::vector<peerfold::policy>{
                                                   automatic, one_shot_packet, one_shot_store}),
                                               *rc::gen::inRange(0, 2), *rc::gen::inRange(0, 3)};
                        })));
    const auto transfers = *chosen;
    const auto tables = *chosen;
    const auto tensors = *chosen;
    const auto seed = *rc::gen::inRange<unsigned>(0, 1'000'000);
    RC_LOG() << how.ranks_call << " rank calls, seed " << seed;
    report found;
    recording(found, "mixed program", [&] {
      std::mt19937 random(seed);
      auto team = Place::template make_team<N>(options_for(how));
      Place place{team};
      std::vector<std::unique_ptr<mixed_part<Place, N>>> parts;
      parts.push_back(make_large(place, team, large));
      parts.push_back(make_small(place, team, small));
      parts.push_back(std::make_unique<transfers_part<Place, N>>(place, team, transfers, random));
      parts.push_back(std::make_unique<tables_part<Place, N>>(place, team, tables, random));
      parts.push_back(std::make_unique<tensors_part<Place, N>>(place, team, tensors, random));
      std::vector<std::pair<std::size_t, std::size_t>> order;
      for (std::size_t p = 0; p < parts.size(); ++p) {
        for (std::size_t i = 0; i < parts[p]->size(); ++i) order.emplace_back(p, i);
      }
      std::shuffle(order.begin(), order.end(), random);
      for (const auto& [p, i] : order) {
        RC_LOG() << "channel " << parts[p]->options_of(i).channel << ": " << parts[p]->name_of(i)
                 << '\n';
      }
      run_parts<Place, N>(team, place, parts, order, how.ranks_call ? caller::ranks : caller::team,
                          found);
    });
    ++programs;
    result.count(found.calls(), found.elements());
    if (!found.ok()) RC_FAIL(found.to_string());
  });
  result.check(right, "a program failed; rapidcheck says which above");
  std::printf("%zu mixed programs of %d ranks\n", programs, N);
}

}  // namespace detail

/// Mixed programs of First to Last ranks.
template <class Place, int First, int Last>
bool add_mixed_programs() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (registration("mixed programs", std::to_string(First + I) + " ranks",
                  &detail::mixed_programs<Place, First + I>),
     ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
