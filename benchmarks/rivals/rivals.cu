#include "rivals.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "../machine.hpp"
#include "../runtime.hpp"
#include "one_shot_packet.cuh"
#include "one_shot_sentinel.cuh"
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
  bool runs(placement /*where*/) const override { return true; }
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

  // Memory of each rank, every byte `value`.
  template <class T>
  std::array<T*, 2> owned(std::size_t count, int value = 0) {
    std::array<T*, 2> pointers{};
    for (std::size_t r = 0; r < 2; ++r) {
      owned_.emplace_back(buffers_.devices[r], count * sizeof(T));
      owned_.back().fill(value);
      pointers[r] = owned_.back().as<T>();
    }
    return pointers;
  }

  // Enqueues that many calls: a launch for each rank on its GPU, or one for both on one GPU.
  template <template <int> class Arguments, class Call, class Rank>
  void launch(void (*alone)(Arguments<1>), void (*together)(Arguments<2>), const Call& call,
              const std::array<Rank, 2>& ranks, int blocks, int threads, int calls) {
    if (lanes_.size() == 1) {
      const Arguments<2> both{call, {ranks[0], ranks[1]}};
      launch_on(lanes_[0], together, both, blocks, threads, calls);
      return;
    }
    for (std::size_t r = 0; r < 2; ++r) {
      launch_on(lanes_[r], alone, Arguments<1>{call, {ranks[r]}}, blocks, threads, calls);
    }
  }

  // Loads a kernel on every GPU, before anything waits there.
  void load(const void* kernel) const {
    for (const lane& where : lanes_) {
      const on_device scope(where.device);
      cudaFuncAttributes attributes{};
      check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    }
  }

  // Where rank r's message is read and written.
  const void* source(std::size_t r, placement where) const {
    return where == placement::in_place ? buffers_.out[r] : buffers_.in[r];
  }
  void* target(std::size_t r) const { return buffers_.out[r]; }

  int blocks_ = 0;  // at most, a rank
  std::size_t count_ = 0;
  failure_word failed_;

 private:
  template <class Arguments>
  static void launch_on(const lane& where, void (*kernel)(Arguments), const Arguments& arguments,
                        int blocks, int threads, int calls) {
    const on_device scope(where.device);
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(where.ranks));
    for (int call = 0; call < calls; ++call) {
      kernel<<<grid, static_cast<unsigned>(threads), 0, where.stream>>>(arguments);
      check(cudaGetLastError(), "launching a hand-specialised kernel");
    }
  }

  std::string policy_;
  rank_pointers buffers_;
  std::vector<stream> streams_;
  std::vector<lane> lanes_;
  std::vector<device_memory> owned_;
  std::vector<device_memory> messages_;
};

