/// \file
/// The memory of ranks as Relacy sees it. The model's copies of the library's headers
/// (edit_headers.cmake) make their accesses here: every word that ranks share is an rl::atomic,
/// every eight bytes of a ring's data an rl::var, which tells races.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <relacy/relacy.hpp>
// Relacy's macros would rewrite what follows.
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef $
#pragma GCC diagnostic pop

namespace peerfold::model {

/// The errors that can be put into the library, to show that the model finds them.
enum class mutation {
  none,
  weak_release,         ///< flags are stored relaxed
  weak_acquire,         ///< flags are loaded relaxed
  one_packet_slot,      ///< a message of packets takes the slot of the one before
  high_word_unchecked,  ///< a line counts as arrived with its low word
  no_vote,              ///< a lane releases packets without asking the others
  no_barrier,           ///< a lane publishes stores without waiting for the others
  early_credit,         ///< the slot that is about to be read is given back
  no_credit,            ///< the sender does not wait for its slot
  no_fence,             ///< sentinels go without fences, so wipes wait longer than they may
  no_wipe,              ///< slots of sentinels are left as they were read
};
inline mutation mutant = mutation::none;

/// `changed` in the mutant, else `right`.
template <class T>
T mutate(mutation which, T changed, T right) {
  return mutant == which ? changed : right;
}

inline unsigned slots(unsigned right) { return mutate(mutation::one_packet_slot, 1u, right); }
inline bool wipes() { return mutant != mutation::no_wipe; }
inline unsigned credit_too_early() { return mutate(mutation::early_credit, 1u, 0u); }
inline unsigned credit_too_much() { return mutate(mutation::no_credit, 1000u, 0u); }
template <class Line>
std::uint64_t high_word(const Line& line) {
  return mutate(mutation::high_word_unchecked, line.low, line.high);
}
template <class Group>
bool vote(const Group& group, bool vote) {
  return mutant == mutation::no_vote ? vote : group.any(vote);
}
template <class Group>
void sync(const Group& group) {
  if (mutant != mutation::no_barrier) group.sync();
}

[[noreturn]] inline void stop(const char* why) {
  std::fprintf(stderr, "model: %s\n", why);
  std::abort();
}

inline rl::memory_order to_relacy(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed: return rl::mo_relaxed;
    case std::memory_order_acquire:
      return mutate(mutation::weak_acquire, rl::mo_relaxed, rl::mo_acquire);
    case std::memory_order_release:
      return mutate(mutation::weak_release, rl::mo_relaxed, rl::mo_release);
    case std::memory_order_acq_rel: return rl::mo_acq_rel;
    case std::memory_order_seq_cst: return rl::mo_seq_cst;
    default: stop("a memory order that the library does not use");
  }
}

/// Shared memory in which some words and some data are modelled; the rest is plain and only ever
/// one rank's. Made anew, with the suite that holds it, for every run of the scenario.
class memory {
 public:
  static constexpr std::size_t bytes = 8192;

  memory() {
    for (auto& cell : cell_of_) cell = none;
    current() = this;
  }
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;

  std::byte* data() { return bytes_; }

  /// Models the word at `address`, with the value that it has now.
  template <class W>
  void add_word(const W* address) {
    const int word = words_used_++;
    if (word >= most) stop("too many words");
    cell_of_[index(address)] = static_cast<std::int16_t>(word);
    words_[word].store(*address, rl::mo_relaxed, RL_INFO);
  }

  /// Models ring data.
  void add_data(const std::byte* address, std::size_t count) {
    for (std::size_t i = 0; i < count; i += 8) {
      const int cell = data_used_++;
      if (cell >= most) stop("too much data");
      cell_of_[index(address + i)] = static_cast<std::int16_t>(cell);
      data_[cell](RL_INFO) = 0;
    }
  }

  /// The modelled word at `address`; null where it is plain.
  rl::atomic<std::uint64_t>* word(const void* address) {
    const int at = cell_of_[index(address)];
    return at == none ? nullptr : &words_[at];
  }

  /// Whether `address` is modelled ring data.
  bool has_data(const void* address) const {
    const auto* at = static_cast<const std::byte*>(address);
    return at >= bytes_ && at < bytes_ + bytes;
  }
  rl::var<std::uint64_t>& datum(const void* address) { return data_[cell(address)]; }

  /// Relacy orders the stores to a word as they are made. Wipes may be later than that: they wait
  /// in the buffer of their thread for a fence, or for its whim.
  void store_later(const std::uint64_t* address) {
    buffer& own = buffers_[rl::thread_index()];
    if (own.size == buffer::most) stop("too many stores wait");
    own.waiting[own.size++] = address;
  }
  bool is_wiped(const std::uint64_t* address) const {
    const buffer& own = buffers_[rl::thread_index()];
    return std::find(own.waiting, own.waiting + own.size, address) != own.waiting + own.size;
  }
  void flush() {
    buffer& own = buffers_[rl::thread_index()];
    const int size = std::exchange(own.size, 0);
    for (int i = 0; i < size; ++i) {
      word(own.waiting[i])->store(~std::uint64_t{0}, rl::mo_relaxed, RL_INFO);
    }
  }

