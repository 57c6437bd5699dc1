/// \file
/// The element work of transports whose fragments are packs in the lanes' hands.
#pragma once

#include <peerfold/arch/packed_sum.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/transport/fragment.hpp>

namespace peerfold::transport {

namespace detail {

/// Whether a fold of two ranks is a packed sum.
template <class T, class Op, class Finish, class Range>
inline constexpr bool is_packed_sum = false;
template <class T>
inline constexpr bool is_packed_sum<T, sum, round_to<T>, every_rank> = arch::has_packed_sum<T>;

/// Room for a trivially copyable value, which may have no default constructor.
template <class T>
union room_for {
  char none;
  T value;

  PEERFOLD_HD room_for() noexcept : none{} {}
};

}  // namespace detail

/// Base of the transports driven by lanes: loads, folds and stores fragments pack by pack.
template <class Fragment, class Context>
class lane_elements {
  using pack_type = typename Fragment::pack_type;
  using element_type = typename Fragment::value_type;

  /// How many packs of a lane are read before the first of them is folded: about four accesses are
  /// then under way. On the host a loop is as good.
  static constexpr int wanted = Context::size == 2 ? 4 : Context::size == 3 ? 2 : 1;
  static constexpr uint32_t batch =
      PEERFOLD_DEVICE_PASS && Fragment::packs % wanted == 0 ? uint32_t{wanted} : 1;

  /// Whether packs that are not there are folded as well, of two ranks by operators that may see
  /// padding. What is made under a condition takes a register from the kernel's start to its end.
  template <class Op, class Finish>
  static constexpr bool folds_all =
      holds_many<Fragment> && Context::size == 2 && folds_padding<element_type, Op, Finish>;

  /// Whether packs of two ranks are summed as they are.
  template <class Op, class Finish, class Range>
  static constexpr bool sums_packs =
      Context::size == 2 && detail::is_packed_sum<element_type, Op, Finish, Range>;

  /// Folds pack i of the tile, this lane's u-th, rank by rank: not all are held at once. Of its
  /// elements the first `held` are there.
  template <class Arrivals, class Op, class Finish, class Range>
  [[nodiscard]] PEERFOLD_HD pack_type fold_rank_by_rank(const Arrivals& theirs, uint32_t u,
                                                        uint32_t i, const pack_type& mine,
                                                        uint32_t held, const Op& op,
                                                        const Finish& finish,
                                                        const Range& range) const {
    using traits = element_traits<element_type>;
    constexpr uint32_t size = pack_type::size;
    detail::room_for<typename traits::accumulator> total[size];
    bool begun = false;
    PEERFOLD_UNROLL
    for (uint32_t e = 0; e < size; ++e) {
      total[e].value = traits::widen(mine.get(0));  // so that compilers see it initialised
      begun = starts_from_value(range, total[e].value);
    }
    PEERFOLD_NO_UNROLL
    for (int q = 0; q < c_.ranks(); ++q) {
      if (!range.includes(q)) continue;
      const pack_type values = theirs.pack_of(q, u, i, mine);
      PEERFOLD_UNROLL
      for (uint32_t e = 0; e < size; ++e) {
        if (e >= held) continue;
        const auto value = traits::widen(values.get(e));
        total[e].value = begun ? op(total[e].value, value) : value;
      }
      begun = true;
    }
    pack_type folded{};
    PEERFOLD_UNROLL
    for (uint32_t e = 0; e < size; ++e) {
      if (e < held) folded.set(e, finish(total[e].value));
    }
    return folded;
  }

  /// One pack of every rank.
  struct values_of_ranks {
    pack_type of[Context::size];

    template <class Arrivals, class Range>
    PEERFOLD_HD void read(bool there, const Arrivals& theirs, uint32_t u, uint32_t i,
                          const pack_type& mine, const Range& range) {
      if constexpr (Context::size == 2) {  // read first, then choose, which takes no branches
        pack_type other;
        if constexpr (holds_many<Fragment>) other = {};
        if (there) other = theirs.pack_of_peer(0, u, i);
        of[0] = theirs.rank() == 0 ? mine : other;
        of[1] = theirs.rank() == 0 ? other : mine;
      } else if (there) {
        PEERFOLD_UNROLL
        for (int q = 0; q < Context::size; ++q) {
          if (range.includes(q)) of[q] = theirs.pack_of(q, u, i, mine);
        }
      }
    }

    template <class Op, class Finish, class Range>
    [[nodiscard]] PEERFOLD_HD element_type fold(uint32_t e, const Op& op, const Finish& finish,
                                                const Range& range) const {
      using traits = element_traits<element_type>;
      const auto value = [&](int q) ->
          typename traits::accumulator { return traits::widen(of[q].get(e)); };
      const typename traits::accumulator total = range.template fold<Context::size>(value, op);
      return finish(total);
    }
  };

