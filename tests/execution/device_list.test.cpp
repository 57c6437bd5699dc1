#include <support/catch.hpp>

#include <peerfold/execution/device_list.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pf = peerfold;
namespace execution = peerfold::execution;

namespace {

/// A machine that is made up: `processors[d]` multiprocessors on device d, and links that are cut.
class fake_machine final : public execution::device_layer {
 public:
  explicit fake_machine(std::vector<int> processors) : processors_{std::move(processors)} {}
  void cut(int from, int to) { cut_.emplace(from, to); }

  [[nodiscard]] int count() const override { return static_cast<int>(processors_.size()); }
  [[nodiscard]] bool reaches(int device, int peer) const override {
    CHECK(device != peer);
    return cut_.count({device, peer}) == 0;
  }
  [[nodiscard]] int multiprocessors(int device) const override {
    return processors_.at(static_cast<std::size_t>(device));
  }

 private:
  std::vector<int> processors_;
  std::set<std::pair<int, int>> cut_;
};

void check_refused(const pf::error& reason, pf::errc code, const std::vector<std::string>& said) {
  CHECK(reason.code() == code);
  for (const std::string& part : said) CHECK_THAT(reason.what(), Catch::Contains(part));
}

std::vector<pf::channel_options> channels_of(const std::vector<int>& blocks) {
  std::vector<pf::channel_options> channels;
  for (const int count : blocks) channels.push_back({count});
  return channels;
}

/// The blocks that channels get, or none if they are refused.
std::vector<int> divided(const std::vector<int>& devices, const fake_machine& machine,
                         const std::vector<int>& wanted) {
  std::vector<int> blocks{-1};
  if (execution::divide_blocks(devices, machine, channels_of(wanted), blocks)) return {};
  return blocks;
}

}  // namespace

TEST_CASE("devices that are there and reach each other are fine") {
  const fake_machine machine{{132, 132, 132, 132}};
  CHECK(!execution::check_devices({0, 1, 2, 3}, machine));
  CHECK(!execution::check_devices({3, 1}, machine));
  CHECK(!execution::check_devices({2}, machine));
  CHECK(!execution::check_devices({0, 0, 0, 1, 1, 1}, machine));
}

TEST_CASE("a device that is not there is refused") {
  const fake_machine machine{{132, 132}};
  check_refused(execution::check_devices({0, 1, 2}, machine), pf::errc::no_device,
                {"devices[2]", "device 2", "0 to 1"});
  check_refused(execution::check_devices({-1, 0}, machine), pf::errc::no_device,
                {"devices[0]", "device -1"});
}

TEST_CASE("on a machine without GPUs the message points to threads") {
  const fake_machine machine{{}};
  check_refused(execution::check_devices({0}, machine), pf::errc::no_device,
                {"devices[0]", "no GPU", "threads"});
}

TEST_CASE("GPUs that cannot reach each other are refused, in whichever direction") {
  for (const bool forward : {true, false}) {
    fake_machine machine{{132, 132, 132}};
    machine.cut(forward ? 1 : 2, forward ? 2 : 1);
    CHECK(!execution::check_devices({0, 1, 0, 1}, machine));
    const auto reason = execution::check_devices({0, 1, 2}, machine);
    check_refused(reason, pf::errc::no_peer_access,
                  {forward ? "devices[1]" : "devices[2]", "device 1", "device 2", "cannot reach",
                   "choose devices"});
  }
}

TEST_CASE("the fullest device counts") {
  CHECK(execution::most_ranks_on_a_device({0, 1, 2}) == 1);
  CHECK(execution::most_ranks_on_a_device({0, 1, 1, 0, 1}) == 3);
}

TEST_CASE("blocks of all channels and ranks of a device fit on it together") {
  const fake_machine machine{{132, 132, 80}};
  CHECK(divided({0, 1}, machine, {0}) == std::vector<int>{132});
  CHECK(divided({0, 1, 2}, machine, {0}) == std::vector<int>{80});  // the smallest device
  CHECK(divided({0, 0, 0, 0}, machine, {0}) == std::vector<int>{33});
  CHECK(divided({0, 0, 1}, machine, {0, 0}) == std::vector<int>{33, 33});
  CHECK(divided({0, 1}, machine, {32, 0, 0}) == std::vector<int>{32, 50, 50});
  CHECK(divided({0, 1}, machine, {100, 32}) == std::vector<int>{100, 32});
}

