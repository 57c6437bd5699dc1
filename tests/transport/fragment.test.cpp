#include "support/catch.hpp"

#include <peerfold/algorithm/elements.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/transport/fragment.hpp>
#include <peerfold/transport/tile.hpp>

#include <rapidcheck/catch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pf = peerfold;
using pf::transport::tile;

namespace {

/// A lane that stands alone: fragments need no barrier.
struct lone_lane {
  int at;
  int of;
  int lane() const noexcept { return at; }
  int width() const noexcept { return of; }
};

using value = std::uint16_t;
using pack = pf::arch::pack<value, 8>;
using fragment = pf::transport::fragment<pack, 5>;

/// A group's width and a tile that its lanes' fragments can hold; tiles begin on a pack.
struct shape {
  int width;
  tile x;
};
shape any_shape() {
  const int width = *rc::gen::inRange(1, 40);
  const auto capacity = static_cast<std::uint32_t>(width * fragment::packs * pack::size);
  const auto begin = *rc::gen::inRange<std::size_t>(0, 100) * pack::size;
  return {width, {begin, *rc::gen::inRange(0u, capacity + 1)}};
}

/// Visits every lane of a group of that width.
template <class Visit>
void for_each_lane(int width, Visit visit) {
  for (int lane = 0; lane < width; ++lane) visit(lone_lane{lane, width});
}

/// A store functor that counts what it gets of every element, one by one.
struct counting_store {
  std::vector<int>* times;
  std::vector<value>* values;
  void operator()(std::size_t i, value v) const {
    ++times->at(i);
    values->at(i) = v;
  }
};

/// Likewise, but it takes packs too, if its memory is aligned.
struct counting_pack_store : counting_store {
  bool is_aligned = true;
  std::size_t* packs = nullptr;  ///< how many came whole
  template <class Pack>
  bool aligned() const {
    return is_aligned;
  }
  template <class Pack>
  void store_pack(std::size_t i, const Pack& p) const {
    if (!is_aligned || i % Pack::size != 0) throw "a pack that is not aligned";
    ++*packs;
    for (std::uint32_t e = 0; e < Pack::size; ++e) (*this)(i + e, p.get(e));
  }
};
static_assert(!pf::transport::stores_packs<counting_store, pack>);
static_assert(pf::transport::stores_packs<counting_pack_store, pack>);
static_assert(pf::transport::stores_packs<pf::store_to<value>, pack>);
static_assert(pf::transport::loads_packs<pf::load_from<value>, pack>);

/// A load functor of the same kinds.
struct numbered_load {
  value operator()(std::size_t i) const { return static_cast<value>(3 * i + 1); }
};
struct numbered_pack_load : numbered_load {
  std::size_t end;  // packs must not reach past it
  bool is_aligned = true;
  std::size_t* packs = nullptr;  ///< how many were asked for whole

  template <class Pack>
  struct packs_from {
    const numbered_pack_load& of;
    std::size_t begin;
    bool aligned() const { return of.is_aligned; }
    Pack load(std::size_t offset) const {
      const std::size_t i = begin + offset;
      if (!of.is_aligned || i % Pack::size != 0 || i + Pack::size > of.end) {
        throw "a pack out of place";
      }
      if (of.packs != nullptr) ++*of.packs;
      Pack p;
      for (std::uint32_t e = 0; e < Pack::size; ++e) p.set(e, of(i + e));
      return p;
    }
  };
  template <class Pack>
  packs_from<Pack> packs_at(std::size_t i) const {
    return {*this, i};
  }
};

/// Loads and stores every lane's fragment, and says whether each element came exactly once.
template <class Load, class Store>
void passes_every_element_once(const shape& s, const Load& load, Store store = {}) {
  std::vector<int> times(s.x.begin + s.x.count + 64);
  std::vector<value> values(times.size());
  store.times = &times;
  store.values = &values;
  for_each_lane(s.width, [&](const lone_lane& lane) {
    const auto held = pf::transport::load_fragment<fragment>(lane, s.x, load);
    pf::transport::store_fragment(lane, s.x, held,
                                  pf::transport::destination_of<pack>(lane, s.x, store));
  });
  for (std::size_t i = 0; i < times.size(); ++i) {
    const bool within = i >= s.x.begin && i < s.x.begin + s.x.count;
    RC_ASSERT(times[i] == (within ? 1 : 0));
    if (within) RC_ASSERT(values[i] == numbered_load{}(i));
  }
}

}  // namespace