 public:
  /// The group's fragment of tile x; element i is load(i), or comes with its pack where the functor
  /// gives packs (see loads_packs). Past the tile's end: zeros.
  template <class Load>
  [[nodiscard]] PEERFOLD_HD Fragment load(const tile& x, const Load& load) const {
    return load_fragment<Fragment>(c_.group(), x, load);
  }

  /// Folds tile x in rank order 0 … N - 1, starting from rank 0's value, in the accumulator type,
  /// and finishes it once: finish(op(… op(op(v0, v1), v2) …, vN-1)) for every element. `mine`
  /// stands for this rank's values, `theirs` for the others'. With another range (see
  /// core/fold_range.hpp), those of the ranks in it.
  template <class Arrivals, class Op, class Finish, class Range = every_rank>
  [[nodiscard]] PEERFOLD_HD Fragment fold(const tile& x, const Fragment& mine,
                                          const Arrivals& theirs, const Op& op,
                                          const Finish& finish, const Range& range = {}) const {
    constexpr uint32_t size = pack_type::size;
    const uint32_t packs = packs_of(x, size);
    const auto lane = static_cast<uint32_t>(c_.group().lane());
    const auto width = static_cast<uint32_t>(c_.group().width());
    Fragment result;
    if constexpr (!holds_pack_of_each<Context::size, pack_type>) {
      for_each_pack<Fragment::packs>(c_.group(), packs, [&](uint32_t u, uint32_t i) {
        const uint32_t left = x.count - i * size;
        result.at[u] = fold_rank_by_rank(theirs, u, i, mine.at[u], left < size ? left : size, op,
                                         finish, range);
      });
      return result;
    } else {
      PEERFOLD_UNROLL
      for (uint32_t first = 0; first < Fragment::packs; first += batch) {
#if !PEERFOLD_DEVICE_PASS
        if (first * width + lane >= packs) break;
#endif
        values_of_ranks values[batch];
        PEERFOLD_UNROLL
        for (uint32_t b = 0; b < batch; ++b) {
          const uint32_t i = (first + b) * width + lane;
          if (holds_many<Fragment> || i < packs) {
            values[b].read(i < packs, theirs, first + b, i, mine.at[first + b], range);
          }
        }
        PEERFOLD_UNROLL
        for (uint32_t b = 0; b < batch; ++b) {
          const uint32_t i = (first + b) * width + lane;
          if (!folds_all<Op, Finish> && i >= packs) continue;
          pack_type& folded = result.at[first + b];
          if constexpr (sums_packs<Op, Finish, Range>) {
            folded = arch::packed_sum(values[b].of[0], values[b].of[1]);
            continue;
          }
          folded = pack_type{};
          // The caller's functors see elements of the message, never padding.
          const uint32_t held = folds_padding<element_type, Op, Finish> ? size : x.count - i * size;
          PEERFOLD_UNROLL
          for (uint32_t e = 0; e < size; ++e) {
            if (e < held) folded.set(e, values[b].fold(e, op, finish, range));
          }
        }
      }
      return result;
    }
  }

  /// Where store() puts tile x: what of it can be worked out before the values are there.
  template <class Store>
  [[nodiscard]] PEERFOLD_HD auto destination(const tile& x, const Store& store) const {
    return destination_of<pack_type>(c_.group(), x, store);
  }

  /// Gives every element of tile x to store(i, value), or by packs where the functor has
  /// store_pack; `to` is destination(x, store).
  template <class Destination>
  PEERFOLD_HD void store(const tile& x, const Fragment& values, const Destination& to) const {
    store_fragment(c_.group(), x, values, to);
  }

  /// The elements of tile x that rank q, another one, sent, every bit as it was.
  template <class Arrivals>
  [[nodiscard]] PEERFOLD_HD Fragment take(int q, const tile& x, const Arrivals& theirs) const {
    Fragment values;
    for_each_pack<Fragment::packs>(
        c_.group(), packs_of(x, pack_type::size),
        [&](uint32_t u, uint32_t i) { values.at[u] = theirs.pack_of(q, u, i, pack_type{}); });
    return values;
  }

  /// store() of these.
  template <class Arrivals, class Destination>
  PEERFOLD_HD void store_from(int q, const tile& x, const Arrivals& theirs,
                              const Destination& to) const {
    store_fragment(c_.group(), x, take(q, x, theirs), to);
  }

 protected:
  PEERFOLD_HD explicit lane_elements(Context& c) noexcept : c_{c} {}

  Context& c_;
};

}  // namespace peerfold::transport
