/// \file
/// Transports of kinds that the library does not have yet, as far as the concepts need them: they
/// show that an algorithm written against the concepts holds for them.
#pragma once

#include <peerfold/algorithm/concepts.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/transport/tile.hpp>
#include <peerfold/transport/traits.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace peerfold::test {

/// A group of one: the host, or a lane without others.
struct lone_group {
  int lane() const { return 0; }
  int width() const { return 1; }
  bool elect() const { return true; }
  bool any(bool vote) const { return vote; }
  void sync() const {}
};

template <int N>
struct lone_context {
  static constexpr int size = N;
  using group_type = lone_group;
  int self = 0;
  int rank() const { return self; }
  int ranks() const { return N; }
  int rank_after(int step) const { return peerfold::rank_after(N, self, step); }
  int block() const { return 0; }
  int blocks() const { return 1; }
  lone_group group() const { return {}; }
};

// --- Bulk copies
// ----------------------------------------------------------------------------------

/// One elected lane copies whole tiles out of the group's shared memory; commit() waits until the
/// copies are complete. The fragment is a place in that memory.
template <class T, class Context>
class bulk_copy {
 public:
  struct place {
    int index = -1;
  };
  using element_type = T;
  using fragment_type = place;
  struct arrivals {
    bool complete;
    explicit operator bool() const { return complete; }
  };
  static constexpr transport::transport_traits traits{
      .name = "bulk", .publishes_writes = true, .slots = 6, .lag = 2};

  explicit bulk_copy(Context& c) : group_{c.group()} {}

  template <class Load>
  place load(const transport::tile& x, const Load& load) {
    const place values{next_++ % places};
    for (std::size_t i = 0; i < x.count; ++i) shared(values)[i] = load(x.begin + i);
    group_.sync();  // before the elected lane copies what the others wrote
    return values;
  }
  void send(int /*step*/, const transport::tile& /*x*/, const place& /*values*/) {
    if (group_.elect()) ++copies_under_way_;
  }
  void commit() {
    copies_under_way_ = 0;
    group_.sync();
  }
  arrivals receive(const transport::tile& /*x*/) { return {!group_.any(false)}; }
  template <class TileOf>
  arrivals receive_each(TileOf /*tile_of*/) {
    return {!group_.any(false)};
  }
  template <class Op, class Finish>
  place fold(const transport::tile& x, const place& mine, const arrivals& /*theirs*/,
             const Op& /*op*/, const Finish& finish) {
    static_assert(Context::size == 1, "the mock has no peers to read from");
    const place result{next_++ % places};
    for (std::size_t i = 0; i < x.count; ++i) {
      shared(result)[i] = finish(element_traits<T>::widen(shared(mine)[i]));
    }
    return result;
  }
  template <class Store>
  Store destination(const transport::tile& /*x*/, const Store& store) {
    return store;
  }
  template <class Store>
  void store(const transport::tile& x, const place& values, const Store& store) {
    for (std::size_t i = 0; i < x.count; ++i) store(x.begin + i, shared(values)[i]);
  }
  template <class Store>
  void store_from(int /*q*/, const transport::tile& x, const arrivals& /*theirs*/,
                  const Store& to) {
    store(x, place{0}, to);
  }
  bool receive_last() { return !group_.any(false); }
  bool has_room() const { return true; }
  void send_at_once(int step, const transport::tile& x, const place& values) {
    send(step, x, values);
  }
  bool release() { return !group_.any(false); }
  void close() { group_.sync(); }

 private:
  // An algorithm holds few fragments at once: the next tile's, this one's and the result.
  static constexpr int places = 4;
  T* shared(const place& p) { return memory_[p.index]; }

  lone_group group_;
  T memory_[places][64] = {};
  int next_ = 0;
  int copies_under_way_ = 0;
};

// --- Multicast
// ------------------------------------------------------------------------------------

/// The switch folds while it loads: what is received is one value, folded in no stated order.
template <class T, class Context>
class multimem {
 public:
  using element_type = T;
  struct fragment_type {
    T values[64];
  };
  struct arrivals {
    T folded[64];
    bool complete;
    explicit operator bool() const { return complete; }
  };
  static constexpr transport::transport_traits traits{.name = "multimem",
                                                      .needs_symmetric = true,
                                                      .folds_in_flight = true,
                                                      .publishes_writes = true,
                                                      .slots = 2};

  explicit multimem(Context&) {}

