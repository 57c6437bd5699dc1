// peerfold's all-reduce behind the runner's interface.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>

#include "../runtime.hpp"
#include "instances.hpp"

namespace bench::library {

template <int N, class T, class Op>
class all_reduce final : public implementation {
 public:
  all_reduce(const assignment& ranks, const choice& chosen)
      : chosen_(chosen),
        // Short of the runner's own patience, so that a fault ends in a report.
        team_(peerfold::gpu_team<N>::on_devices(ranks.devices,
                                                {.wait_budget = std::chrono::seconds(5)})) {
    call_.policy = peerfold::parse_policy(chosen.policy).value();
    call_.max_blocks = ranks.max_blocks;
    buffers_.devices = ranks.devices;
    buffers_.in.resize(N);
    buffers_.out.resize(N);
    for (int rank = 0; rank < N; ++rank) {
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
    return {"peerfold", chosen_.policy, chosen_.symmetric ? "symmetric" : "ordinary"};
  }
  bool reproducible() const override { return true; }
  bool supports(std::size_t) const override { return true; }

  void prepare(std::size_t count) override {
    release();
    count_ = count;
    if (chosen_.symmetric) {
      in_.emplace(team_, count);
      out_.emplace(team_, count);
    }
    for (std::size_t r = 0; r < N; ++r) {
      buffers_.in[r] = chosen_.symmetric ? in_->data(static_cast<int>(r)) : allocate(r);
      buffers_.out[r] = chosen_.symmetric ? out_->data(static_cast<int>(r)) : allocate(r);
    }
  }

  void release() override {
    in_.reset();
    out_.reset();
    ordinary_.clear();
  }

  const rank_pointers& buffers() const override { return buffers_; }
  std::span<const lane> lanes() const override { return lanes_; }

  void enqueue(placement where, int calls) override {
    const bool in_place = where == placement::in_place;
    std::array<const T*, N> from{};
    std::array<T*, N> to{};
    for (std::size_t r = 0; r < N; ++r) {
      to[r] = static_cast<T*>(buffers_.out[r]);
      from[r] = in_place ? to[r] : static_cast<const T*>(buffers_.in[r]);
    }
    for (int call = 0; call < calls; ++call) {
      if (!chosen_.symmetric) {
        peerfold::all_reduce(team_, from, to, count_, Op{}, call_);
      } else if (in_place) {
        peerfold::all_reduce(team_, *out_, Op{}, call_);
      } else {
        peerfold::all_reduce(team_, *in_, *out_, Op{}, call_);
      }
    }
  }

  void check_health() override {
    if (const auto status = team_.status(); !status.ok()) {
      throw std::runtime_error(who().title() + ": " + status.to_string());
    }
  }

 private:
  void* allocate(std::size_t rank) {
    return ordinary_.emplace_back(buffers_.devices[rank], count_ * sizeof(T)).data();
  }

  choice chosen_;
  peerfold::gpu_team<N> team_;
  peerfold::call_options call_;
  std::size_t count_ = 0;
  rank_pointers buffers_;
  std::vector<lane> lanes_;
  std::optional<peerfold::symmetric_buffer<T, N>> in_;
  std::optional<peerfold::symmetric_buffer<T, N>> out_;
  std::vector<device_memory> ordinary_;
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

template <int N, element E, reduction R>
std::unique_ptr<implementation> make(const assignment& ranks, const choice& chosen) {
  using type = typename type_of<E>::type;
  using functor = typename functor_of<R>::type;
  return std::make_unique<all_reduce<N, type, functor>>(ranks, chosen);
}

}  // namespace bench::library
