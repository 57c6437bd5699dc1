// peerfold's collectives behind the runner's interface.
#pragma once

#include <peerfold/all_gather.hpp>
#include <peerfold/all_reduce.hpp>
#include <peerfold/all_to_all.hpp>
#include <peerfold/all_to_all_v.hpp>
#include <peerfold/barrier.hpp>
#include <peerfold/broadcast.hpp>
#include <peerfold/gather.hpp>
#include <peerfold/group.hpp>
#include <peerfold/reduce.hpp>
#include <peerfold/reduce_scatter.hpp>
#include <peerfold/scan.hpp>
#include <peerfold/scatter.hpp>
#include <peerfold/send_recv.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "../runtime.hpp"
#include "instances.hpp"

namespace bench::library {

// A call of the team. Where its memory is follows the team in every collective's arguments: arrays
// of pointers and a count, two symmetric buffers, or one for both in place.
template <collective Which, class T, class Op, class Team, class... Memory>
void call(Team& team, const peerfold::call_options& options, Memory&... memory) {
  constexpr bool early = peerfold::carries_sentinels<Team::size, T>;
  using listed = typename compiled_policies<Which, sizeof...(Memory) < 3, early>::list;
  if constexpr (Which == collective::all_reduce) {
    peerfold::all_reduce<listed>(team, memory..., Op{}, options);
  } else if constexpr (Which == collective::reduce_scatter) {
    peerfold::reduce_scatter<listed>(team, memory..., Op{}, options);
  } else if constexpr (Which == collective::all_gather) {
    peerfold::all_gather<listed>(team, memory..., options);
  } else if constexpr (Which == collective::broadcast) {
    peerfold::broadcast<listed>(team, memory..., root, options);
  } else if constexpr (Which == collective::reduce) {
    peerfold::reduce<listed>(team, memory..., Op{}, root, options);
  } else if constexpr (Which == collective::all_to_all) {
    peerfold::all_to_all<listed>(team, memory..., options);
  } else if constexpr (Which == collective::gather) {
    peerfold::gather<listed>(team, memory..., root, options);
  } else if constexpr (Which == collective::scatter) {
    peerfold::scatter<listed>(team, memory..., root, options);
  } else if constexpr (Which == collective::send_recv) {
    std::array<int, Team::size> to{};
    const int ranks = team.rank_count();
    for (int r = 0; r < ranks; ++r) to[static_cast<std::size_t>(r)] = next_rank(r, ranks);
    peerfold::send_recv(team, to, memory..., options);
  } else if constexpr (Which == collective::inclusive_scan) {
    peerfold::inclusive_scan<listed>(team, memory..., Op{}, options);
  } else if constexpr (Which == collective::exclusive_scan) {
    const T initial = static_cast<T>(static_cast<float>(scan_initial));
    peerfold::exclusive_scan<listed>(team, memory..., Op{}, initial, options);
  } else {
    static_assert(Which == collective::barrier);
    peerfold::barrier(team, options);
  }
}

// What does not depend on the collective at compile time: the team and its memory. N is the rank
// count, or peerfold::run_time_ranks.
template <int N, class T>
class team_of_ranks : public implementation {
 public:
  team_of_ranks(const assignment& ranks, const choice& chosen)
      : ranks_(ranks),
        chosen_(chosen),
        // Short of the runner's own patience, so that a fault ends in a report.
        team_(peerfold::gpu_team<N>::on_devices(ranks.devices,
                                                {.wait_budget = std::chrono::seconds(5)})) {
    options_.policy = peerfold::parse_policy(chosen.policy).value();
    options_.max_blocks = ranks.max_blocks;
    buffers_.devices = ranks.devices;
    buffers_.in.resize(ranks.devices.size());
    buffers_.out.resize(ranks.devices.size());
    for (int rank = 0; rank < ranks.ranks(); ++rank) {
      const cudaStream_t stream = team_.stream(rank);
      const auto same = std::ranges::find(lanes_, stream, &lane::stream);
      if (same == lanes_.end()) {
        lanes_.push_back({team_.device(rank), stream, 1});
      } else {
        ++same->ranks;  // ranks of one device are launched together
      }
    }
  }

