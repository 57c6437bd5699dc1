// The protocols of the packet, the store and the sentinel transport under Relacy, which runs them
// in many orders and lets relaxed loads return old values. What runs is the library's code, with
// its accesses led through model.hpp by edit_headers.cmake.
//
//   protocols [ITERATIONS] [history]             every scenario must hold; else, on request, the
//                                                accesses that led to what was wrong
//   protocols MUTATION [ITERATIONS] [history]    some scenario must not hold, with that error put
//   in
#include "relacy/model.hpp"

#include <peerfold/algorithm/all_reduce_one_shot.hpp>
#include <peerfold/algorithm/two_shot.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>
#include <peerfold/sync/arena_setup.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/sentinel.hpp>
#include <peerfold/transport/store_flag.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <ostream>
#include <type_traits>

namespace pf = peerfold;
namespace model = pf::model;

namespace {

constexpr int ranks = 2;
constexpr int lanes = 2;
using element = std::uint32_t;
using context = pf::execution::context<ranks, pf::execution::thread_group>;

void expect(bool what) { RL_ASSERT(what); }

/// Two ranks of two lanes each on a channel of one block. `First` messages went over it before.
template <class Scenario, std::uint64_t First>
struct two_ranks : rl::test_suite<two_ranks<Scenario, First>, ranks * lanes> {
  static constexpr pf::sync::channel_shape shape{
      .blocks = 1, .packet_lines = lanes, .store_bytes = lanes * 16, .sentinel_lines = 8};

  void before() {
    const pf::sync::channel_layout<ranks> layout{shape, sizeof(pf::sync::poison_words)};
    const std::size_t stride = (layout.end + 255) / 256 * 256;
    for (int r = 0; r < ranks; ++r) {
      std::byte* arena = memory.data() + static_cast<std::size_t>(r) * stride;
      std::byte* region = arena + layout.begin;
      arenas[r] = arena;
      pf::sync::initialise_region<ranks>(region, layout, First);
      memory.add_word(&pf::sync::poison_of(region, layout)->poison);
      const int peer = 1 - r;
      memory.add_word(layout.flag(region, 0, peer));
      for (unsigned slot = 0; slot < pf::sync::packet_slots; ++slot) {
        for (unsigned i = 0; i < shape.packet_lines; ++i) {
          auto* line = reinterpret_cast<pf::arch::word_pair*>(region + layout.packets) +
                       slot * shape.packet_lines + i;
          memory.add_word(&line->low);
          memory.add_word(&line->high);
        }
      }
      const auto add_line = [&](std::byte* at) {
        memory.add_word(reinterpret_cast<std::uint64_t*>(at));
        memory.add_word(reinterpret_cast<std::uint64_t*>(at) + 1);
      };
      for (unsigned slot = 0; slot < pf::sync::sentinel_slots; ++slot) {
        std::byte* begin = region + layout.sentinel_ring(0, r, peer) + layout.sentinel_slot(slot);
        add_line(begin);
        for (int i = 0; i < lanes; ++i) add_line(begin + layout.sentinel_header + i * 16);
      }
      memory.add_data(region + layout.stores, pf::sync::store_slots * shape.store_bytes);
      words[r] = reinterpret_cast<pf::sync::host_words*>(
          memory.data() + ranks * stride + static_cast<std::size_t>(r) * sizeof(*words[r]));
    }
    for (int r = 0; r < ranks; ++r) {
      locals[r] = pf::sync::view_of_rank<ranks>(arenas, layout, words[r], r);
    }
    view.layout = layout;
    view.wait_budget_ns = std::uint64_t{1} << 62;  // Relacy tells who waits for ever
  }

  void thread(unsigned index) {
    const int rank = static_cast<int>(index) / lanes;
    const int lane = static_cast<int>(index) % lanes;
    const pf::call_signature signature{};
    const pf::execution::thread_group group{barriers[rank], lane, lanes};
    for (int kernel = 0; kernel < Scenario::kernels; ++kernel) {
      context c{view, locals[rank], 0, 1, group, scratch[rank], signature};
      for (int call = 0; call < Scenario::calls; ++call) {
        typename Scenario::transport t{c};
        expect(Scenario::run(c, t, kernel * Scenario::calls + call));
        t.close();
        group.sync();
      }
      if (!Scenario::ends_kernels) continue;
      model::end_of_kernel();
      group.sync();
      model::end_of_kernel();
    }
  }