TEST_CASE("the lanes of a group hold every pack of a tile once, in their order") {
  rc::prop("any width, any count", [] {
    const shape s = any_shape();
    const std::uint32_t packs = pf::transport::packs_of(s.x, pack::size);
    RC_ASSERT(packs * pack::size >= s.x.count);
    RC_ASSERT(packs == 1 || (packs - 1) * pack::size < s.x.count);
    std::vector<int> times(packs);
    for_each_lane(s.width, [&](const lone_lane& lane) {
      std::uint32_t next = 0;
      pf::transport::for_each_pack<fragment::packs>(lane, packs, [&](auto u, std::uint32_t i) {
        RC_ASSERT(static_cast<std::uint32_t>(u) == next++);
        RC_ASSERT(i == static_cast<std::uint32_t>(static_cast<int>(u) * s.width + lane.at));
        ++times.at(i);
      });
    });
    RC_ASSERT(std::all_of(times.begin(), times.end(), [](int n) { return n == 1; }));
  });
}

TEST_CASE("an empty tile has one pack, so that there is something to wait for") {
  CHECK(pf::transport::packs_of({5, 0}, 4) == 1);
  CHECK(pf::transport::packs_of({5, 1}, 4) == 1);
  CHECK(pf::transport::packs_of({5, 4}, 4) == 1);
  CHECK(pf::transport::packs_of({5, 5}, 4) == 2);
}

TEST_CASE("every element of a tile passes a fragment exactly once") {
  rc::prop("one by one",
           [] { passes_every_element_once<numbered_load, counting_store>(any_shape(), {}); });
  rc::prop("by packs, on both sides or one", [] {
    const shape s = any_shape();
    numbered_pack_load by_packs{{}, s.x.begin + s.x.count};
    by_packs.is_aligned = *rc::gen::arbitrary<bool>();
    counting_pack_store takes_packs;
    takes_packs.is_aligned = *rc::gen::arbitrary<bool>();
    std::size_t asked = 0;
    std::size_t taken = 0;
    by_packs.packs = &asked;
    takes_packs.packs = &taken;
    passes_every_element_once<numbered_pack_load, counting_pack_store>(s, by_packs, takes_packs);
    RC_ASSERT(asked == (by_packs.is_aligned ? s.x.count / pack::size : 0));
    RC_ASSERT(taken == (takes_packs.is_aligned ? s.x.count / pack::size : 0));
    passes_every_element_once<numbered_load, counting_pack_store>(s, {}, takes_packs);
    passes_every_element_once<numbered_pack_load, counting_store>(s, by_packs);
  });
}

TEST_CASE("past the end of a tile a fragment holds zeros") {
  rc::prop("in every pack that is sent", [] {
    const shape s = any_shape();
    const std::uint32_t packs = pf::transport::packs_of(s.x, pack::size);
    const auto check = [&](const auto& load) {
      for_each_lane(s.width, [&](const lone_lane& lane) {
        const auto held = pf::transport::load_fragment<fragment>(lane, s.x, load);
        pf::transport::for_each_pack<fragment::packs>(lane, packs, [&](auto u, std::uint32_t i) {
          for (std::uint32_t e = 0; e < pack::size; ++e) {
            const std::uint32_t at = i * pack::size + e;
            RC_ASSERT(held.at[u].get(e) == (at < s.x.count ? load(s.x.begin + at) : value{0}));
          }
        });
      });
    };
    check(numbered_load{});
    check(numbered_pack_load{{}, s.x.begin + s.x.count});
  });
}

TEST_CASE("memory is loaded and stored whatever its alignment, and nothing beside it") {
  rc::prop("any start, any count", [] {
    const shape s = any_shape();
    const auto skew = *rc::gen::inRange<std::size_t>(0, 8);
    const std::size_t end = skew + s.x.begin + s.x.count;
    std::vector<value> from(end + 16);
    std::vector<value> to(end + 16, value{0xeeee});
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<value>(i + 1);
    for_each_lane(s.width, [&](const lone_lane& lane) {
      const auto held = pf::transport::load_fragment<fragment>(
          lane, s.x, pf::load_from<value>{from.data() + skew});
      const pf::store_to<value> store{to.data() + skew};
      pf::transport::store_fragment(lane, s.x, held,
                                    pf::transport::destination_of<pack>(lane, s.x, store));
    });
    for (std::size_t i = 0; i < to.size(); ++i) {
      const bool within = i >= skew + s.x.begin && i < end;
      RC_ASSERT(to[i] == (within ? from[i] : value{0xeeee}));
    }
  });
}
