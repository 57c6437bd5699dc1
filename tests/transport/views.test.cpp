// What travels to kernels by value is trivially copyable: checked at compile time. (What a launch
// copies as a whole is checked where it is launched.)
#include "support/catch.hpp"

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/execution/thread_group.hpp>
#include <peerfold/memory/peer_span.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/fault.hpp>
#include <peerfold/transport/tile.hpp>

#include <type_traits>

namespace pf = peerfold;

namespace {

template <class... T>
constexpr bool travels = ((std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> &&
                           std::is_copy_constructible_v<T>)&&...);

template <int N>
constexpr bool views_travel =
    travels<pf::sync::channel_view<N>, pf::sync::rank_view<N>, pf::sync::channel_layout<N>,
            pf::peer_span<float, N>, pf::peer_span<double, N>, pf::store_to_symmetric<float, N>,
            pf::divide_by_ranks<float, N>>;

static_assert(views_travel<1> && views_travel<2> && views_travel<8>);
static_assert(
    travels<pf::sync::channel_shape, pf::transport::tile, pf::transport::tiling,
            pf::load_from<float>, pf::store_to<float>, pf::sum, pf::prod, pf::min, pf::max, pf::avg,
            pf::round_to<float>, pf::execution::thread_group, pf::fault_report>);

// Views of different element types or rank counts have nothing to do with each other.
static_assert(!std::is_convertible_v<pf::peer_span<float, 2>, pf::peer_span<float, 4>>);
static_assert(!std::is_convertible_v<pf::peer_span<float, 2>, pf::peer_span<int, 2>>);

}  // namespace

TEST_CASE("a span of every rank's memory and its parts") {
  int memory[2][10] = {};
  int* const data[2] = {memory[0], memory[1]};
  const pf::peer_span<int, 2> whole{data, 10};
  const auto part = whole.subspan(3, 4);
  CHECK(part.size() == 4);
  CHECK(part.data(0) == memory[0] + 3);
  CHECK(part.data(1) == memory[1] + 3);
  CHECK(pf::peer_span<int, 2>{}.size() == 0);
}