  model::memory memory;
  std::byte* arenas[ranks] = {};
  pf::sync::channel_view<ranks> view;
  pf::sync::rank_view<ranks> locals[ranks];
  pf::sync::host_words* words[ranks] = {};
  pf::execution::voting_barrier barriers[ranks] = {pf::execution::voting_barrier{lanes},
                                                   pf::execution::voting_barrier{lanes}};
  alignas(16) std::byte scratch[ranks][context::scratch_bytes] = {};
};

/// Calls of an all-reduce of `Shares` shares that fill the lanes, and one element more.
template <template <class, class> class Transport, bool TwoShot, int Shares,
          class Element = element, int Kernels = 2, int Calls = 1>
struct all_reduce {
  using element = Element;
  using transport = Transport<element, context>;
  static constexpr int kernels = Kernels;
  static constexpr int calls = Calls;
  /// Sentinels rely on kernels that end.
  static constexpr bool ends_kernels = std::is_same_v<element, float>;

  static bool run(context& c, transport& t, int call) {
    constexpr std::uint32_t share = transport::pack_type::size * lanes;
    constexpr std::uint32_t parts = TwoShot ? ranks : 1;
    constexpr std::size_t count = share * Shares + 1;
    constexpr pf::transport::tiling tiles{count, share, parts};
    const auto value = [call](int rank, std::size_t i) {
      return static_cast<element>(1000 * (rank + 1) + 100 * call + static_cast<int>(i));
    };
    const auto load = [&](std::size_t i) { return value(c.rank(), i); };
    const auto store = [&](std::size_t i, element sum) {
      expect(i < count && sum == value(0, i) + value(1, i));
    };
    if constexpr (TwoShot) {
      return pf::algorithm::all_reduce_two_shot(c, t, tiles, load, pf::sum{},
                                                pf::round_to<element>{}, store);
    } else {
      return pf::algorithm::all_reduce_one_shot(c, t, tiles, load, pf::sum{},
                                                pf::round_to<element>{}, store);
    }
  }
};

/// The transport by hand: messages of as many packs as `packs_of_message` says.
template <class Transport>
struct by_hand {
  static constexpr bool ends_kernels = false;
  static element value(int rank, int m, std::size_t i) {
    return static_cast<element>(1000 * (rank + 1) + 100 * m + static_cast<int>(i));
  }
  static pf::transport::tile tile(int packs) {
    return {0, static_cast<std::uint32_t>(packs) * Transport::pack_type::size};
  }
  static void send(context& c, Transport& t, int m, int packs) {
    const auto x = tile(packs);
    t.send(1, x, t.load(x, [&](std::size_t i) { return value(c.rank(), m, i); }));
  }
  static void receive(context& c, Transport& t, int m, int packs) {
    const auto x = tile(packs);
    const auto theirs = t.receive(x);
    expect(static_cast<bool>(theirs));
    const int peer = 1 - c.rank();
    const auto check = [&](std::size_t i, element got) { expect(got == value(peer, m, i)); };
    t.store_from(peer, x, theirs, t.destination(x, check));
  }
};

/// Exchanges of packets with lanes that have nothing to receive now and then.
struct uneven_packets : by_hand<pf::transport::packet<element, context>> {
  using transport = pf::transport::packet<element, context>;
  static constexpr int kernels = 1;
  static constexpr int calls = 1;

  static bool run(context& c, transport& t, int /*call*/) {
    for (int m = 0; m < 5; ++m) {
      const int packs = m % 2 == 0 ? lanes : 1;
      send(c, t, m, packs);
      t.commit();
      receive(c, t, m, packs);
      if (!t.release()) return false;
    }
    return true;
  }
};

/// One rank sends as fast as it may; the other one answers with credit only.
struct full_ring : by_hand<pf::transport::store_flag<element, context>> {
  using transport = pf::transport::store_flag<element, context>;
  static constexpr int kernels = 1;
  static constexpr int calls = 1;