TEST_CASE("more blocks than fit are refused") {
  const fake_machine machine{{132, 132}};
  const auto refused = [&](const std::vector<int>& devices, const std::vector<int>& wanted,
                           const std::vector<std::string>& said) {
    std::vector<int> blocks;
    check_refused(execution::divide_blocks(devices, machine, channels_of(wanted), blocks),
                  pf::errc::out_of_resources, said);
  };
  refused({0, 1}, {133}, {"channels", "133", "132"});
  refused({0, 1}, {100, 33}, {"channels", "133", "132"});
  refused({0, 1}, {132, 0}, {"channels", "133", "132"});
  refused({0, 0}, {67}, {"channels", "66"});
  refused({0, 1}, {2'000'000'000, 2'000'000'000}, {"channels", "132"});  // no overflow
  refused({0, 0, 0, 0, 0, 0, 0, 0}, std::vector<int>(17, 0), {"channels", "17", "16"});
}

TEST_CASE("fewer than no blocks are refused") {
  const fake_machine machine{{132}};
  std::vector<int> blocks;
  check_refused(execution::divide_blocks({0}, machine, channels_of({4, -1}), blocks),
                pf::errc::invalid_argument, {"channels[1].blocks", "-1", "0"});
}

TEST_CASE("ranks that others pass messages on between need not reach each other") {
  fake_machine machine{{132, 132, 132}};
  machine.cut(0, 2);
  machine.cut(2, 0);
  pf::link_routes links = pf::link_routes::straight(3);
  check_refused(execution::check_devices({0, 1, 2}, machine, links), pf::errc::no_peer_access,
                {"devices[0]", "device 2", "options.links"});
  links.via[0][2] = links.via[2][0] = 1;
  CHECK(!execution::check_devices({0, 1, 2}, machine, links));

  const execution::ranks_apart apart({0, 1, 2}, machine);
  CHECK(apart.any());
  CHECK(apart.has(0, 2));
  CHECK(apart.has(2, 0));
  CHECK_FALSE(apart.has(0, 1));
  const auto call = [](pf::collective which, const pf::policy& p) {
    pf::call_signature signature;
    signature.which = which;
    signature.algorithm = static_cast<std::uint8_t>(p.algorithm);
    signature.transport = static_cast<std::uint8_t>(p.transport);
    return signature;
  };
  using enum pf::collective;
  CHECK(!apart.check(call(all_reduce, pf::two_shot_relayed_store), links));
  CHECK(!apart.check(call(reduce, pf::tree_store), links));
  CHECK(!apart.check(call(broadcast, pf::chain_store), links));
  check_refused(apart.check(call(all_reduce, pf::two_shot_store), links), pf::errc::no_peer_access,
                {"all_reduce by two_shot/store", "rank 0 cannot reach rank 2", "linked_policies"});
  check_refused(apart.check(call(reduce, pf::chain_store), links), pf::errc::no_peer_access,
                {"reduce"});
  // Three in a row have no ring; and orders may be such that trees and chains leave the links.
  check_refused(apart.check(call(all_reduce, pf::ring_packet), links), pf::errc::no_peer_access,
                {"ring/packet", "rank 0 cannot reach rank 2"});
  pf::link_routes other = links;
  other.ring[0] = 1;
  other.ring[1] = 0;
  other.tree[0] = 1;
  other.tree[1] = 0;
  check_refused(apart.check(call(broadcast, pf::chain_store), other), pf::errc::no_peer_access,
                {"broadcast by chain/store"});
  check_refused(apart.check(call(reduce, pf::tree_store), other), pf::errc::no_peer_access,
                {"reduce by tree/store"});
  CHECK(!execution::ranks_apart({0, 1}, machine).check(call(all_reduce, pf::two_shot_store), {}));
  CHECK_FALSE(execution::ranks_apart({0, 0}, machine).any());
}