  identity who() const override {
    return {"peerfold",
            chosen_.policy,
            chosen_.symmetric ? "symmetric" : "ordinary",
            N == peerfold::run_time_ranks,
            ranks_.tensors,
            chosen_.symmetric ? 0 : ranks_.shift,
            ranks_.skewed};
  }
  bool reproducible() const override {
    return peerfold::is_reproducible(ranks_.which, options_.policy);
  }
  bool supports(std::size_t) const override { return true; }
  bool runs(placement where) const override {
    if (where == placement::out_of_place) return true;
    // Straight into a peer's memory, an all-to-all would overwrite what is yet to be sent.
    const bool overwrites = ranks_.which == collective::all_to_all &&
                            options_.policy.algorithm == peerfold::algorithm_id::direct;
    return ranks_.which != collective::barrier && !overwrites;
  }

  void prepare(std::size_t count) override {
    release();
    call_ = ranks_.call(count);
    if (chosen_.symmetric) {
      in_.emplace(team_, call_.given());
      out_.emplace(team_, call_.got());
    }
    for (std::size_t r = 0; r < buffers_.in.size(); ++r) {
      const int rank = static_cast<int>(r);
      buffers_.in[r] = chosen_.symmetric ? in_->data(rank) : allocate(r, call_.given());
      buffers_.out[r] = chosen_.symmetric ? out_->data(rank) : allocate(r, call_.got());
    }
  }

  void release() override {
    in_.reset();
    out_.reset();
    ordinary_.clear();
  }

  const rank_pointers& buffers() const override { return buffers_; }
  std::span<const lane> lanes() const override { return lanes_; }

  void check_health() override {
    if (const auto status = team_.status(); !status.ok()) {
      throw std::runtime_error(who().title() + ": " + status.to_string());
    }
  }

 protected:
  using symmetric = peerfold::symmetric_buffer<T, N>;

  // The larger of the two, which rank_pointers takes in place too.
  symmetric& both() { return call_.given() > call_.got() ? *in_ : *out_; }

  assignment ranks_;
  choice chosen_;
  peerfold::gpu_team<N> team_;
  peerfold::call_options options_;
  message call_;
  rank_pointers buffers_;
  std::optional<symmetric> in_;
  std::optional<symmetric> out_;

 private:
  void* allocate(std::size_t rank, std::size_t elements) {
    const auto shift = static_cast<std::size_t>(ranks_.shift);
    auto& memory = ordinary_.emplace_back(buffers_.devices[rank], (elements + shift) * sizeof(T));
    return static_cast<T*>(memory.data()) + shift;
  }

  std::vector<lane> lanes_;
  std::vector<device_memory> ordinary_;
};

template <collective Which, int N, class T, class Op>
class team_calls final : public team_of_ranks<N, T> {
 public:
  using team_of_ranks<N, T>::team_of_ranks;

  void prepare(std::size_t count) override {
    release();
    team_of_ranks<N, T>::prepare(count);
    if (!is_grouped) return;
    for (const placement where : {placement::out_of_place, placement::in_place}) {
      std::vector<peerfold::tensor<T, N>> tensors;
      std::size_t at = 0;
      for (const std::size_t size : tensor_sizes(count, this->ranks_.tensors, sizeof(T))) {
        auto& t = tensors.emplace_back();
        t.count = size;
        for (std::size_t r = 0; r < this->buffers_.in.size(); ++r) {
          t.in[r] = static_cast<const T*>(this->buffers_.input(this->call_, r, where)) + at;
          t.out[r] = static_cast<T*>(this->buffers_.output(this->call_, r, where)) + at;
        }
        at += size;
      }
      groups_.push_back(peerfold::make_tensor_group(this->team_, tensors));
    }
  }

  void release() override {
    groups_.clear();
    team_of_ranks<N, T>::release();
  }

