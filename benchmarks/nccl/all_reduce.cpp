#include "all_reduce.hpp"

#include <stdexcept>

#include "../runtime.hpp"
#include "rank_threads.hpp"

namespace bench::nccl {
namespace {

class all_reduce final : public implementation {
 public:
  all_reduce(const library& with, const assignment& ranks, memory kind)
      : nccl_(with), ranks_(ranks), kind_(kind), threads_(ranks.ranks()), state_(size()) {
    buffers_.devices = ranks.devices;
    buffers_.in.resize(size());
    buffers_.out.resize(size());
    for (const int device : ranks.devices) {
      streams_.emplace_back(device);
      lanes_.push_back({device, streams_.back().get(), 1});
    }
    unique_id id{};
    nccl_.check(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    try {
      threads_.run([&](int rank) { connect(rank, id); });
    } catch (...) {
      threads_.run([this](int rank) { disconnect(rank, true); });
      throw;
    }
  }

  ~all_reduce() override {
    try {
      threads_.run([this](int rank) { disconnect(rank, failed_); });
    } catch (...) {  // nothing left to try; the process ends soon
    }
  }

  identity who() const override {
    return {"nccl", "", kind_ == memory::plain ? "ordinary" : "symmetric"};
  }
  bool reproducible() const override { return false; }
  bool supports(std::size_t count) const override { return count <= ranks_.max_count; }

  void prepare(std::size_t count) override {
    count_ = count;
    if (kind_ == memory::symmetric_windows) return;  // registered once, for the largest count
    release();
    for (std::size_t r = 0; r < size(); ++r) {
      for (std::vector<void*>* side : {&buffers_.in, &buffers_.out}) {
        owned_.emplace_back(ranks_.devices[r], count * bytes_of(ranks_.type));
        (*side)[r] = owned_.back().data();
      }
    }
  }

  void release() override { owned_.clear(); }
  const rank_pointers& buffers() const override { return buffers_; }
  std::span<const lane> lanes() const override { return lanes_; }

  void enqueue(placement where, int calls) override {
    threads_.run([&](int rank) {
      const std::size_t r = static_cast<std::size_t>(rank);
      const on_device scope(ranks_.devices[r]);
      void* const out = buffers_.out[r];
      const void* const in = where == placement::in_place ? out : buffers_.in[r];
      for (int call = 0; call < calls; ++call) {
        nccl_.check(nccl_.all_reduce(in, out, count_, data_type(ranks_.type),
                                     reduction_op(ranks_.op), state_[r].comm, lanes_[r].stream),
                    "ncclAllReduce");
      }
    });
  }

  void check_health() override {
    for (const rank_state& state : state_) {
      int error = success;
      nccl_.check(nccl_.comm_get_async_error(state.comm, &error), "ncclCommGetAsyncError");
      if (error != success && error != in_progress) failed_ = true;
      nccl_.check(error, "NCCL, asynchronously");
    }
  }

 private:
  struct rank_state {
    communicator* comm = nullptr;
    void* allocated[2] = {};
    window* windows[2] = {};
  };

  std::size_t size() const { return ranks_.devices.size(); }

  void connect(int rank, const unique_id& id) {
    rank_state& mine = state_[static_cast<std::size_t>(rank)];
    const on_device scope(ranks_.devices[static_cast<std::size_t>(rank)]);
    nccl_.check(nccl_.comm_init_rank(&mine.comm, ranks_.ranks(), id, rank), "ncclCommInitRank");
    if (kind_ == memory::plain) return;
    constexpr std::size_t granule = std::size_t{2} << 20;  // of the allocations behind a window
    const std::size_t bytes =
        (ranks_.max_count * bytes_of(ranks_.type) + granule - 1) / granule * granule;
    for (int i = 0; i < 2; ++i) {
      nccl_.check(nccl_.mem_alloc(&mine.allocated[i], bytes), "ncclMemAlloc");
    }
    for (int i = 0; i < 2; ++i) {  // waits for the other ranks
      nccl_.check(nccl_.comm_window_register(mine.comm, mine.allocated[i], bytes, &mine.windows[i],
                                             window_collective_symmetric),
                  "ncclCommWindowRegister");
    }
    if (mine.windows[0] == nullptr || mine.windows[1] == nullptr) {
      throw std::runtime_error("ncclCommWindowRegister: symmetric windows are not supported here");
    }
    buffers_.in[static_cast<std::size_t>(rank)] = mine.allocated[0];
    buffers_.out[static_cast<std::size_t>(rank)] = mine.allocated[1];
  }

  void disconnect(int rank, bool abort) {
    rank_state& mine = state_[static_cast<std::size_t>(rank)];
    const on_device scope(ranks_.devices[static_cast<std::size_t>(rank)]);
    if (mine.comm != nullptr) {
      for (window* w : mine.windows) {
        if (w != nullptr && !abort) nccl_.comm_window_deregister(mine.comm, w);
      }
      abort ? nccl_.comm_abort(mine.comm) : nccl_.comm_destroy(mine.comm);
    }
    for (void* memory : mine.allocated) {
      if (memory != nullptr) nccl_.mem_free(memory);
    }
    mine = {};
  }

  const library& nccl_;
  assignment ranks_;
  memory kind_;
  rank_threads threads_;
  std::vector<rank_state> state_;
  rank_pointers buffers_;
  std::vector<stream> streams_;
  std::vector<lane> lanes_;
  std::vector<device_memory> owned_;
  std::size_t count_ = 0;
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<implementation> make_all_reduce(const library& with, const assignment& ranks,
                                                memory kind) {
  if (kind == memory::symmetric_windows &&
      (with.version() < first_version_with_windows || with.comm_window_register == nullptr ||
       with.comm_window_deregister == nullptr || with.mem_alloc == nullptr ||
       with.mem_free == nullptr)) {
    throw std::runtime_error("NCCL " + with.version_text() + " has no symmetric windows");
  }
  return std::make_unique<all_reduce>(with, ranks, kind);
}

}  // namespace bench::nccl