  static memory*& current() {
    static memory* now = nullptr;
    return now;
  }

 private:
  static constexpr int most = 160;
  static constexpr std::int16_t none = -1;

  std::size_t index(const void* address) const {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(address) - bytes_);
    if (offset >= bytes) stop("an access outside the memory");
    return offset / 4;
  }
  int cell(const void* address) const {
    const int at = cell_of_[index(address)];
    if (at == none) stop("an access to data that are not shared");
    return at;
  }

  struct buffer {
    static constexpr int most = 64;
    const std::uint64_t* waiting[most];
    int size = 0;
  };
  buffer buffers_[4];
  alignas(256) std::byte bytes_[bytes] = {};
  std::int16_t cell_of_[bytes / 4];
  int words_used_ = 0;
  int data_used_ = 0;
  rl::atomic<std::uint64_t> words_[most];
  rl::var<std::uint64_t> data_[most];
};

inline void fence() {
  if (mutant == mutation::no_fence) return;
  memory::current()->flush();
  rl::atomic_thread_fence(rl::mo_acq_rel, RL_INFO);
}
/// What the end of a kernel, and the next one's begin, do at least.
inline void end_of_kernel() {
  memory::current()->flush();
  rl::atomic_thread_fence(rl::mo_acq_rel, RL_INFO);
}

/// In place of std::atomic_ref. Words that only one rank uses are plain.
template <class W>
class atomic_ref {
 public:
  explicit atomic_ref(W& object) : plain_{object}, word_{memory::current()->word(&object)} {}

  W load(std::memory_order order) const {
    if (word_ == nullptr) return plain_;
    if constexpr (sizeof(W) == 8) {
      if (memory::current()->is_wiped(&plain_)) return ~W{0};
    }
    return static_cast<W>(word_->load(to_relacy(order), RL_INFO));
  }
  void store(W value, std::memory_order order) const {
    if (word_ == nullptr) {
      plain_ = value;
      return;
    }
    if constexpr (sizeof(W) == 8) {
      if (rl::rand(16) == 0) memory::current()->flush();
      if (value == ~W{0}) {
        memory::current()->store_later(&plain_);
        return;
      }
    }
    word_->store(value, to_relacy(order), RL_INFO);
  }
  W exchange(W value, std::memory_order order) const {
    if (word_ == nullptr) return std::exchange(plain_, value);
    return static_cast<W>(word_->exchange(value, to_relacy(order), RL_INFO));
  }

 private:
  W& plain_;
  rl::atomic<std::uint64_t>* word_;
};

/// In place of std::this_thread::yield().
inline void yield() { rl::yield(1, RL_INFO); }

/// In place of std::atomic. Its orders are never weakened: a group's barrier is not the subject.
template <class T>
class atomic {
 public:
  atomic() : atomic(T{}) {}
  atomic(T value) { cell_.store(value, rl::mo_relaxed, RL_INFO); }

  T load(std::memory_order order) const { return cell_.load(strict(order), RL_INFO); }
  void store(T value, std::memory_order order) { cell_.store(value, strict(order), RL_INFO); }
  T fetch_add(T value, std::memory_order order) {
    return cell_.fetch_add(value, strict(order), RL_INFO);
  }
  void wait(T old, std::memory_order order) const {
    while (load(order) == old) yield();
  }
  void notify_all() {}

 private:
  static rl::memory_order strict(std::memory_order order) {
    const mutation keep = mutant;
    mutant = mutation::none;
    const rl::memory_order same = to_relacy(order);
    mutant = keep;
    return same;
  }
  rl::atomic<T> cell_;
};

/// In place of the copy that reads a pack.
inline void read(void* to, const void* from, std::size_t bytes) {
  if (!memory::current()->has_data(from)) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t value =
        memory::current()->datum(static_cast<const std::byte*>(from) + i)(RL_INFO);
    std::memcpy(static_cast<std::byte*>(to) + i, &value, 8);
  }
}

/// In place of the copy that writes a pack.
inline void write(void* to, const void* from, std::size_t bytes) {
  if (!memory::current()->has_data(to)) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (std::size_t i = 0; i < bytes; i += 8) {
    std::uint64_t value;
    std::memcpy(&value, static_cast<const std::byte*>(from) + i, 8);
    memory::current()->datum(static_cast<std::byte*>(to) + i)(RL_INFO) = value;
  }
}

}  // namespace peerfold::model
