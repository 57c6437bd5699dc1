// Teams on nodes whose GPUs are not all linked: what their options must be, who sends whom how
// much, and a rank that never arrives.
#include <support/catch.hpp>

#include <peerfold/all_reduce.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/policy/traffic.hpp>
#include <peerfold/team/team.hpp>
#include <peerfold/topology/presets.hpp>
#include <peerfold/topology/routes.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace pf = peerfold;

namespace {

constexpr int n = 8;

pf::link_routes cube_mesh() {
  const auto node = pf::topology::find_preset("dgx-1v")->make();
  return pf::topology::plan_routes(node, {0, 1, 2, 3, 4, 5, 6, 7});
}

std::string refusal(const pf::link_routes& links) {
  try {
    pf::team_options options;
    options.links = links;
    static_cast<void>(pf::thread_team<4>::on_threads(options));
  } catch (const pf::error& reason) {
    CHECK(reason.code() == pf::errc::invalid_argument);
    return reason.what();
  }
  return "taken";
}

/// Elements that each rank sent each other one.
using amounts = std::array<std::array<std::atomic<std::size_t>, n>, n>;

/// Counts what is sent.
template <class Context>
class counting : public pf::transport::store_flag<float, Context, pf::algorithm::relay_peers> {
  using base = pf::transport::store_flag<float, Context, pf::algorithm::relay_peers>;

 public:
  counting(Context& c, const pf::algorithm::relay_peers& peers, amounts& sent)
      : base{c, peers}, context_{c}, sent_{sent} {}

  void send(int step, const pf::transport::tile& x, const typename base::fragment_type& values,
            std::uint32_t piece = 0) {
    if (context_.group().elect()) {
      const auto from = static_cast<std::size_t>(context_.rank());
      const auto to = static_cast<std::size_t>(context_.rank_after(step));
      sent_[from][to] += x.count;
    }
    base::send(step, x, values, piece);
  }

 private:
  Context& context_;
  amounts& sent_;
};

/// As relayed_body, but counting.
struct counting_body {
  static constexpr bool takes_pieces = false;
  static constexpr std::size_t shared_bytes = 0;

  pf::transport::tiling tiles;
  pf::link_routes routes;
  pf::algorithm::relay_peers peers;
  pf::load_from<float> load;
  pf::store_to<float> store;
  amounts* sent;

  template <class Context>
  using transport_type = counting<Context>;

  template <class Context>
  bool operator()(Context& c) const {
    pf::algorithm::relay_peers with = peers;
    constexpr std::uint32_t pack = counting<Context>::pack_type::size;
    with.piece_bytes = tiles.share() / pack * 16;
    counting<Context> t{c, with, *sent};
    const auto finish = [](float total) { return total; };
    const bool done = pf::algorithm::all_reduce_relayed(c, t, tiles, routes, with.piece_bytes, load,
                                                        pf::sum{}, finish, store);
    t.close();
    return done;
  }
};

}  // namespace

TEST_CASE("routes must be of the team's ranks, relays linked to both ends, orders complete") {
  const pf::link_routes straight = pf::link_routes::straight(4);
  CHECK(refusal({}) == "taken");
  CHECK(refusal(straight) == "taken");
  CHECK(refusal(pf::link_routes::straight(3)) == "links: routes of 3 ranks, for a team of 4");
  pf::link_routes one_way = straight;
  one_way.via[0][2] = 1;
  CHECK(refusal(one_way) ==
        "links: via[0][2] is 1 and via[2][0] is 0; two ranks are straight both ways, or neither");
  pf::link_routes two_relays = one_way;  // another one each way
  two_relays.via[2][0] = 3;
  CHECK(refusal(two_relays) == "taken");
  pf::link_routes two_hops = two_relays;
  two_hops.via[0][1] = two_hops.via[1][0] = 3;
  CHECK(refusal(two_hops) ==
        "links: via[0][2] is 1; it must be the receiver, or a rank that is straight with both");
  pf::link_routes nobody = straight;
  nobody.via[1][3] = nobody.via[3][1] = 9;
  CHECK(refusal(nobody).find("via[1][3] is 9") != std::string::npos);
  pf::link_routes twice = straight;
  twice.ring[1] = 0;
  CHECK(refusal(twice) == "links: ring and tree must have every rank once");
  twice = straight;
  twice.tree[2] = 7;
  CHECK(refusal(twice) == "links: ring and tree must have every rank once");
}

