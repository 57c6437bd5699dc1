// Built without exceptions: refusals are returned.
#include <peerfold/all_reduce.hpp>

namespace pf = peerfold;

static_assert(PEERFOLD_EXCEPTIONS == 0);

namespace {

int wrong(int line) { return line; }
#define EXPECT(what) \
  if (!(what)) return wrong(__LINE__)

}  // namespace

int main() {
  auto team = pf::thread_team<2>::on_threads();
  EXPECT(team.has_value());
  auto buffer = pf::symmetric_buffer<float, 2>::allocate(*team, 3);
  EXPECT(buffer.has_value());
  for (int r = 0; r < 2; ++r) {
    for (float& x : buffer->span(r)) x = static_cast<float>(r + 1);
  }
  EXPECT(pf::all_reduce(*team, *buffer, pf::sum{}).has_value());
  for (int r = 0; r < 2; ++r) {
    for (const float x : buffer->span(r)) EXPECT(x == 3);
  }
  const auto rank = team->rank(2);
  EXPECT(!rank.has_value() && rank.error().code() == pf::errc::invalid_argument);
  const auto call = pf::all_reduce(*team, *buffer, pf::sum{}, {.channel = 1});
  EXPECT(!call.has_value() && call.error().code() == pf::errc::invalid_argument);
  pf::team_options none;
  none.channels.clear();
  EXPECT(!pf::thread_team<2>::on_threads(none).has_value());
  const auto taken = std::move(*team);
  EXPECT(pf::all_reduce(*team, *buffer, pf::sum{}).error().code() == pf::errc::team_empty);
  return 0;
}
