/// \file
/// Movers: how an algorithm gets a tile from memory that it reaches to other places in memory,
/// without a message. The places are numbered by steps from the own rank, 0 … N - 1: a set of them
/// is a mask of bits. Work may be under way until finish(), after which a transport's commit()
/// publishes it.
#pragma once

#include <peerfold/arch/bulk_copy.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::transport {

/// By the lanes' loads and stores, over a transport that has them; any functors. `store_of(step)`
/// is the store functor of a place. A tile is stored once the next is loaded: few blocks fill a
/// link only if their loads are not waited for.
template <int N, class Transport, class StoreOf>
class lane_mover {
 public:
  template <class Context>
  PEERFOLD_HD lane_mover(Context& c, Transport& t, const StoreOf& store_of) noexcept
      : t_{t}, store_of_{store_of}, ranks_{c.ranks()} {}

  /// Gives every element load(i) of tile x to store(i, value) of the places in `steps`, the own
  /// rank last: links take longer. By all lanes.
  template <class Load>
  PEERFOLD_HD void move(const tile& x, const Load& load, const rank_set<N>& steps) {
    const auto values = t_.load(x, load);
    store_last();
    last_ = x;
    values_ = values;
    steps_ = steps;
  }
  PEERFOLD_HD void finish() {
    store_last();
    steps_ = {};
  }

 private:
  PEERFOLD_HD void store_last() const {
    [[maybe_unused]] constexpr int at_once = N == 2 ? N : 1;
    const int ranks = counts_ranks_early<N> ? N : ranks_;
    PEERFOLD_UNROLL_BY(at_once)
    for (int step = 1; step <= ranks; ++step) {
      if (!steps_.has(step % ranks)) continue;
      const auto store = store_of_(step % ranks);
      t_.store(last_, values_, t_.destination(last_, store));
    }
  }

  Transport& t_;
  StoreOf store_of_;
  int ranks_;
  tile last_;
  typename Transport::fragment_type values_{};
  rank_set<N> steps_;
};

/// How bulk copies are staged: loads run ahead of stores by all stages but two, of which one is
/// still read.
inline constexpr uint32_t bulk_stages = 8;
inline constexpr uint32_t bulk_stage_bytes = 16 * 1024;
/// What bulk_mover takes of dynamic shared memory, a block: stages, barriers and what goes where.
inline constexpr size_t bulk_stages_bytes = bulk_stages * (bulk_stage_bytes + 8 + 32);

/// By bulk copies, which one thread issues: a link is filled by few blocks. Between plain memory
/// whose parts are aligned to 16 bytes; what is not, or no plain memory, and devices without bulk
/// copies, fall to the lanes. Takes the first bulk_stages_bytes of the block's dynamic shared
/// memory. What the same kernel has written needs fence.proxy.async before it is moved.
template <int N, class Transport, class StoreOf>
class bulk_mover {
  static constexpr uint32_t stages = bulk_stages;
  static constexpr uint32_t loads_ahead = bulk_stages - 2;
  static constexpr uint32_t stage_bytes = bulk_stage_bytes;

 public:
  template <class Context>
  PEERFOLD_HD bulk_mover(Context& c, Transport& t, const StoreOf& store_of) noexcept
      : store_of_{store_of}, lanes_{c, t, store_of}, ranks_{c.ranks()}, issues_{c.group().elect()} {
#if PEERFOLD_HAS_BULK_COPY
    if (!issues_) return;
    shared_ = arch::dynamic_shared_memory();
    PEERFOLD_NO_UNROLL
    for (uint32_t s = 0; s < stages; ++s) arch::start_barrier(barrier(s));
#endif
  }

  template <class Load>
  PEERFOLD_HD void move(const tile& x, const Load& load, const rank_set<N>& steps) {
#if PEERFOLD_HAS_BULK_COPY
    if constexpr (plain<Load>) {
      const auto* from = arch::element_at(load.data, x.begin);
      bool aligned = arch::is_aligned(from, arch::bulk_alignment);
      for_each(steps, [&](int step) {
        aligned = aligned && arch::is_aligned(arch::element_at(store_of_(step).data, x.begin),
                                              arch::bulk_alignment);
      });
      if (aligned) {
        if (issues_) copy(from, x, steps);
        return;
      }
    }
#endif
    lanes_.move(x, load, steps);
  }

