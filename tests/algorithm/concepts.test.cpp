// The concepts hold for transports of other kinds, and the algorithms run over them: what they
// enqueue for copy engines is looked at, and run in many orders.
#include "algorithm/mock_transports.hpp"
#include "support/catch.hpp"

#include <peerfold/algorithm/all_reduce_one_shot.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/two_shot.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <rapidcheck/catch.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace pf = peerfold;
namespace algorithm = pf::algorithm;
using pf::test::enqueued;
using pf::test::operation;

namespace {

// --- What models the concepts, and what does not
// --------------------------------------------------

using plain_load = pf::load_from<int>;
using plain_store = pf::store_to<int>;
using symmetric_store = pf::store_to_symmetric<int, 2>;
using rounding = pf::round_to<int>;

template <class T>
constexpr bool reduces =
    algorithm::reducing_transport<T, plain_load, pf::sum, rounding, plain_store> &&
    algorithm::reducing_transport<T, plain_load, pf::sum, rounding, symmetric_store>;

using lone_context = pf::test::lone_context<2>;
using thread_context = pf::execution::context<2, pf::execution::thread_group>;
using bulk = pf::test::bulk_copy<int, lone_context>;
using multimem = pf::test::multimem<int, lone_context>;
using engine = pf::test::copy_engine<int, lone_context, 8, 2, false>;

static_assert(algorithm::context<lone_context> && algorithm::context<thread_context>);
static_assert(algorithm::transport<bulk> && reduces<bulk>);
static_assert(algorithm::transport<multimem> && reduces<multimem>);
static_assert(algorithm::transport<engine> && reduces<engine>);
static_assert(algorithm::transport<pf::transport::packet<int, thread_context>> &&
              reduces<pf::transport::packet<int, thread_context>>);
static_assert(algorithm::transport<pf::transport::store_flag<int, thread_context>> &&
              reduces<pf::transport::store_flag<int, thread_context>>);

static_assert(algorithm::reaches_peers<symmetric_store> && !algorithm::reaches_peers<plain_store>);

struct without_release : bulk {
  void release() = delete;
};
struct release_without_answer : bulk {
  void release() {}
};
struct without_commit : bulk {
  void commit() = delete;
};
struct without_close : bulk {
  void close() = delete;
};
struct without_receive_each : bulk {
  void receive_each(algorithm::tile_of_rank) = delete;
};
struct without_receive_last : bulk {
  bool receive_last() = delete;
};
struct without_has_room : bulk {
  bool has_room() = delete;
};
struct receives_nothing : bulk {
  void receive(const pf::transport::tile&) {}
};
struct arrivals_that_do_not_tell : bulk {
  struct arrivals {};
  arrivals receive(const pf::transport::tile&) { return {}; }
  arrivals receive_each(algorithm::tile_of_rank) { return {}; }
};
struct too_few_slots : bulk {
  static constexpr pf::transport::transport_traits traits{.slots = 5, .lag = 2};
};
struct traits_that_vary : bulk {
  [[maybe_unused]] static inline pf::transport::transport_traits traits{.slots = 6, .lag = 2};
};
struct sends_another_fragment : bulk {
  using fragment_type = float*;
};
static_assert(!algorithm::transport<without_release>);
static_assert(!algorithm::transport<release_without_answer>);
static_assert(!algorithm::transport<without_commit>);
static_assert(!algorithm::transport<without_close>);
static_assert(!algorithm::transport<without_receive_each>);
static_assert(!algorithm::transport<without_receive_last>);
static_assert(!algorithm::transport<without_has_room>);
static_assert(!algorithm::transport<receives_nothing>);
static_assert(!algorithm::transport<arrivals_that_do_not_tell>);
static_assert(!algorithm::transport<too_few_slots>);
static_assert(!algorithm::transport<traits_that_vary>);
static_assert(!algorithm::transport<sends_another_fragment>);
static_assert(!algorithm::transport<int>);

struct fragment_that_stays : bulk {
  struct fragment_type {
    fragment_type() = default;
    fragment_type(const fragment_type&) = delete;
    fragment_type& operator=(const fragment_type&) = delete;
  };
  void send(int, const pf::transport::tile&, const fragment_type&) {}
};
static_assert(!algorithm::transport<fragment_that_stays>);

struct loads_another_fragment : bulk {
  template <class Load>
  float* load(const pf::transport::tile&, const Load&) {
    return nullptr;
  }
};
struct without_store_from : bulk {
  void store_from(int, const pf::transport::tile&, const arrivals&, const plain_store&) = delete;
};
static_assert(algorithm::transport<loads_another_fragment> && !reduces<loads_another_fragment>);
static_assert(algorithm::transport<without_store_from> && !reduces<without_store_from>);

struct group_that_elects_nobody : pf::test::lone_group {
  void elect() const = delete;
};
struct context_without_blocks : lone_context {
  void blocks() const = delete;
};
static_assert(algorithm::group<pf::test::lone_group>);
static_assert(!algorithm::group<group_that_elects_nobody>);
static_assert(!algorithm::context<context_without_blocks>);

// --- All-reduce over copy engines
// -----------------------------------------------------------------

using element = std::uint32_t;

/// A store functor that also reaches the peers.
template <int N>
struct store_everywhere {
  std::vector<element>* memory;  // of rank 0, followed by the others'
  int rank;
  void operator()(std::size_t i, element value) const { memory[rank].at(i) = value; }
  store_everywhere at_rank(int q) const { return {memory, q}; }
};
template <int N>
struct store_here {
  std::vector<element>* memory;
  int rank;
  void operator()(std::size_t i, element value) const { memory[rank].at(i) = value; }
};

enum class form { one_shot, two_shot, two_shot_direct };

/// N ranks, each with its input and output in place, and the streams of their copy engines.
template <int N, int Slots, int Lag>
struct scenario {
  pf::test::copy_engine_ranks<element, N, Slots> ranks;
  std::vector<element> memory[N];
  std::vector<element> expected;
  int messages = 0;  ///< before the next call

