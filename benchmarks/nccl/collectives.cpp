#include "collectives.hpp"

#include <stdexcept>

#include "../runtime.hpp"
#include "rank_threads.hpp"

namespace bench::nccl {
namespace {

class nccl_calls final : public implementation {
 public:
  nccl_calls(const library& with, const assignment& ranks, memory kind)
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

  ~nccl_calls() override {
    try {
      threads_.run([this](int rank) { disconnect(rank, failed_); });
    } catch (...) {  // nothing left to try; the process ends soon
    }
  }

  identity who() const override {
    return {"nccl",
            "",
            kind_ == memory::plain ? "ordinary" : "symmetric",
            false,
            ranks_.tensors,
            0,
            ranks_.skewed};
  }
  bool reproducible() const override { return !is_reduction(ranks_.which); }
  bool supports(std::size_t count) const override {
    return ranks_.call(count).bytes() <= ranks_.max_bytes;
  }
  bool runs(placement where) const override {
    return where == placement::out_of_place ||
           (ranks_.which != collective::all_to_all && ranks_.which != collective::send_recv);
  }

  void prepare(std::size_t count) override {
    call_ = ranks_.call(count);
    tensors_ = tensor_sizes(count, ranks_.tensors, bytes_of(ranks_.type));
    if (kind_ == memory::symmetric_windows) return;  // registered once, for the largest count
    release();
    const auto allocate = [&](std::size_t r, std::size_t elements) {
      return owned_.emplace_back(ranks_.devices[r], elements * bytes_of(ranks_.type)).data();
    };
    for (std::size_t r = 0; r < size(); ++r) {
      buffers_.in[r] = allocate(r, call_.given());
      buffers_.out[r] = allocate(r, call_.got());
    }
  }

  void release() override { owned_.clear(); }
  const rank_pointers& buffers() const override { return buffers_; }
  std::span<const lane> lanes() const override { return lanes_; }

  void enqueue(placement where, int calls) override {
    threads_.run([&](int rank) {
      const std::size_t r = static_cast<std::size_t>(rank);
      const on_device scope(ranks_.devices[r]);
      const void* const in = buffers_.input(call_, r, where);
      void* const out = buffers_.output(call_, r, where);
      for (int i = 0; i < calls; ++i) call(rank, in, out);
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

  void call(int rank, const void* in, void* out) const {
    const std::size_t r = static_cast<std::size_t>(rank);
    communicator* const comm = state_[r].comm;
    const cudaStream_t stream = lanes_[r].stream;
    const std::size_t count = call_.count;
    const int type = data_type(ranks_.type);
    const int op = reduction_op(ranks_.op);
    switch (ranks_.which) {
      case collective::all_reduce:
        if (ranks_.tensors > 1) return reduce_group(r, in, out, type, op);
        return nccl_.check(nccl_.all_reduce(in, out, count, type, op, comm, stream),
                           "ncclAllReduce");
      case collective::reduce_scatter:
        return nccl_.check(nccl_.reduce_scatter(in, out, count, type, op, comm, stream),
                           "ncclReduceScatter");
      case collective::all_gather:
        return nccl_.check(nccl_.all_gather(in, out, count, type, comm, stream), "ncclAllGather");
      case collective::broadcast:
        return nccl_.check(nccl_.broadcast(in, out, count, type, root, comm, stream),
                           "ncclBroadcast");
      case collective::reduce:
        return nccl_.check(nccl_.reduce(in, out, count, type, op, root, comm, stream),
                           "ncclReduce");
      case collective::all_to_all:
        if (nccl_.all_to_all == nullptr || ranks_.skewed) break;
        return nccl_.check(nccl_.all_to_all(in, out, count, type, comm, stream), "ncclAlltoAll");
      case collective::gather:
        if (nccl_.gather == nullptr) break;
        return nccl_.check(nccl_.gather(in, out, count, type, root, comm, stream), "ncclGather");
      case collective::scatter:
        if (nccl_.scatter == nullptr) break;
        return nccl_.check(nccl_.scatter(in, out, count, type, root, comm, stream), "ncclScatter");
      default: break;
    }
    exchange(rank, in, out);
  }

  void reduce_group(std::size_t rank, const void* in, void* out, int type, int op) const {
    const auto* from = static_cast<const char*>(in);
    auto* to = static_cast<char*>(out);
    nccl_.check(nccl_.group_start(), "ncclGroupStart");
    for (const std::size_t size : tensors_) {
      nccl_.check(
          nccl_.all_reduce(from, to, size, type, op, state_[rank].comm, lanes_[rank].stream),
          "ncclAllReduce");
      from += size * bytes_of(ranks_.type);
      to += size * bytes_of(ranks_.type);
    }
    nccl_.check(nccl_.group_end(), "ncclGroupEnd");
  }

  // The parts that this rank sends, and those that it is sent, as one group.
  void exchange(int rank, const void* in, void* out) const {
    const std::size_t r = static_cast<std::size_t>(rank);
    const std::size_t count = call_.count;
    const std::size_t part_bytes = count * bytes_of(ranks_.type);
    const int type = data_type(ranks_.type);
    nccl_.check(nccl_.group_start(), "ncclGroupStart");
    for (int q = 0; q < ranks_.ranks(); ++q) {
      const std::size_t offset = static_cast<std::size_t>(q) * part_bytes;
      if (call_.sends(rank, q)) {
        const auto* const from =
            static_cast<const char*>(in) + (call_.parts_given() > 1 ? offset : 0);
        nccl_.check(nccl_.send(from, call_.part_for(q), type, q, state_[r].comm, lanes_[r].stream),
                    "ncclSend");
      }
      if (call_.sends(q, rank)) {
        auto* const to = static_cast<char*>(out) + (call_.parts_got() > 1 ? offset : 0);
        nccl_.check(nccl_.recv(to, call_.part_for(rank), type, q, state_[r].comm, lanes_[r].stream),
                    "ncclRecv");
      }
    }
    nccl_.check(nccl_.group_end(), "ncclGroupEnd");
  }

  void connect(int rank, const unique_id& id) {
    rank_state& mine = state_[static_cast<std::size_t>(rank)];
    const on_device scope(ranks_.devices[static_cast<std::size_t>(rank)]);
    nccl_.check(nccl_.comm_init_rank(&mine.comm, ranks_.ranks(), id, rank), "ncclCommInitRank");
    if (kind_ == memory::plain) return;
    constexpr std::size_t granule = std::size_t{2} << 20;  // of the allocations behind a window
    const std::size_t bytes = (ranks_.max_bytes + granule - 1) / granule * granule;
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
  message call_;
  std::vector<std::size_t> tensors_;  // elements of each
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<implementation> make_calls(const library& with, const assignment& ranks,
                                           memory kind) {
  if (kind == memory::symmetric_windows &&
      (with.version() < first_version_with_windows || with.comm_window_register == nullptr ||
       with.comm_window_deregister == nullptr || with.mem_alloc == nullptr ||
       with.mem_free == nullptr)) {
    throw std::runtime_error("NCCL " + with.version_text() + " has no symmetric windows");
  }
  return std::make_unique<nccl_calls>(with, ranks, kind);
}

}  // namespace bench::nccl