// More blocks first, then more threads: 128, 256 or 512 a block.
int threads_for(std::size_t lines, int blocks, int most) {
  int threads = 128;
  while (threads < most && static_cast<std::size_t>(blocks * threads) < lines) threads *= 2;
  return threads;
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

class one_shot_packet_rival final : public rival {
 public:
  explicit one_shot_packet_rival(const assignment& ranks) : rival(ranks, "one_shot/packet") {
    const auto blocks = static_cast<std::size_t>(blocks_);
    ring_ = owned<uint4>(blocks * packet_slots * packet_lines);
    state_ = owned<std::uint32_t>(blocks);
    load(reinterpret_cast<const void*>(one_shot_packet<1>));
    load(reinterpret_cast<const void*>(one_shot_packet<2>));
  }

  bool supports(std::size_t count) const override {
    return count % 2 == 0 && count / 2 < (std::size_t{1} << 31);
  }

  void enqueue(placement where, int calls) override {
    std::array<one_shot_packet_rank, 2> ranks{};
    for (std::size_t r = 0; r < 2; ++r) {
      ranks[r].rank = static_cast<int>(r);
      ranks[r].in = static_cast<const uint2*>(source(r, where));
      ranks[r].out = static_cast<uint2*>(target(r));
      ranks[r].ring_here = ring_[r];
      ranks[r].ring_there = ring_[1 - r];
      ranks[r].state = state_[r];
      ranks[r].digest = make_ushort2(0x5eed, static_cast<unsigned short>(count_));
    }
    const std::size_t lines = count_ / 2;
    const int threads = threads_for(lines, blocks_, packet_threads);
    const std::size_t tiles = divide_up(lines, static_cast<std::size_t>(threads));
    const int blocks = static_cast<int>(std::min(tiles, static_cast<std::size_t>(blocks_)));
    const one_shot_packet_call call{failed_.get(), static_cast<std::uint32_t>(lines)};
    launch<one_shot_packet_arguments>(one_shot_packet<1>, one_shot_packet<2>, call, ranks, blocks,
                                      threads, calls);
  }

 private:
  std::array<uint4*, 2> ring_{};  // of each rank
  std::array<std::uint32_t*, 2> state_{};
};

class one_shot_sentinel_rival final : public rival {
 public:
  explicit one_shot_sentinel_rival(const assignment& ranks) : rival(ranks, "one_shot/sentinel") {
    const auto blocks = static_cast<std::size_t>(blocks_);
    ring_ = owned<uint4>(blocks * sentinel_slots * sentinel_lines, 0xff);
    state_ = owned<uint2>(blocks);
    load(reinterpret_cast<const void*>(one_shot_sentinel<1>));
    load(reinterpret_cast<const void*>(one_shot_sentinel<2>));
  }

  // Two messages of the most lines a block.
  bool supports(std::size_t count) const override {
    const auto most = static_cast<std::size_t>(blocks_) * sentinel_threads * sentinel_unroll * 2;
    return count % 4 == 0 && count / 4 <= most;
  }

  void enqueue(placement where, int calls) override {
    std::array<one_shot_sentinel_rank, 2> ranks{};
    for (std::size_t r = 0; r < 2; ++r) {
      ranks[r].rank = static_cast<int>(r);
      ranks[r].in = static_cast<const uint4*>(source(r, where));
      ranks[r].out = static_cast<uint4*>(target(r));
      ranks[r].ring_here = ring_[r];
      ranks[r].ring_there = ring_[1 - r];
      ranks[r].state = state_[r];
      ranks[r].digest = make_ushort2(0x5eed, static_cast<unsigned short>(count_));
    }
    const std::size_t lines = count_ / 4;
    const auto most = static_cast<std::size_t>(blocks_);
    const int threads = threads_for(lines, blocks_, sentinel_threads);
    const auto width = static_cast<std::size_t>(threads);
    const std::size_t share = divide_up(lines, most * 8) * 8;  // lines of 128 bytes
    const std::size_t tile = std::clamp(share, width, width * sentinel_unroll);
    const one_shot_sentinel_call call{failed_.get(), static_cast<std::uint32_t>(lines),
                                      static_cast<std::uint32_t>(tile)};
    launch<one_shot_sentinel_arguments>(one_shot_sentinel<1>, one_shot_sentinel<2>, call, ranks,
                                        static_cast<int>(std::min(divide_up(lines, tile), most)),
                                        threads, calls);
  }

 private:
  std::array<uint4*, 2> ring_{};  // of each rank
  std::array<uint2*, 2> state_{};
};

class two_shot_push_rival final : public rival {
 public:
  explicit two_shot_push_rival(const assignment& ranks) : rival(ranks, "two_shot/store") {
    const auto blocks = static_cast<std::size_t>(blocks_);
    ring_ = owned<uint4>(blocks * push_slots * push_lines);
    flag_ = owned<std::uint32_t>(blocks * push_flag_stride);
    state_ = owned<std::uint32_t>(blocks);
    load(reinterpret_cast<const void*>(two_shot_push<1>));
    load(reinterpret_cast<const void*>(two_shot_push<2>));
  }

  // Two halves of whole 16-byte lines.
  bool supports(std::size_t count) const override { return count % 8 == 0; }

  void enqueue(placement where, int calls) override {
    const std::size_t half = count_ / 8;
    std::array<two_shot_push_rank, 2> ranks{};
    for (std::size_t r = 0; r < 2; ++r) {
      const auto* const in = static_cast<const uint4*>(source(r, where));
      ranks[r].rank = static_cast<int>(r);
      ranks[r].keep = in + r * half;
      ranks[r].give = in + (1 - r) * half;
      ranks[r].out_here = static_cast<uint4*>(target(r)) + r * half;
      ranks[r].out_there = static_cast<uint4*>(target(1 - r)) + r * half;
      ranks[r].ring_here = ring_[r];
      ranks[r].ring_there = ring_[1 - r];
      ranks[r].flag_here = flag_[r];
      ranks[r].flag_there = flag_[1 - r];
      ranks[r].state = state_[r];
    }
    const auto most = static_cast<std::size_t>(blocks_);
    const int threads = threads_for(half, blocks_, push_threads);
    const auto width = static_cast<std::size_t>(threads);
    // At least four tiles a block, so that there is something to send ahead; lines of 128 bytes.
    const std::size_t share = divide_up(half, 4 * most * 8) * 8;
    const std::size_t tile = std::clamp(share, width, width * push_unroll);
    const std::size_t tiles = divide_up(half, tile);
    const two_shot_push_call call{failed_.get(), half, static_cast<std::uint32_t>(tile),
                                  static_cast<std::uint32_t>(tiles)};
    launch<two_shot_push_arguments>(two_shot_push<1>, two_shot_push<2>, call, ranks,
                                    static_cast<int>(std::min(tiles, most)), threads, calls);
  }

 private:
  std::array<uint4*, 2> ring_{};  // of each rank
  std::array<std::uint32_t*, 2> flag_{};
  std::array<std::uint32_t*, 2> state_{};
};

}  // namespace

std::unique_ptr<implementation> make_one_shot_packet(const assignment& ranks) {
  return std::make_unique<one_shot_packet_rival>(ranks);
}

std::unique_ptr<implementation> make_one_shot_sentinel(const assignment& ranks) {
  return std::make_unique<one_shot_sentinel_rival>(ranks);
}

std::unique_ptr<implementation> make_two_shot_push(const assignment& ranks) {
  return std::make_unique<two_shot_push_rival>(ranks);
}

}  // namespace bench::rivals