  static bool run(context& c, transport& t, int /*call*/) {
    for (int m = 0; m < 7; ++m) {
      if (c.rank() == 0) {
        send(c, t, m, lanes);
        t.commit();
      } else {
        receive(c, t, m, lanes);
        if (!t.release()) return false;
        t.commit();
      }
    }
    return t.release();
  }
};

constexpr std::uint64_t wrap = std::uint64_t{1} << 31;

struct options {
  unsigned iterations = 10'000;
  bool history = false;
};

template <class Scenario, std::uint64_t First = 0>
bool holds(const char* name, const options& wanted) {
  const auto simulate = [&](std::ostream& output) {
    rl::test_params params;
    params.iteration_count = wanted.iterations;
    params.execution_depth_limit = 20'000;
    params.output_stream = &output;
    params.progress_stream = &output;
    rl::simulate<two_ranks<Scenario, First>>(params);
    return params.test_result;
  };
  std::ostream nowhere{nullptr};
  const rl::test_result_e result = simulate(nowhere);
  const bool right = result == rl::test_result_success;
  std::printf("%-40s %s\n", name, right ? "holds" : rl::test_result_str(result));
  std::fflush(stdout);
  if (!right && wanted.history) simulate(std::cout);
  return right;
}

struct named_mutation {
  const char* name;
  model::mutation which;
};
constexpr named_mutation mutations[] = {
    {"weak_release", model::mutation::weak_release},
    {"weak_acquire", model::mutation::weak_acquire},
    {"one_packet_slot", model::mutation::one_packet_slot},
    {"high_word_unchecked", model::mutation::high_word_unchecked},
    {"no_vote", model::mutation::no_vote},
    {"no_barrier", model::mutation::no_barrier},
    {"early_credit", model::mutation::early_credit},
    {"no_credit", model::mutation::no_credit},
    {"no_fence", model::mutation::no_fence},
    {"no_wipe", model::mutation::no_wipe},
};

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const auto& m : mutations) {
      if (std::strcmp(argv[i], m.name) == 0) {
        model::mutant = m.which;
        known = true;
      }
    }
    if (std::strcmp(argv[i], "history") == 0) {
      wanted.history = true;
    } else if (!known) {
      wanted.iterations = static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10));
    }
  }
  if (wanted.iterations == 0) {
    std::fprintf(stderr, "usage: %s [MUTATION] [ITERATIONS] [history]\n", argv[0]);
    return 2;
  }

  using pf::transport::packet;
  using pf::transport::sentinel;
  using pf::transport::store_flag;
  bool all = true;
  all &= holds<all_reduce<packet, false, 2>>("one_shot over packets", wanted);
  all &= holds<all_reduce<packet, true, 2>>("two_shot over packets", wanted);
  all &= holds<all_reduce<packet, true, 2>, wrap - 3>("two_shot over packets, at the wrap", wanted);
  all &= holds<uneven_packets>("packets with idle lanes", wanted);
  all &= holds<uneven_packets, wrap / 2 - 3>("packets with idle lanes, at a scrub lap", wanted);
  all &= holds<all_reduce<store_flag, false, 2>>("one_shot over stores", wanted);
  all &=
      holds<all_reduce<store_flag, true, 2>, wrap - 3>("two_shot over stores, at the wrap", wanted);
  all &= holds<full_ring>("a full ring of stores", wanted);
  all &= holds<full_ring, wrap - 4>("a full ring of stores, at the wrap", wanted);

  all &= holds<all_reduce<sentinel, false, 5, float, 1>>("one_shot over sentinels", wanted);
  all &= holds<all_reduce<sentinel, true, 4, float>, wrap - 3>("two_shot over sentinels", wanted);
  all &= holds<all_reduce<sentinel, false, 0, float, 6>>("short calls over sentinels", wanted);
  all &=
      holds<all_reduce<sentinel, false, 0, float, 2, 5>>("sentinels, calls in one kernel", wanted);
  all &= holds<all_reduce<sentinel, true, 0, float, 4>>("sentinels, two messages a kernel", wanted);

  if (model::mutant == model::mutation::none) return all ? 0 : 1;
  std::printf(all ? "the error was not found\n" : "the error was found\n");
  return all ? 1 : 0;
}
