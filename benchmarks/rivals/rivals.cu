#include "rivals.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "../machine.hpp"
#include "../runtime.hpp"
#include "one_shot_packet.cuh"
#include "two_shot_push.cuh"

namespace bench::rivals {
namespace {

// The word in host memory that a kernel sets where a wait ran into its limit.
class failure_word {
 public:
  failure_word() {
    void* word = nullptr;
    check(cudaHostAlloc(&word, 64, cudaHostAllocPortable | cudaHostAllocMapped), "cudaHostAlloc");
    word_ = static_cast<unsigned*>(word);
    *word_ = 0;
  }
  ~failure_word() { cudaFreeHost(word_); }
  failure_word(const failure_word&) = delete;
  failure_word& operator=(const failure_word&) = delete;
  unsigned* get() const { return word_; }

 private:
  unsigned* word_ = nullptr;
};

// What the two rivals share: memory, streams, and the ranks' places.
class rival : public implementation {
 public:
  identity who() const override { return {"hand", policy_, "symmetric"}; }
  bool reproducible() const override { return true; }
  std::span<const lane> lanes() const override { return lanes_; }
  const rank_pointers& buffers() const override { return buffers_; }

  void prepare(std::size_t count) override {
    release();
    for (std::size_t r = 0; r < 2; ++r) {
      for (std::vector<void*>* side : {&buffers_.in, &buffers_.out}) {
        messages_.emplace_back(buffers_.devices[r], count * sizeof(float));
        (*side)[r] = messages_.back().data();
      }
    }
    count_ = count;
  }
  void release() override { messages_.clear(); }

  void check_health() override {
    if (*static_cast<volatile unsigned*>(failed_.get()) != 0) {
      throw std::runtime_error(who().title() + ": a wait ran into its limit");
    }
  }

 protected:
  rival(const assignment& ranks, std::string policy) : policy_(std::move(policy)) {
    buffers_.devices = ranks.devices;
    buffers_.in.resize(2);
    buffers_.out.resize(2);
    const std::vector<int> devices = distinct(ranks.devices);
    const int sharing = 2 / static_cast<int>(devices.size());
    for (const int device : devices) {
      streams_.emplace_back(device);
      lanes_.push_back({device, streams_.back().get(), sharing});
    }
    blocks_ = std::min(ranks.multiprocessors / sharing, 132);
    if (ranks.max_blocks > 0) blocks_ = std::min(blocks_, ranks.max_blocks);
  }

  // Zeroed memory of each rank.
  template <class T>
  std::array<T*, 2> owned(std::size_t count) {
    std::array<T*, 2> pointers{};
    for (std::size_t r = 0; r < 2; ++r) {
      owned_.emplace_back(buffers_.devices[r], count * sizeof(T));
      owned_.back().fill(0);
      pointers[r] = owned_.back().as<T>();
    }
    return pointers;
  }

  template <class Arguments>
  void launch(void (*kernel)(Arguments, int), const Arguments& arguments, int blocks, int threads,
              int calls) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const lane& where = lanes_[i];
      const on_device scope(where.device);
      const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(where.ranks));
      for (int call = 0; call < calls; ++call) {
        kernel<<<grid, static_cast<unsigned>(threads), 0, where.stream>>>(arguments,
                                                                          static_cast<int>(i));
        check(cudaGetLastError(), "launching a hand-specialised kernel");
      }
    }
  }

  template <class Arguments>
  void load(void (*kernel)(Arguments, int)) const {
    for (const lane& where : lanes_) {
      const on_device scope(where.device);
      cudaFuncAttributes attributes{};
      check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    }
  }

  // The messages of a call, as lines of type Line.
  template <class Line, class Arguments>
  void point(Arguments& arguments, placement where) const {
    for (std::size_t r = 0; r < 2; ++r) {
      arguments.out[r] = static_cast<Line*>(buffers_.out[r]);
      arguments.in[r] = where == placement::in_place ? arguments.out[r]
                                                     : static_cast<const Line*>(buffers_.in[r]);
    }
  }

  int blocks_ = 0;  // at most, a rank
  std::size_t count_ = 0;
  failure_word failed_;

 private:
  std::string policy_;
  rank_pointers buffers_;
  std::vector<stream> streams_;
  std::vector<lane> lanes_;
  std::vector<device_memory> owned_;
  std::vector<device_memory> messages_;
};

