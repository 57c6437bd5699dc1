// The cost model and the selector of a node.
#include <peerfold/policy/node_selector.hpp>
#include <peerfold/topology/presets.hpp>
#include <peerfold/topology/routes.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pf = peerfold;
namespace topology = peerfold::topology;
using pf::collective;

namespace {

pf::cost_model model_of(std::string_view preset) {
  return pf::cost_model{topology::find_preset(preset)->make()};
}

pf::policy_request request(const pf::cost_model& model, int ranks, double bytes,
                           collective which = collective::all_reduce) {
  pf::policy_request asked;
  asked.call.which = which;
  asked.call.part_bytes = bytes;
  asked.call.gpus.resize(static_cast<std::size_t>(ranks));
  std::iota(asked.call.gpus.begin(), asked.call.gpus.end(), 0);
  asked.call.routes = topology::plan_routes(model.node(), asked.call.gpus);
  return asked;
}

const pf::policy_candidate& candidate(const pf::policy_choice& choice, const pf::policy& p) {
  const auto found = std::ranges::find(choice.candidates, p, &pf::policy_candidate::of);
  REQUIRE(found != choice.candidates.end());
  return *found;
}

}  // namespace

TEST_CASE("predicted times grow with bytes and ranks, and are more over slower edges") {
  const pf::cost_model hopper = model_of("hgx-h100");
  const pf::cost_model pcie = model_of("pcie-1");
  for (const pf::policy& p : pf::known_policies) {
    const auto* const k = pf::constants_of(p, false);
    if (k == nullptr || !has_policy(collective::all_reduce, p)) continue;
    CAPTURE(std::string(pf::to_string(p)));
    double last = 0;
    for (double bytes = 1024; bytes < 1e9; bytes *= 2) {
      const auto us = [&](const pf::cost_model& m, int ranks) {
        return m.predict(request(m, ranks, bytes).call, p, *k).us();
      };
      CHECK(us(hopper, 2) > last);
      last = us(hopper, 2);
      CHECK(us(hopper, 4) > us(hopper, 2));
      CHECK(us(pcie, 4) > us(hopper, 4));
    }
  }
}

TEST_CASE("a large two-shot takes what its bytes take at the rate of stores") {
  const pf::cost_model model = model_of("hgx-h200");
  const auto* const k = pf::constants_of(pf::two_shot_store, true);
  const auto cost = model.predict(request(model, 8, 1e9).call, pf::two_shot_store, *k, {true, 0});
  // Two times 7/8 of the message over a GPU's 18 links, of which stores reach 365 GB/s.
  CHECK(cost.us() == Approx(2 * 7.0 / 8 * 1e9 / 365e3).epsilon(0.01));
  REQUIRE(cost.busiest >= 0);
  CHECK(cost.busiest_bytes == Approx(1.75e9));
  // Four blocks send less.
  const auto few = model.predict(request(model, 8, 1e9).call, pf::two_shot_store, *k, {true, 4});
  CHECK(few.us() > 2 * cost.us());
  CHECK(few.busiest == pf::cost::blocks);
}

TEST_CASE("without a graph an all-reduce is predicted as on GPUs of Hopper behind switches") {
  const pf::cost_model model = model_of("hgx-h100");
  for (const auto& [ranks, sharing] :
       {std::pair{3, 1}, std::pair{8, 1}, std::pair{8, 4}, std::pair{6, 2}}) {
    for (const pf::policy& p : {pf::one_shot_packet, pf::one_shot_sentinel, pf::two_shot_packet,
                                pf::two_shot_sentinel, pf::two_shot_store}) {
      for (double bytes = 1024; bytes < 1e9; bytes *= 3.5) {
        auto asked = request(model, ranks, bytes);
        for (int r = 0; r < ranks; ++r) asked.call.gpus[static_cast<std::size_t>(r)] = r / sharing;
        CAPTURE(ranks, sharing, std::string(pf::to_string(p)), bytes);
        const auto& k = *pf::constants_of(p, true);
        CHECK(pf::all_reduce_us(k, ranks, sharing, bytes) ==
              Approx(model.predict(asked.call, p, k).us()).epsilon(0.01));
      }
    }
  }
}

TEST_CASE("two GPUs of Hopper are chosen for by the table that was measured on such") {
  const pf::cost_model model = model_of("hgx-h100");
  for (std::size_t bytes = 1024; bytes <= std::size_t{256} << 20; bytes *= 2) {
    const auto choice = select_policy(model, request(model, 2, static_cast<double>(bytes)));
    CHECK(choice.chosen == pf::select_all_reduce(2, bytes, true));
    CHECK(choice.reason.find("table") != std::string::npos);
    CHECK(choice.candidates.front().of == choice.chosen);
  }
}