  void enqueue(placement where, int calls) override {
    if (is_grouped) return enqueue_group(where, calls);
    if (this->ranks_.skewed) return enqueue_unequal(calls);
    std::array<const T*, N> from{};
    std::array<T*, N> to{};
    for (std::size_t r = 0; r < this->buffers_.in.size(); ++r) {
      from[r] = static_cast<const T*>(this->buffers_.input(this->call_, r, where));
      to[r] = static_cast<T*>(this->buffers_.output(this->call_, r, where));
    }
    for (int i = 0; i < calls; ++i) {
      if constexpr (takes_symmetric(Which)) {
        if (this->chosen_.symmetric) {
          enqueue_symmetric(where);
          continue;
        }
      }
      call<Which, T, Op>(this->team_, this->options_, from, to, this->call_.count);
    }
  }

 private:
  const bool is_grouped = this->ranks_.tensors > 1;
  std::vector<peerfold::tensor_group<peerfold::gpu_team<N>, T>> groups_;  // by placement

  void enqueue_group([[maybe_unused]] placement where, [[maybe_unused]] int calls) {
    if constexpr (Which == collective::all_reduce && N != peerfold::run_time_ranks) {
      using without = peerfold::policies<peerfold::one_shot_packet, peerfold::two_shot_store>;
      using with = peerfold::policies<peerfold::one_shot_packet, peerfold::one_shot_sentinel,
                                      peerfold::two_shot_store>;
      using compiled = std::conditional_t<peerfold::carries_sentinels<N, T>, with, without>;
      const auto& group = groups_[where == placement::in_place ? 1 : 0];
      for (int i = 0; i < calls; ++i) {
        peerfold::all_reduce<compiled>(this->team_, group, Op{}, this->options_);
      }
    }
  }
  void enqueue_unequal([[maybe_unused]] int calls) {
    if constexpr (Which == collective::all_to_all && N != peerfold::run_time_ranks) {
      std::vector<std::size_t> counts;
      std::vector<std::size_t> begins;
      for (int r = 0; r < N; ++r) {
        for (int q = 0; q < N; ++q) {
          counts.push_back(this->call_.part_for(q));
          begins.push_back(static_cast<std::size_t>(q) * this->call_.count);
        }
      }
      const peerfold::part_table sends{counts, begins};
      std::array<const T*, N> from{};
      std::array<T*, N> to{};
      for (std::size_t r = 0; r < N; ++r) {
        from[r] = static_cast<const T*>(this->buffers_.in[r]);
        to[r] = static_cast<T*>(this->buffers_.out[r]);
      }
      for (int i = 0; i < calls; ++i) {
        if (this->chosen_.symmetric) {
          peerfold::all_to_all_v(this->team_, *this->in_, *this->out_, sends, begins,
                                 this->options_);
        } else {
          peerfold::all_to_all_v(this->team_, from, to, sends, begins, this->options_);
        }
      }
    }
  }
  void enqueue_symmetric(placement where) {
    if (where == placement::in_place) {
      call<Which, T, Op>(this->team_, this->options_, this->both());
    } else {
      call<Which, T, Op>(this->team_, this->options_, *this->in_, *this->out_);
    }
  }
};

template <element E>
struct type_of;
template <>
struct type_of<element::float32> {
  using type = float;
};
template <>
struct type_of<element::float64> {
  using type = double;
};
template <>
struct type_of<element::float16> {
  using type = __half;
};
template <>
struct type_of<element::bfloat16> {
  using type = __nv_bfloat16;
};
template <>
struct type_of<element::int32> {
  using type = std::int32_t;
};

template <>
struct type_of<element::fp8_e4m3> {
  using type = __nv_fp8_e4m3;
};
template <>
struct type_of<element::fp8_e5m2> {
  using type = __nv_fp8_e5m2;
};

template <reduction R>
struct functor_of;
template <>
struct functor_of<reduction::sum> {
  using type = peerfold::sum;
};
template <>
struct functor_of<reduction::max> {
  using type = peerfold::max;
};
template <>
struct functor_of<reduction::average> {
  using type = peerfold::avg;
};

template <collective Which, int N, element E, reduction R>
std::unique_ptr<implementation> make(const assignment& ranks, const choice& chosen) {
  using type = typename type_of<E>::type;
  using functor = typename functor_of<R>::type;
  return std::make_unique<team_calls<Which, N, type, functor>>(ranks, chosen);
}

}  // namespace bench::library