class one_shot_packet_rival final : public rival {
 public:
  explicit one_shot_packet_rival(const assignment& ranks) : rival(ranks, "one_shot/packet") {
    const auto blocks = static_cast<std::size_t>(blocks_);
    const auto ring = owned<uint4>(blocks * packet_slots * packet_lines);
    const auto state = owned<std::uint32_t>(blocks);
    for (std::size_t r = 0; r < 2; ++r) {
      arguments_.ring[r] = ring[r];
      arguments_.state[r] = state[r];
    }
    arguments_.failed = failed_.get();
    load(one_shot_packet);
  }

  bool supports(std::size_t count) const override {
    return count % 2 == 0 && count / 2 < (std::size_t{1} << 31);
  }

  void enqueue(placement where, int calls) override {
    point<uint2>(arguments_, where);
    arguments_.lines = static_cast<std::uint32_t>(count_ / 2);
    // More blocks first, then more threads.
    int threads = 128;
    while (threads < packet_threads &&
           std::size_t(blocks_) * std::size_t(threads) < arguments_.lines) {
      threads *= 2;
    }
    const int tiles =
        static_cast<int>((arguments_.lines + unsigned(threads) - 1) / unsigned(threads));
    launch(one_shot_packet, arguments_, std::min(tiles, blocks_), threads, calls);
  }

 private:
  one_shot_packet_arguments arguments_{};
};

class two_shot_push_rival final : public rival {
 public:
  explicit two_shot_push_rival(const assignment& ranks) : rival(ranks, "two_shot/store") {
    const auto blocks = static_cast<std::size_t>(blocks_);
    const auto ring = owned<uint4>(blocks * push_slots * push_lines);
    const auto flag = owned<std::uint32_t>(blocks * push_flag_stride);
    const auto state = owned<std::uint32_t>(blocks);
    for (std::size_t r = 0; r < 2; ++r) {
      arguments_.ring[r] = ring[r];
      arguments_.flag[r] = flag[r];
      arguments_.state[r] = state[r];
    }
    arguments_.failed = failed_.get();
    load(two_shot_push);
  }

  // Two halves of whole 16-byte lines.
  bool supports(std::size_t count) const override { return count % 8 == 0; }

  void enqueue(placement where, int calls) override {
    point<uint4>(arguments_, where);
    arguments_.half = count_ / 8;
    int threads = 128;
    const auto most = static_cast<std::size_t>(blocks_);
    while (threads < push_threads && most * static_cast<std::size_t>(threads) < arguments_.half) {
      threads *= 2;
    }
    // At least four tiles a block, so that there is something to send ahead.
    const std::size_t share = (arguments_.half / (4 * most) + 7) / 8 * 8;  // lines of 128 bytes
    const auto width = static_cast<std::size_t>(threads);
    const std::size_t tile = std::clamp(share, width, width * push_unroll);
    const std::size_t tiles = (arguments_.half + tile - 1) / tile;
    arguments_.tile = static_cast<std::uint32_t>(tile);
    const int blocks = static_cast<int>(std::min(tiles, most));
    launch(two_shot_push, arguments_, blocks, threads, calls);
  }

 private:
  two_shot_push_arguments arguments_{};
};

}  // namespace

std::unique_ptr<implementation> make_one_shot_packet(const assignment& ranks) {
  return std::make_unique<one_shot_packet_rival>(ranks);
}

std::unique_ptr<implementation> make_two_shot_push(const assignment& ranks) {
  return std::make_unique<two_shot_push_rival>(ranks);
}

}  // namespace bench::rivals
