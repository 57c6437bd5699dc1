/// \file
/// Movers: how an algorithm gets a tile from one place in memory to another that it reaches,
/// without a message. Work may be under way until finish(), after which a transport's commit()
/// publishes it.
#pragma once

#include <peerfold/arch/bulk_copy.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/transport/tile.hpp>

namespace peerfold::transport {

/// By the lanes' loads and stores, over a transport that has them; any functors.
template <class Transport>
class lane_mover {
 public:
  template <class Context>
  PEERFOLD_HD lane_mover(Context& /*c*/, Transport& t) noexcept : t_{t} {}

  /// Gives every element load(i) of tile x to store(i, value). By all lanes.
  template <class Load, class Store>
  PEERFOLD_HD void move(const tile& x, const Load& load, const Store& store) {
    t_.store(x, t_.load(x, load), t_.destination(x, store));
  }
  PEERFOLD_HD void finish() noexcept {}

 private:
  Transport& t_;
};

/// How bulk copies are staged: loads run ahead of stores by half of the stages.
inline constexpr uint32_t bulk_stages = 8;
inline constexpr uint32_t bulk_stage_bytes = 16 * 1024;
/// What bulk_mover takes of dynamic shared memory, a block: stages, barriers and targets.
inline constexpr size_t bulk_stages_bytes = bulk_stages * (bulk_stage_bytes + 8 + 16);

/// By bulk copies, which one thread issues: a link is filled by few blocks. Between plain memory
/// whose parts are aligned to 16 bytes; what is not, or no plain memory, and devices without bulk
/// copies, fall to the lanes.
template <class Transport>
class bulk_mover {
  static constexpr uint32_t stages = bulk_stages;
  static constexpr uint32_t loads_ahead = bulk_stages / 2;
  static constexpr uint32_t stage_bytes = bulk_stage_bytes;

 public:
  template <class Context>
  PEERFOLD_HD bulk_mover(Context& c, Transport& t) noexcept
      : lanes_{c, t}, issues_{c.group().elect()} {
#if PEERFOLD_HAS_BULK_COPY
    if (!issues_) return;
    shared_ = arch::dynamic_shared_memory();
    PEERFOLD_NO_UNROLL
    for (uint32_t s = 0; s < stages; ++s) arch::start_barrier(barrier(s));
#endif
  }

  template <class Load, class Store>
  PEERFOLD_HD void move(const tile& x, const Load& load, const Store& store) {
#if PEERFOLD_HAS_BULK_COPY
    if constexpr (requires {
                    load.data + x.begin;
                    store.data + x.begin;
                  }) {
      const auto* from = arch::element_at(load.data, x.begin);
      auto* to = arch::element_at(store.data, x.begin);
      if (arch::is_aligned(from, arch::bulk_alignment) &&
          arch::is_aligned(to, arch::bulk_alignment)) {
        if (issues_) copy(reinterpret_cast<stl::byte*>(to), from, x.count);
        return;
      }
    }
#endif
    lanes_.move(x, load, store);
  }

  PEERFOLD_HD void finish() noexcept {
#if PEERFOLD_HAS_BULK_COPY
    if (!issues_) return;
    while (stored_ != loaded_) store_next();
    arch::wait_bulk_stores();
#endif
  }

 private:
#if PEERFOLD_HAS_BULK_COPY
  /// Where the copy of a stage goes.
  struct target {
    stl::byte* to;
    uint64_t bytes;
  };

  template <class T>
  __device__ void copy(stl::byte* to, const T* elements, uint32_t count) noexcept {
    const auto* from = reinterpret_cast<const stl::byte*>(elements);
    const uint32_t bytes = count * static_cast<uint32_t>(sizeof(T));
    const uint32_t whole = bytes / arch::bulk_alignment * arch::bulk_alignment;
    for (uint32_t at = 0; at < whole; at += stage_bytes) {
      const uint32_t piece = whole - at < stage_bytes ? whole - at : stage_bytes;
      load_next(to + at, from + at, piece);
    }
    for (uint32_t at = whole; at < bytes; at += static_cast<uint32_t>(sizeof(T))) {
      *reinterpret_cast<T*>(to + at) = *reinterpret_cast<const T*>(from + at);
    }
  }

  /// Loads into the next stage, of which the store of `stages` loads ago has read the last.
  __device__ void load_next(stl::byte* to, const stl::byte* from, uint32_t bytes) noexcept {
    if (loaded_ - stored_ == loads_ahead) store_next();
    arch::wait_bulk_reads<static_cast<int>(stages - loads_ahead - 1)>();
    const uint32_t s = loaded_++ % stages;
    *target_of(s) = {to, bytes};
    arch::bulk_load(stage(s), from, bytes, barrier(s));
  }

  __device__ void store_next() noexcept {
    const uint32_t s = stored_ % stages;
    arch::wait_barrier(barrier(s), stored_ / stages & 1u);
    ++stored_;
    const target goes = *target_of(s);
    arch::bulk_store(goes.to, stage(s), static_cast<uint32_t>(goes.bytes));
  }

  [[nodiscard]] __device__ stl::byte* stage(uint32_t s) const noexcept {
    return shared_ + s * stage_bytes;
  }
  [[nodiscard]] __device__ uint64_t* barrier(uint32_t s) const noexcept {
    return reinterpret_cast<uint64_t*>(shared_ + stages * stage_bytes) + s;
  }
  [[nodiscard]] __device__ target* target_of(uint32_t s) const noexcept {
    return reinterpret_cast<target*>(shared_ + stages * (stage_bytes + 8)) + s;
  }

  stl::byte* shared_ = nullptr;
  uint32_t loaded_ = 0;  ///< pieces whose load was started
  uint32_t stored_ = 0;  ///< pieces whose store was started
#endif
  lane_mover<Transport> lanes_;
  bool issues_;
};

}  // namespace peerfold::transport