  template <class Load>
  fragment_type load(const transport::tile& x, const Load& load) {
    fragment_type mine{};
    for (std::size_t i = 0; i < x.count; ++i) mine.values[i] = load(x.begin + i);
    return mine;
  }
  void send(int step, const transport::tile& /*x*/, const fragment_type& values) {
    if (step == 1) published_ = values;  // one store reaches all
  }
  void commit() {}
  arrivals receive(const transport::tile& x) {
    arrivals in{{}, true};
    for (std::size_t i = 0; i < x.count; ++i) in.folded[i] = published_.values[i];
    return in;
  }
  template <class TileOf>
  arrivals receive_each(TileOf tile_of) {
    return receive(tile_of(0));
  }
  template <class Op, class Finish>
  fragment_type fold(const transport::tile& x, const fragment_type& /*mine*/,
                     const arrivals& theirs, const Op& /*op*/, const Finish& finish) {
    fragment_type result{};
    for (std::size_t i = 0; i < x.count; ++i) {
      result.values[i] = finish(element_traits<T>::widen(theirs.folded[i]));
    }
    return result;
  }
  template <class Store>
  Store destination(const transport::tile& /*x*/, const Store& store) {
    return store;
  }
  template <class Store>
  void store(const transport::tile& x, const fragment_type& values, const Store& store) {
    for (std::size_t i = 0; i < x.count; ++i) store(x.begin + i, values.values[i]);
  }
  template <class Store>
  void store_from(int /*q*/, const transport::tile& x, const arrivals& theirs, const Store& store) {
    for (std::size_t i = 0; i < x.count; ++i) store(x.begin + i, theirs.folded[i]);
  }
  bool receive_last() { return true; }
  bool has_room() const { return true; }
  void send_at_once(int step, const transport::tile& x, const fragment_type& values) {
    send(step, x, values);
  }
  bool release() { return true; }
  void close() {}

 private:
  fragment_type published_{};
};

// --- Copy engines
// ---------------------------------------------------------------------------------

/// What a copy engine's host enqueued on a rank's stream.
enum class operation { load, send, commit, receive, fold, store, store_from, release, close };

struct enqueued {
  operation what;
  int message;        ///< of this rank's (load, send, commit, close) or of the peers'
  int peer;           ///< send, store: to whom, if known; store_from: from whom; else -1
  transport::tile x;  ///< of what it moves
  const void* place;  ///< load, send, fold, store: the fragment
  std::function<bool()> ready;
  std::function<void()> run;
};

/// The streams and rings of N ranks whose messages copy engines move.
template <class T, int N, int Slots>
struct copy_engine_ranks {
  // g++ warns of the peers that one rank alone does not have.
  static constexpr int room = N > 1 ? N : 2;

  std::vector<enqueued> stream[N];
  std::size_t done[N] = {};                ///< operations of the stream
  std::vector<T> ring[room][room][Slots];  ///< at rank, from rank
  int committed[room][room] = {};          ///< at rank, by rank: its last message
  int credit[room][room] = {};             ///< at rank, by rank: the last message that it gave back
  int released[N] = {};                    ///< messages whose slots a rank gave back, not yet told

  bool over() const {
    for (int r = 0; r < N; ++r) {
      if (done[r] != stream[r].size()) return false;
    }
    return true;
  }
  bool can_run(int r) const { return done[r] != stream[r].size() && stream[r][done[r]].ready(); }
  void run(int r) { stream[r][done[r]++].run(); }
};

/// Driven by the host: every call enqueues an operation of rank `c.rank()` and returns at once. The
/// fragment is a place in memory; folds are kernels. Credit travels with commits, as it does where
/// flags carry both.
template <class T, class Context, int Slots, int Lag, bool PublishesWrites>
class copy_engine {
  static constexpr int n = Context::size;

 public:
  using element_type = T;
  using fragment_type = std::shared_ptr<std::vector<T>>;
  struct arrivals {
    int message;
    explicit operator bool() const { return true; }  // enqueued; a fault shows on the stream
  };
  static constexpr transport::transport_traits traits{.name = "copy engine",
                                                      .driven_by = transport::driver::host,
                                                      .publishes_writes = PublishesWrites,
                                                      .slots = Slots,
                                                      .lag = Lag};
  using ranks_type = copy_engine_ranks<T, n, Slots>;

  copy_engine(Context& c, ranks_type& ranks, int messages_before = 0)
      : rank_{c.rank()}, ranks_{ranks}, commits_{messages_before}, receipts_{messages_before} {}

