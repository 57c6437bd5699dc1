#include <peerfold/core/call_signature.hpp>

#include <support/catch.hpp>

#include <cstdint>
#include <set>

namespace pf = peerfold;

TEST_CASE("whatever ranks must agree on changes the digest") {
  const pf::call_signature usual{.count = 1000,
                                 .which = pf::collective::all_reduce,
                                 .element = 1,
                                 .operation = 2,
                                 .finish = 3,
                                 .root = 0,
                                 .share = 64,
                                 .lanes = 128,
                                 .parts = 1,
                                 .blocks = 8,
                                 .algorithm = 1,
                                 .transport = 1};
  std::set<std::uint32_t> digests{pf::digest_of(usual).whole()};
  int calls = 1;
  const auto add = [&](auto change) {
    pf::call_signature other = usual;
    change(other);
    digests.insert(pf::digest_of(other).whole());
    ++calls;
  };
  add([](auto& call) { call.count = 1001; });
  add([](auto& call) { call.count = std::uint64_t{1000} << 32; });
  add([](auto& call) { call.which = pf::collective::reduce; });
  add([](auto& call) { call.element = 9; });
  add([](auto& call) { call.operation = 9; });
  add([](auto& call) { call.finish = 9; });
  add([](auto& call) { call.root = 1; });
  add([](auto& call) { call.share = 128; });
  add([](auto& call) { call.lanes = 256; });
  add([](auto& call) { call.parts = 2; });
  add([](auto& call) { call.blocks = 4; });
  add([](auto& call) { call.algorithm = 2; });
  add([](auto& call) { call.transport = 2; });
  CHECK(static_cast<int>(digests.size()) == calls);
  CHECK(pf::digest_of(usual).low < 0x10000u);
  CHECK(pf::digest_of(usual).high < 0x10000u);
}
