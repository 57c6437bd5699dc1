// Tunings as text, and what they answer.
#include <peerfold/policy/tuning.hpp>

#include <support/catch.hpp>

#include <array>
#include <string>
#include <string_view>

namespace pf = peerfold;
using pf::collective;
using pf::tuning;

namespace {

const std::string begin = "peerfold-tuning 1\nmachine NVIDIA H100 80GB HBM3\n";

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(tuning::parse(text, "t"));
  } catch (const pf::error& reason) {
    return reason.what();
  }
  return "taken";
}

}  // namespace

TEST_CASE("a tuning is read in any order of its lines, with comments and blanks") {
  const tuning t = tuning::parse(
      "# of a test\n\npeerfold-tuning 1\r\nmachine  NVIDIA H100 80GB HBM3  # two\n"
      "all_reduce 2 symmetric two_shot/store 4096 6.25\n"
      "\tall_reduce  2 symmetric one_shot/packet 1024 2 # small\n"
      "all_reduce 2 symmetric one_shot/packet 16384 8",
      "t");
  CHECK(t.machine() == "NVIDIA H100 80GB HBM3");
  REQUIRE(t.points().size() == 3);
  const auto time = [&](std::size_t bytes) {
    return t.time_us(collective::all_reduce, 2, true, pf::one_shot_packet, bytes);
  };
  CHECK(time(1024) == 2);
  CHECK(t.time_us(collective::all_reduce, 2, true, pf::two_shot_store, 4096) == 6.25);
  CHECK(time(1) == 2);
  CHECK(*time(4096) == Approx(4));  // a power law: twice for four times as much
  CHECK(time(16384) == 8);
  CHECK(*time(4 * 16384) == Approx(32));
  CHECK_FALSE(t.time_us(collective::all_reduce, 3, true, pf::one_shot_packet, 1024));
  CHECK_FALSE(t.time_us(collective::all_reduce, 2, false, pf::one_shot_packet, 1024));
  CHECK_FALSE(t.time_us(collective::reduce, 2, true, pf::one_shot_packet, 1024));
  CHECK_FALSE(t.time_us(collective::all_reduce, 2, true, pf::two_shot_packet, 1024));
}

TEST_CASE("the fastest is chosen of those that were measured") {
  const tuning t = tuning::parse(begin +
                                     "all_reduce 2 ordinary one_shot/packet 1024 2\n"
                                     "all_reduce 2 ordinary one_shot/packet 1048576 9\n"
                                     "all_reduce 2 ordinary two_shot/store 1024 6\n"
                                     "all_reduce 2 ordinary two_shot/store 1048576 8\n",
                                 "t");
  constexpr std::array all{pf::two_shot_store, pf::two_shot_packet, pf::one_shot_packet};
  constexpr std::array other{pf::two_shot_packet};
  CHECK(t.fastest(collective::all_reduce, 2, false, all, 1024) == pf::one_shot_packet);
  CHECK(t.fastest(collective::all_reduce, 2, false, all, 1 << 20) == pf::two_shot_store);
  CHECK_FALSE(t.fastest(collective::all_reduce, 2, false, other, 1024));
  CHECK_FALSE(t.fastest(collective::all_reduce, 2, true, all, 1024));
}

TEST_CASE("of two lines for one call the later holds") {
  const std::string line = "all_gather 4 symmetric direct/store 4096 ";
  const tuning t = tuning::parse(begin + line + "7\n" + line + "5\n", "t");
  REQUIRE(t.points().size() == 1);
  CHECK(t.points()[0].us == 5);
}

TEST_CASE("what is no tuning is refused with its place") {
  CHECK(refusal("") == "t:1:1: it ends before the machine is named");
  CHECK(refusal("GPU0 GPU1\n") == "t:1:1: a tuning begins with \"peerfold-tuning 1\"");
  CHECK(refusal("peerfold-tuning 2\n") ==
        "t:1:17: a tuning of another version; this reads version 1");
  CHECK(refusal("peerfold-tuning 1 1\n") == "t:1:19: more than belongs into this line");
  CHECK(refusal("peerfold-tuning 1\nmachine\n") == "t:2:8: a machine without a name");
  CHECK(refusal("peerfold-tuning 1\nall_reduce\n") ==
        "t:2:1: \"machine\" and the name of its GPUs come next");
  const auto says = [](const std::string& line, const std::string& what) {
    CAPTURE(line);
    CHECK(refusal(begin + line) == "t:3:" + what);
  };
  says("all_reduced 2 symmetric one_shot/packet 1 1", "1: no collective of that name");
  says("all_reduce 0 symmetric one_shot/packet 1 1", "12: ranks: a whole number from 1 to 72");
  says("all_reduce 73 symmetric one_shot/packet 1 1", "12: ranks: a whole number from 1 to 72");
  says("all_reduce 2 managed one_shot/packet 1 1", "14: memory: symmetric or ordinary");
  says("all_reduce 2 symmetric direct/store 1 1", "24: no policy of this collective");
  says("all_reduce 2 symmetric automatic 1 1", "24: no policy of this collective");
  says("all_reduce 2 symmetric one_shot/packet -1 1", "40: bytes: a positive whole number");
  says("all_reduce 2 symmetric one_shot/packet 0 1", "40: bytes: a positive whole number");
  says("all_reduce 2 symmetric one_shot/packet 1 nan", "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1 1e99", "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1.5 1", "40: bytes: a positive whole number");
  says("all_reduce 2 symmetric one_shot/packet 0x10 1", "40: bytes: a positive whole number");
  says("all_reduce 2 symmetric one_shot/packet 1 0.0001", "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1 1." + std::string(400, '0'),
       "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1 .", "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1 1.2.3", "42: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1", "41: us: a positive number");
  says("all_reduce 2 symmetric one_shot/packet 1 1 1", "44: more than belongs into this line");
}