TEST_CASE("small messages take one step, large ones what moves least") {
  const pf::cost_model model = model_of("hgx-h100");
  CHECK(select_policy(model, request(model, 8, 1024)).chosen == pf::one_shot_packet);
  CHECK(select_policy(model, request(model, 8, 1e9)).chosen == pf::two_shot_store);
  auto integers = request(model, 8, 64 * 1024);
  integers.sentinel = false;
  for (const auto& c : select_policy(model, integers).candidates) {
    if (c.of.transport == pf::transport_id::sentinel) CHECK_FALSE(c.objection.empty());
  }
}

TEST_CASE("over the cube mesh nothing is chosen that sends over PCIe") {
  const pf::cost_model model = model_of("dgx-1v");
  for (double bytes = 1024; bytes < 1e9; bytes *= 8) {
    for (const bool reproducible : {true, false}) {
      auto asked = request(model, 8, bytes);
      asked.reproducible = reproducible;
      const auto choice = select_policy(model, asked);
      CAPTURE(bytes, reproducible, std::string(pf::to_string(choice.chosen)), choice.reason);
      REQUIRE_FALSE(choice.chosen == pf::automatic);
      const auto sent =
          bytes_over(model.edges(), asked.call.gpus, traffic_of(asked.call, choice.chosen));
      for (std::size_t e = 0; e < sent.size(); ++e) {
        if (model.edges().edges()[e].kind != topology::edge_kind::nvlink) CHECK(sent[e] == 0);
      }
      const auto& straight = candidate(choice, pf::two_shot_store);
      CHECK(straight.objection == "GPU 0 sends GPU 5 over PCIe what NVLinks can carry");
    }
  }
}

TEST_CASE("messages without elements keep to links, too; one rank sends nothing") {
  const pf::cost_model model = model_of("dgx-1v");
  CHECK(select_policy(model, request(model, 8, 0)).chosen == pf::two_shot_relayed_store);
  CHECK(select_policy(model, request(model, 8, 0, collective::barrier)).chosen == pf::automatic);
  CHECK(select_policy(model, request(model, 1, 1e6)).chosen.algorithm ==
        pf::algorithm_id::one_shot);
  CHECK(select_policy(model, {}).chosen == pf::automatic);
}

TEST_CASE("islands of NVLinks: PCIe carries what they cannot") {
  const pf::cost_model model = model_of("nvlink-bridges");
  const auto choice = select_policy(model, request(model, 4, 1e6));
  CHECK_FALSE(choice.chosen == pf::automatic);
  // Within an island there are NVLinks.
  const auto pair = select_policy(model, request(model, 2, 1e6));
  for (const auto& c : pair.candidates) CHECK(c.objection.find("PCIe") == std::string::npos);
}

TEST_CASE("what was measured goes before tables and predictions") {
  const pf::cost_model model = model_of("hgx-h100");
  const pf::tuning measured = pf::tuning::parse(
      "peerfold-tuning 1\nmachine x\n"
      "all_reduce 2 ordinary two_shot/packet 1024 1.5\n"
      "all_reduce 2 ordinary one_shot/packet 1024 1.75\n",
      "t");
  const auto choice = select_policy(model, request(model, 2, 1024), &measured);
  CHECK(choice.chosen == pf::two_shot_packet);
  CHECK(choice.reason == "the fastest as measured here: 1.50 us, one_shot/packet 1.75 us");
  CHECK(candidate(choice, pf::one_shot_packet).measured_us == 1.75);
  CHECK_FALSE(candidate(choice, pf::two_shot_store).measured_us.has_value());
  // Of other calls it says nothing.
  CHECK(select_policy(model, request(model, 4, 1024), &measured).chosen == pf::one_shot_packet);
}

TEST_CASE("what the caller does not allow is not chosen") {
  const pf::cost_model model = model_of("hgx-h100");
  const auto asked = request(model, 4, 64e6, collective::all_gather);
  CHECK(candidate(select_policy(model, asked), pf::direct_store).objection ==
        "outputs must be in symmetric memory");
  auto symmetric = asked;
  symmetric.limits.symmetric = true;
  CHECK(select_policy(model, symmetric).chosen == pf::direct_store);
}

TEST_CASE("more ranks than are counted at compile time take what such kernels have") {
  const pf::cost_model model = model_of("nvl72");
  for (const double bytes : {1024.0, 1e6, 1e9}) {
    const auto choice = select_policy(model, request(model, 72, bytes));
    REQUIRE_FALSE(choice.chosen == pf::automatic);
    for (const auto& c : choice.candidates) {
      CHECK_FALSE(pf::runs_along_tree(c.of));
      CHECK_FALSE(c.of.transport == pf::transport_id::sentinel);
    }
  }
}