TEST_CASE("over the cube mesh relays send what the traffic of the policy says") {
  pf::team_options options;
  options.links = cube_mesh();
  options.channels = {{2}};
  auto team = pf::thread_team<n>::on_threads(options);
  constexpr std::size_t count = 8 * 1024;
  std::vector<std::vector<float>> in(n, std::vector<float>(count, 1));
  std::vector<std::vector<float>> out(n, std::vector<float>(count));
  amounts sent{};
  const pf::algorithm::relay_order order{options.links, n};
  pf::call_signature call;
  call.which = pf::collective::all_reduce;
  const pf::error failure = pf::detail::launch_bodies(
      team, 0, n, count, n, call, {},
      [&](std::size_t r, const pf::transport::tiling& tiles) {
        const auto peers = pf::algorithm::relay_peers::of(options.links, n, static_cast<int>(r));
        return counting_body{tiles, options.links, peers, {in[r].data()}, {out[r].data()}, &sent};
      },
      order.most());
  REQUIRE_FALSE(failure);
  REQUIRE(team.status());
  for (const auto& result : out) {
    for (const float value : result) REQUIRE(value == n);
  }
  pf::call_shape shape{pf::collective::all_reduce, count * sizeof(float), {0, 1, 2, 3, 4, 5, 6, 7}};
  shape.routes = options.links;
  const pf::traffic expected = traffic_of(shape, pf::two_shot_relayed_store);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      CAPTURE(i, j);
      const std::size_t elements = sent[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
      CHECK(elements * sizeof(float) == static_cast<std::size_t>(expected.at(i, j)));
      CHECK((elements != 0) == (i != j && options.links.is_straight(i, j)));
    }
  }
}

TEST_CASE("automatic takes relays where they are listed and pairs are not linked") {
  const auto messages_of_pair = [](const pf::link_routes& links, int peer) {
    pf::team_options options;
    options.links = links;
    auto team = pf::thread_team<n>::on_threads(options);
    pf::symmetric_buffer<float, n> buffer(team, 64);
    pf::all_reduce<pf::linked_policies>(team, buffer, pf::sum{});
    const auto view = team.ranks()->view_of(0, 0);
    return view.layout.state(view.region[0], 0)->store[pf::sync::peer_index<n>(peer, 0)].sent;
  };
  CHECK(messages_of_pair(cube_mesh(), 4) > 0);
  CHECK(messages_of_pair(cube_mesh(), 5) == 0);
  CHECK(messages_of_pair({}, 5) > 0);
}

TEST_CASE("a rank that never arrives is named, whoever waits for it by way of others") {
  for (const pf::policy& chosen : {pf::two_shot_relayed_store, pf::ring_store, pf::tree_store}) {
    pf::team_options options;
    options.links = cube_mesh();
    options.wait_budget = std::chrono::milliseconds{300};
    auto team = pf::thread_team<n>::on_threads(options);
    std::vector<std::vector<float>> data(n, std::vector<float>(100));
    constexpr int absent = 5;
    std::vector<std::thread> threads;
    for (int r = 0; r < n; ++r) {
      if (r == absent) continue;
      threads.emplace_back([&, r] {
        auto& mine = data[static_cast<std::size_t>(r)];
        pf::all_reduce<pf::linked_policies>(team.rank(r), mine.data(), mine.data(), mine.size(),
                                            pf::sum{}, {.policy = chosen});
      });
    }
    for (std::thread& thread : threads) thread.join();
    const pf::team_status status = team.status();
    CAPTURE(status.to_string());
    REQUIRE_FALSE(status);
    CHECK(status.to_string().find("rank 5") != std::string::npos);
  }
}