  explicit scenario(std::size_t count) : expected(count) {
    for (int r = 0; r < N; ++r) {
      memory[r].resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        memory[r][i] = static_cast<element>(1000 * (r + 1)) + static_cast<element>(i);
        expected[i] += memory[r][i];
      }
    }
  }

  template <class Context, class Transport, class Store>
  static bool all_reduce(form f, Context& c, Transport& t, const pf::transport::tiling& tiles,
                         const std::vector<element>& from, const Store& to) {
    const auto load = [&from](std::size_t i) { return from.at(i); };
    const pf::round_to<element> finish;
    return f == form::one_shot
               ? algorithm::all_reduce_one_shot(c, t, tiles, load, pf::sum{}, finish, to)
               : algorithm::all_reduce_two_shot(c, t, tiles, load, pf::sum{}, finish, to);
  }

  /// Enqueues an all-reduce of tiles of `share` elements a share on every rank's stream.
  bool enqueue(form f, std::uint32_t share) {
    const std::size_t count = expected.size();
    const std::uint32_t parts = f == form::one_shot ? 1 : N;
    const pf::transport::tiling tiles{count, share, parts};
    bool all = true;
    int sent = messages;
    for (int r = 0; r < N; ++r) {
      pf::test::lone_context<N> c{r};
      if (f == form::two_shot_direct) {
        pf::test::copy_engine<element, decltype(c), Slots, Lag, true> t{c, ranks, messages};
        all = all_reduce(f, c, t, tiles, memory[r], store_everywhere<N>{memory, r}) && all;
        t.close();
      } else {
        pf::test::copy_engine<element, decltype(c), Slots, Lag, false> t{c, ranks, messages};
        all = all_reduce(f, c, t, tiles, memory[r], store_here<N>{memory, r}) && all;
        t.close();
      }
      sent = ranks.stream[r].back().message;
    }
    messages = sent;
    return all;
  }

  /// Runs what was enqueued, the streams in turn as `choose(k)` < k says; false if none can go on.
  template <class Choose>
  bool run(Choose choose) {
    while (!ranks.over()) {
      std::vector<int> able;
      for (int r = 0; r < N; ++r) {
        if (ranks.can_run(r)) able.push_back(r);
      }
      if (able.empty()) return false;
      ranks.run(able[choose(able.size())]);
    }
    return true;
  }

  bool right() const {
    return std::all_of(memory, memory + N, [&](const auto& m) { return m == expected; });
  }
};

bool is_at(const enqueued& e, operation what, int message) {
  return e.what == what && e.message == message;
}

/// Where `what` of message `message` is on the stream; its end if nowhere.
std::size_t position(const std::vector<enqueued>& stream, operation what, int message) {
  return static_cast<std::size_t>(
      std::find_if(stream.begin(), stream.end(),
                   [&](const enqueued& e) { return is_at(e, what, message); }) -
      stream.begin());
}

