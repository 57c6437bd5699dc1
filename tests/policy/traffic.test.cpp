// Bytes of collectives between ranks and over the edges of nodes, beside hand calculations.
#include <peerfold/policy/traffic.hpp>
#include <peerfold/topology/presets.hpp>
#include <peerfold/topology/routes.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace pf = peerfold;
namespace topology = peerfold::topology;

namespace {

constexpr double mb = 1e6;

std::vector<int> first(int count) {
  std::vector<int> gpus(static_cast<std::size_t>(count));
  std::iota(gpus.begin(), gpus.end(), 0);
  return gpus;
}

/// What a call sends over the edges of a preset, a rank a GPU.
struct on_node {
  topology::graph node;
  topology::edge_map map;
  std::vector<double> bytes;

  on_node(std::string_view preset, pf::call_shape call, const pf::policy& p)
      : node{topology::find_preset(preset)->make()}, map{node} {
    call.gpus = first(node.size());
    bytes = bytes_over(map, call.gpus, traffic_of(call, p));
  }

  [[nodiscard]] double over(std::string_view from, std::string_view to) const {
    const int e = map.find(from, to);
    return e < 0 ? 0 : bytes[static_cast<std::size_t>(e)];
  }
};

template <pf::collective Which, pf::policy P, int N>
void check_traits() {
  if constexpr (pf::has_policy(Which, P)) {
    using traits = pf::policy_traits<Which, P, N>;
    double sent = 0;
    double received = 0;
    for (int root = 0; root < (pf::is_rooted(Which) ? N : 1); ++root) {
      const pf::traffic t = traffic_of({Which, 8 * mb, first(N), root}, P);
      for (int r = 0; r < N; ++r) {
        double in = 0;
        for (int q = 0; q < N; ++q) in += t.at(q, r);
        sent = std::max(sent, t.sent_by(r));
        received = std::max(received, in);
      }
    }
    CAPTURE(pf::to_string(Which), std::string(pf::to_string(P)), N);
    CHECK(sent == Approx(traits::bytes_sent(8'000'000)));
    CHECK(received == Approx(traits::parts_received.value() * traits::expansion * 8 * mb));
    CHECK(pf::steps_of(Which, P, N) == traits::steps);
  }
}

template <pf::collective Which, int N>
void check_policies() {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (check_traits<Which, pf::known_policies[I], N>(), ...);
  }(std::make_index_sequence<pf::known_policies.size()>{});
}

template <int N>
void check_collectives() {
  using enum pf::collective;
  check_policies<all_reduce, N>();
  check_policies<reduce_scatter, N>();
  check_policies<all_gather, N>();
  check_policies<broadcast, N>();
  check_policies<reduce, N>();
  check_policies<all_to_all, N>();
  check_policies<gather, N>();
  check_policies<scatter, N>();
  check_policies<send_recv, N>();
  check_policies<inclusive_scan, N>();
}

}  // namespace

TEST_CASE("what the busiest rank sends and receives is what policies say of themselves") {
  check_collectives<2>();
  check_collectives<5>();
  check_collectives<8>();
}

TEST_CASE("PCIe of one socket: two-shot all-reduce of 4 MB among 4") {
  const on_node t("pcie-1", {pf::collective::all_reduce, 4 * mb, {}}, pf::two_shot_store);
  // Shares of 1 MB: each rank sends three of them, then its result to three.
  CHECK(t.over("GPU 0", "PCIe bridge 0") == 6 * mb);
  CHECK(t.over("PCIe bridge 0", "host bridge socket 0") == 6 * mb);
  CHECK(t.over("host bridge socket 0", "PCIe bridge 3") == 6 * mb);
  CHECK(t.over("PCIe bridge 3", "GPU 3") == 6 * mb);
}

TEST_CASE("PCIe of two sockets: what crosses between them") {
  const auto crossing = [](const pf::policy& p) {
    const on_node t("pcie-2", {pf::collective::all_reduce, 8 * mb, {}}, p);
    CHECK(t.over("NUMA node 0", "NUMA node 1") == t.over("NUMA node 1", "NUMA node 0"));
    return t.over("NUMA node 0", "NUMA node 1");
  };
  // Four ranks send four others a message of 8 MB, or twice a share of 1 MB; packets twice that;
  // along a chain one sends one the message.
  CHECK(crossing(pf::one_shot_store) == 4 * 4 * 8 * mb);
  CHECK(crossing(pf::two_shot_store) == 4 * 4 * 2 * mb);
  CHECK(crossing(pf::two_shot_packet) == 4 * 4 * 4 * mb);
  CHECK(crossing(pf::chain_store) == 8 * mb);
  const on_node t("pcie-2", {pf::collective::all_reduce, 8 * mb, {}}, pf::two_shot_store);
  CHECK(t.over("GPU 5", "PCIe bridge 5") == 7 * 2 * mb);
}