  template <class Load>
  fragment_type load(const transport::tile& x, const Load& load) {
    auto values = std::make_shared<std::vector<T>>(x.count);
    enqueue(operation::load, commits_ + 1, -1, x, values.get(), always, [=] {
      for (std::size_t i = 0; i < x.count; ++i) (*values)[i] = load(x.begin + i);
    });
    return values;
  }

  void send(int step, const transport::tile& x, const fragment_type& values) {
    const int to = rank_after(n, rank_, step);
    const int message = commits_ + 1;
    enqueue(
        operation::send, message, to, x, values.get(),
        [=, &all = ranks_, me = rank_] { return message - all.credit[me][to] <= Slots; },
        [=, &all = ranks_, me = rank_] { all.ring[to][me][slot_of(message)] = *values; });
  }

  void commit() {
    const int message = ++commits_;
    enqueue(operation::commit, message, -1, {}, nullptr, always, [=, &all = ranks_, me = rank_] {
      for (int q = 0; q < n; ++q) {
        if (q == me) continue;
        all.committed[q][me] = message;
        all.credit[q][me] = all.released[me];
      }
    });
  }

  arrivals receive(const transport::tile& x) { return await(x); }
  bool receive_last() { return static_cast<bool>(await({})); }
  bool has_room() const { return true; }
  void send_at_once(int step, const transport::tile& x, const fragment_type& values) {
    send(step, x, values);
  }
  template <class TileOf>
  arrivals receive_each(TileOf /*tile_of*/) {
    return await({});
  }

  template <class Op, class Finish>
  fragment_type fold(const transport::tile& x, const fragment_type& mine, const arrivals& theirs,
                     const Op& op, const Finish& finish) {
    auto result = std::make_shared<std::vector<T>>(x.count);
    const auto value = [=, &all = ranks_, me = rank_](int q, std::size_t i) {
      const auto& from = q == me ? *mine : all.ring[me][q][slot_of(theirs.message)];
      return element_traits<T>::widen(from.at(i));
    };
    enqueue(operation::fold, theirs.message, -1, x, result.get(), always, [=] {
      for (std::size_t i = 0; i < x.count; ++i) {
        auto total = value(0, i);
        for (int q = 1; q < n; ++q) total = op(total, value(q, i));
        (*result)[i] = finish(total);
      }
    });
    return result;
  }

  template <class Store>
  Store destination(const transport::tile& /*x*/, const Store& store) {
    return store;
  }
  template <class Store>
  void store(const transport::tile& x, const fragment_type& values, const Store& store) {
    int whose = -1;
    if constexpr (requires { store.rank; }) whose = store.rank;
    enqueue(operation::store, receipts_, whose, x, values.get(), always, [=] {
      for (std::size_t i = 0; i < x.count; ++i) store(x.begin + i, values->at(i));
    });
  }
  template <class Store>
  void store_from(int q, const transport::tile& x, const arrivals& theirs, const Store& store) {
    const auto& slot = ranks_.ring[rank_][q][slot_of(theirs.message)];
    enqueue(operation::store_from, theirs.message, q, x, nullptr, always, [=, &slot] {
      for (std::size_t i = 0; i < x.count; ++i) store(x.begin + i, slot.at(i));
    });
  }

  bool release() {
    enqueue(operation::release, receipts_, -1, {}, nullptr, always,
            [message = receipts_, &released = ranks_.released[rank_]] { released = message; });
    return true;
  }
  /// Releases the last receive, too.
  void close() {
    enqueue(operation::close, commits_, -1, {}, nullptr, always,
            [message = receipts_, &released = ranks_.released[rank_]] { released = message; });
  }

 private:
  static bool always() { return true; }
  static std::size_t slot_of(int message) { return static_cast<unsigned>(message) % Slots; }

  arrivals await(const transport::tile& x) {
    const int message = ++receipts_;
    enqueue(
        operation::receive, message, -1, x, nullptr,
        [=, &all = ranks_, me = rank_] {
          for (int q = 0; q < n; ++q) {
            if (q != me && all.committed[me][q] < message) return false;
          }
          return true;
        },
        [] {});
    return {message};
  }

  void enqueue(operation what, int message, int peer, const transport::tile& x, const void* place,
               std::function<bool()> ready, std::function<void()> run) {
    ranks_.stream[rank_].push_back(
        {what, message, peer, x, place, std::move(ready), std::move(run)});
  }

  int rank_;
  ranks_type& ranks_;
  int commits_;
  int receipts_;
};

}  // namespace peerfold::test