/// What holds for every algorithm over every transport, on the stream of `rank` after one call.
void check_order(const std::vector<enqueued>& stream, int rank, int n) {
  const auto count = [&](operation what) {
    return std::count_if(stream.begin(), stream.end(),
                         [&](const enqueued& e) { return e.what == what; });
  };
  const auto messages = static_cast<int>(count(operation::commit));
  REQUIRE(count(operation::receive) == messages);
  REQUIRE(count(operation::release) >= messages - 1);  // close() releases the last one

  int committed = 0;
  int received = 0;
  int released = 0;
  std::multiset<int> sent_to;
  std::set<const void*> loaded;
  std::map<const void*, int> folded;  // the message that was folded
  for (const enqueued& e : stream) {
    switch (e.what) {
      case operation::load: loaded.insert(e.place); break;
      case operation::send:
        CHECK(e.message == committed + 1);
        CHECK(e.peer != rank);
        CHECK((loaded.count(e.place) + folded.count(e.place)) == 1);
        sent_to.insert(e.peer);
        break;
      case operation::commit:
        CHECK(e.message == ++committed);
        // One send to every peer, or none: then it publishes plain writes.
        CHECK((sent_to.empty() || sent_to.size() == static_cast<std::size_t>(n - 1)));
        CHECK(std::set<int>(sent_to.begin(), sent_to.end()).size() == sent_to.size());
        sent_to.clear();
        break;
      case operation::receive:
        CHECK(e.message == ++received);
        CHECK(received <= committed);     // every send is committed before its receive
        CHECK(received == released + 1);  // the one before was given back
        break;
      case operation::fold:
        CHECK(e.message == received);
        CHECK(released == received - 1);  // the peers' data are read before they are given back
        folded[e.place] = e.message;
        break;
      case operation::store:
        REQUIRE(folded.count(e.place) == 1);  // never stored before it was received and folded
        CHECK(folded[e.place] <= received);
        break;
      case operation::store_from:
        CHECK(e.message == received);
        CHECK(released == received - 1);
        break;
      case operation::release: CHECK(e.message == ++released); break;
      case operation::close: CHECK(&e == &stream.back()); break;
    }
  }
  CHECK(committed == received);
}

}  // namespace

TEST_CASE("what one_shot enqueues for copy engines") {
  constexpr int n = 3;
  constexpr int lag = 2;
  constexpr int tiles = 5;
  scenario<n, 8, lag> s(4 * tiles - 1);
  REQUIRE(s.enqueue(form::one_shot, 4));
  for (int r = 0; r < n; ++r) {
    const auto& stream = s.ranks.stream[r];
    check_order(stream, r, n);
    // A message a tile; tile k is received right after message k + lag was committed.
    for (int m = 1; m <= tiles; ++m) {
      const std::size_t received = position(stream, operation::receive, m);
      CHECK(position(stream, operation::commit, std::min(m + lag, tiles)) < received);
      if (m + lag < tiles) CHECK(received < position(stream, operation::send, m + lag + 1));
      CHECK(stream[received].x.begin == static_cast<std::size_t>(4 * (m - 1)));
      CHECK(received < position(stream, operation::fold, m));
    }
  }
}

TEST_CASE("what two_shot enqueues for copy engines") {
  constexpr int n = 3;
  constexpr int lag = 2;
  constexpr int tiles = 5;
  scenario<n, 8, lag> s(4 * n * tiles - 1);

  SECTION("two messages a tile: shares there, results back") {
    REQUIRE(s.enqueue(form::two_shot, 4));
    for (int r = 0; r < n; ++r) {
      const auto& stream = s.ranks.stream[r];
      check_order(stream, r, n);
      CHECK(position(stream, operation::commit, 2 * tiles) < stream.size());
      CHECK(position(stream, operation::commit, 2 * tiles + 1) == stream.size());
      // No send lies more than the lag of both steps ahead of what was received.
      int received = 0;
      for (const enqueued& e : stream) {
        if (e.what == operation::receive) received = e.message;
        if (e.what == operation::send) CHECK(e.message - received <= 2 * lag + 2);
      }
      const auto stored_from = std::count_if(stream.begin(), stream.end(), [](const enqueued& e) {
        return e.what == operation::store_from;
      });
      CHECK(stored_from == (n - 1) * tiles);
    }
  }

  SECTION("one message a tile and one at the end where results are written straight") {
    REQUIRE(s.enqueue(form::two_shot_direct, 4));
    for (int r = 0; r < n; ++r) {
      const auto& stream = s.ranks.stream[r];
      check_order(stream, r, n);
      CHECK(position(stream, operation::store_from, tiles) == stream.size());
      const std::size_t last = position(stream, operation::commit, tiles + 1);
      REQUIRE(last < stream.size());
      CHECK(position(stream, operation::commit, tiles + 2) == stream.size());
      CHECK(position(stream, operation::send, tiles + 1) == stream.size());
      int stores = 0;
      for (std::size_t i = 0; i < stream.size(); ++i) {
        if (stream[i].what != operation::store) continue;
        ++stores;
        CHECK(i < last);  // the last commit publishes them all
      }
      CHECK(stores == n * tiles);
      CHECK(last < position(stream, operation::receive, tiles + 1));
    }
  }

  SECTION("the same of one tile: a share to every peer, the results to all, and a last message") {
    scenario<n, 8, lag> one(4 * n - 1);
    REQUIRE(one.enqueue(form::two_shot_direct, 4));
    for (int r = 0; r < n; ++r) {
      const auto& stream = one.ranks.stream[r];
      check_order(stream, r, n);
      const std::size_t last = position(stream, operation::commit, 2);
      REQUIRE(last < stream.size());
      CHECK(position(stream, operation::commit, 3) == stream.size());
      CHECK(position(stream, operation::send, 2) == stream.size());
      const std::size_t received = position(stream, operation::receive, 1);
      int stores = 0;
      for (std::size_t i = 0; i < stream.size(); ++i) {
        if (stream[i].what != operation::store) continue;
        ++stores;
        CHECK(received < i);
        CHECK((i < last) == (stream[i].peer != r));  // nobody waits for the rank's own
      }
      CHECK(stores == n);
      CHECK(last < position(stream, operation::receive, 2));
    }
    CHECK(one.run([](std::size_t able) { return able - 1; }));
    CHECK(one.right());
  }
}