TEST_CASE("bridged pairs: NVLinks within a pair, PCIe between them") {
  const on_node t("nvlink-bridges", {pf::collective::all_reduce, 4 * mb, {}}, pf::two_shot_store);
  CHECK(t.over("GPU 0", "GPU 1") == 2 * mb);
  CHECK(t.over("GPU 0", "PCIe bridge 0") == 4 * mb);
  CHECK(t.over("NUMA node 0", "NUMA node 1") == 8 * mb);
  const on_node chain("nvlink-bridges", {pf::collective::all_reduce, 4 * mb, {}}, pf::chain_store);
  CHECK(chain.over("GPU 0", "GPU 1") == 4 * mb);
  CHECK(chain.over("GPU 1", "PCIe bridge 1") == 4 * mb);
  CHECK(chain.over("GPU 0", "PCIe bridge 0") == 0);
}

TEST_CASE("the cube mesh: relays that are the senders' twins in the other quad") {
  pf::call_shape call{pf::collective::all_reduce, 8 * mb, {}};
  call.routes = pf::link_routes::straight(8);
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      const int twin = (i + 4) % 8;
      if (i / 4 != j / 4 && j != twin) call.routes.via[i][j] = static_cast<std::uint8_t>(twin);
    }
  }
  const on_node t("dgx-1v", call, pf::two_shot_relayed_store);
  // Shares of 1 MB. To its twin a rank sends the twin's share, those for the three behind it, and
  // its own result; to each rank of its quad that rank's share and its own result, and what its
  // twin has for that rank: a share, and a result.
  CHECK(t.over("GPU 0", "GPU 4") == 5 * mb);
  CHECK(t.over("GPU 6", "GPU 2") == 5 * mb);
  CHECK(t.over("GPU 0", "GPU 1") == 4 * mb);
  CHECK(t.over("GPU 7", "GPU 6") == 4 * mb);
  double all = 0;
  for (std::size_t e = 0; e < t.bytes.size(); ++e) {
    if (t.map.edges()[e].kind != topology::edge_kind::nvlink) CHECK(t.bytes[e] == 0);
    all += t.bytes[e];
  }
  CHECK(all == 8 * (5 + 3 * 4) * mb);
}

TEST_CASE("the cube mesh: a ring of double links, and a tree of links") {
  const auto node = topology::find_preset("dgx-1v")->make();
  pf::call_shape call{pf::collective::all_reduce, 8 * mb, {}};
  call.routes = topology::plan_routes(node, first(8));
  const on_node ring("dgx-1v", call, pf::ring_store);
  // 0 3 2 1 5 6 7 4: both ways 7/8 of the message, and nothing over single links.
  CHECK(ring.over("GPU 0", "GPU 3") == 7 * mb);
  CHECK(ring.over("GPU 3", "GPU 0") == 7 * mb);
  CHECK(ring.over("GPU 5", "GPU 1") == 7 * mb);
  CHECK(ring.over("GPU 0", "GPU 1") == 0);
  CHECK(std::accumulate(ring.bytes.begin(), ring.bytes.end(), 0.0) == 16 * 7 * mb);
  const on_node tree("dgx-1v", call, pf::tree_store);
  for (std::size_t e = 0; e < tree.bytes.size(); ++e) {
    const bool is_link = tree.map.edges()[e].kind == topology::edge_kind::nvlink;
    CHECK((tree.bytes[e] == 0 || (is_link && tree.bytes[e] == 8 * mb)));
  }
  CHECK(std::accumulate(tree.bytes.begin(), tree.bytes.end(), 0.0) == 14 * 8 * mb);
  // A chain that folds keeps the order of the ranks, and so leaves the links between 3 and 4.
  const on_node chain("dgx-1v", call, pf::chain_store);
  CHECK(chain.over("NUMA node 0", "NUMA node 1") == 8 * mb);
}

TEST_CASE("ranks of one GPU use no edge") {
  const topology::graph g = topology::find_preset("hgx-h100")->make();
  const topology::edge_map map(g);
  const std::vector<int> gpus{0, 0, 1, 1};
  const auto bytes =
      bytes_over(map, gpus, traffic_of({pf::collective::all_gather, mb, gpus}, pf::one_shot_store));
  CHECK(bytes[static_cast<std::size_t>(map.find("GPU 0", "NVSwitches"))] == 4 * mb);
  CHECK(bytes[static_cast<std::size_t>(map.find("NVSwitches", "GPU 0"))] == 4 * mb);
  CHECK(std::accumulate(bytes.begin(), bytes.end(), 0.0) == 16 * mb);
}