  PEERFOLD_HD void finish() {
    lanes_.finish();
#if PEERFOLD_HAS_BULK_COPY
    if (!issues_) return;
    while (stored_ != loaded_) store_next();
    arch::wait_bulk_stores();
    PEERFOLD_NO_UNROLL
    for (uint32_t s = 0; s < stages; ++s) arch::end_barrier(barrier(s));
#endif
  }

 private:
#if PEERFOLD_HAS_BULK_COPY
  template <class Load>
  static constexpr bool plain = requires(const Load& load, const StoreOf& store_of) {
    load.data + 1;
    store_of(0).data + 1;
  };

  /// Where the piece in a stage goes: `bytes` bytes, `at` bytes into the places in `steps`.
  struct piece {
    uint64_t at;
    uint32_t bytes;
    rank_set<N> steps;
  };
  static_assert(sizeof(piece) <= 32);

  template <class Visit>
  __device__ void for_each(const rank_set<N>& steps, Visit visit) const {
    const int ranks = counts_ranks_early<N> ? N : ranks_;
    PEERFOLD_NO_UNROLL
    for (int step = 1; step <= ranks; ++step) {
      if (steps.has(step % ranks)) visit(step % ranks);
    }
  }

  template <class T>
  __device__ void copy(const T* elements, const tile& x, const rank_set<N>& steps) noexcept {
    const auto* from = reinterpret_cast<const stl::byte*>(elements);
    const uint64_t begin = x.begin * sizeof(T);
    const uint32_t bytes = x.count * static_cast<uint32_t>(sizeof(T));
    const uint32_t whole = bytes / arch::bulk_alignment * arch::bulk_alignment;
    for (uint32_t at = 0; at < whole; at += stage_bytes) {
      load_next(from + at,
                {begin + at, whole - at < stage_bytes ? whole - at : stage_bytes, steps});
    }
    for (uint32_t i = whole / static_cast<uint32_t>(sizeof(T)); i < x.count; ++i) {
      for_each(steps, [&](int step) { store_of_(step).data[x.begin + i] = elements[i]; });
    }
  }

  /// Loads into the next stage, of which the stores of `stages` loads ago have read the last.
  __device__ void load_next(const stl::byte* from, const piece& next) noexcept {
    if (loaded_ - stored_ == loads_ahead) store_next();
    arch::wait_bulk_reads<static_cast<int>(stages - loads_ahead - 1)>();
    const uint32_t s = loaded_++ % stages;
    *piece_in(s) = next;
    arch::bulk_load(stage(s), from, next.bytes, barrier(s));
  }

  __device__ void store_next() noexcept {
    const uint32_t s = stored_ % stages;
    arch::wait_barrier(barrier(s), stored_ / stages & 1u);
    ++stored_;
    const piece goes = *piece_in(s);
    for_each(goes.steps, [&](int step) {
      auto* to = reinterpret_cast<stl::byte*>(store_of_(step).data) + goes.at;
      arch::bulk_store(to, stage(s), goes.bytes);
    });
    arch::commit_bulk_stores();
  }

  [[nodiscard]] __device__ stl::byte* stage(uint32_t s) const noexcept {
    return shared_ + s * stage_bytes;
  }
  [[nodiscard]] __device__ uint64_t* barrier(uint32_t s) const noexcept {
    return reinterpret_cast<uint64_t*>(shared_ + stages * stage_bytes) + s;
  }
  [[nodiscard]] __device__ piece* piece_in(uint32_t s) const noexcept {
    return reinterpret_cast<piece*>(shared_ + stages * (stage_bytes + 8)) + s;
  }

  stl::byte* shared_ = nullptr;
  uint32_t loaded_ = 0;  ///< pieces whose load was started
  uint32_t stored_ = 0;  ///< pieces whose stores were started
#endif
  StoreOf store_of_;
  lane_mover<N, Transport, StoreOf> lanes_;
  int ranks_;
  bool issues_;
};

}  // namespace peerfold::transport