TEST_CASE("a call without elements enqueues empty messages") {
  scenario<2, 8, 2> s(0);
  REQUIRE(s.enqueue(form::one_shot, 4));
  REQUIRE(s.enqueue(form::two_shot, 4));
  for (const auto& stream : s.ranks.stream) {
    CHECK(std::any_of(stream.begin(), stream.end(),
                      [](const enqueued& e) { return e.what == operation::commit; }));
    CHECK(std::all_of(stream.begin(), stream.end(),
                      [](const enqueued& e) { return e.x.count == 0; }));
  }
}

namespace {

/// Calls of all forms one after another, in place, their streams run in any order: every rank gets
/// the sums and none waits for ever.
template <int N, int Slots, int Lag>
void any_calls_in_any_order() {
  const auto count = *rc::gen::inRange<std::size_t>(1, 150);
  scenario<N, Slots, Lag> s(count);
  const auto forms = *rc::gen::container<std::vector<form>>(
      rc::gen::element(form::one_shot, form::two_shot, form::two_shot_direct));
  const auto share = *rc::gen::inRange<std::uint32_t>(1, 12);
  element times = 1;
  for (const form f : forms) {
    RC_ASSERT(s.enqueue(f, share));
    for (element& e : s.expected) e *= times;
    times = N;
  }
  if (forms.empty()) return;
  std::uint32_t random = *rc::gen::arbitrary<std::uint32_t>();
  RC_ASSERT(s.run([&](std::size_t able) {
    random = random * 1664525u + 1013904223u;
    return (random >> 16) % able;
  }));
  RC_ASSERT(s.right());
}

}  // namespace

TEST_CASE("all-reduce over copy engines gives every rank the sum, whatever the order of events") {
  rc::prop("2 ranks, rings of packets", [] { any_calls_in_any_order<2, 2, 0>(); });
  rc::prop("4 ranks, rings of packets", [] { any_calls_in_any_order<4, 2, 0>(); });
  rc::prop("2 ranks, rings of stores", [] { any_calls_in_any_order<2, 8, 2>(); });
  rc::prop("3 ranks, rings of stores", [] { any_calls_in_any_order<3, 8, 2>(); });
  rc::prop("3 ranks, the fewest slots for a lag", [] { any_calls_in_any_order<3, 6, 2>(); });
  rc::prop("1 rank", [] { any_calls_in_any_order<1, 8, 2>(); });
}

TEST_CASE("one rank alone over a bulk copy gets what it gave") {
  pf::test::lone_context<1> c;
  pf::test::bulk_copy<element, pf::test::lone_context<1>> t{c};
  std::vector<element> out(150);
  constexpr pf::transport::tiling tiles{150, 64, 1};
  REQUIRE(algorithm::all_reduce_one_shot(
      c, t, tiles, [](std::size_t i) { return static_cast<element>(i + 1); }, pf::sum{},
      pf::round_to<element>{}, [&](std::size_t i, element value) { out.at(i) = value; }));
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == i + 1);
}
