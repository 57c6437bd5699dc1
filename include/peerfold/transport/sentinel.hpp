/// \file
/// The sentinel transport: floating-point elements say themselves that they are there. Words of
/// slots that hold nothing are all ones, which is a NaN in every floating-point type; senders clear
/// the top bit of such words, so what is not all ones has come. No flag and no mark: a line carries
/// 16 bytes of data for 16 on the link, and crosses it once.
///
/// NaNs arrive as NaNs, but not with every bit; so it is for folds, and not for copies. What a rank
/// folds of its own is treated as if it had been sent, so the bits are the same on all ranks.
///
/// Each message begins with a header, a line that bears the message's number and the digest of the
/// call as packets do; all lanes that wait look at it, so nothing of another call is taken.
///
/// Why a slot is empty when it is used again. All ranks send all others a message, and answer each:
/// receive m, release, send m + 1. While a rank waits for message m + 1 it wipes what it has read
/// of m. The slots are four, so a peer sends m + 4 into the one of m; before, it has received
/// m + 3, which this rank sent two votes of its group, at least, after it had wiped m. That orders
/// the wipe before m + 4
/// - where a kernel of this rank has ended between wipe and m + 3, by that end. The peer's vote
///   between receiving m + 3 and sending m + 4 does the rest, as it does for packets: the PTX model
///   would have an acquire there, but no GPU stores before loads are done for which a barrier in
///   front of the store waited;
/// - otherwise by fences: from a kernel's third message on every lane executes one in release(). It
///   stands ahead of the vote, which so orders what the lane has read before what any lane sends,
///   and behind the vote before, which so orders what any lane has wiped before what this one
///   sends.
/// Calls of one or two messages a block, for which the transport is chosen, have no fence.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/delay.hpp>
#include <peerfold/sync/sequence.hpp>
#include <peerfold/transport/fragment.hpp>
#include <peerfold/transport/lane_arrivals.hpp>
#include <peerfold/transport/lane_elements.hpp>
#include <peerfold/transport/traits.hpp>
#include <peerfold/transport/unasked.hpp>

namespace peerfold::transport {

/// Whether a word of 64 bits of T that is all ones is NaN throughout, and still is without its top
/// bit.
template <class T>
inline constexpr bool has_sentinel =
    stl::same_as<T, float> || stl::same_as<T, double> || is_float16<T> || is_float8<T>;

namespace detail {

/// What a lane holds of messages by sentinels: a pack a line.
template <class T, class Group>
using sentinel_fragment = fragment<arch::pack<T, 16>, Group::sentinel_packs>;

/// `values` as they travel: no word of 64 bits is all ones.
template <class Pack>
[[nodiscard]] PEERFOLD_HD Pack without_sentinels(Pack values) noexcept {
  PEERFOLD_UNROLL
  for (int w = 0; w < Pack::bytes / 4; w += 2) {
    if ((values.word[w] & values.word[w + 1]) == ~uint32_t{0})
      values.word[w + 1] = ~uint32_t{0} >> 1;
  }
  return values;
}

}  // namespace detail

/// Sentinels between all ranks of a context. One object a lane; every member function is called by
/// all lanes of the group, in the same order on every rank. Fragments that are sent come from
/// load() or as_sent().
template <element T, class Context>
class sentinel
    : public lane_elements<detail::sentinel_fragment<T, typename Context::group_type>, Context> {
  static_assert(has_sentinel<T>, "sentinels are for floating-point elements");
  static_assert(counts_ranks_early<Context::size>,
                "sentinels need to know how many ranks there are");
  using base = lane_elements<detail::sentinel_fragment<T, typename Context::group_type>, Context>;
  using base::c_;
  static constexpr int n = Context::size;
  static constexpr int others = n - 1;
  static constexpr int most_others = sync::most_others<n>;
  /// How many lines of each rank a lane asks for before any is waited for.
  static constexpr uint32_t batch =
      PEERFOLD_DEVICE_PASS ? static_cast<uint32_t>(Context::group_type::sentinel_packs) : 1;
  /// Of how many peers registers hold from the start where the ring is: of all, where they are few
  /// (decision 24).
  static constexpr int kept = others <= 2 ? others : 0;
  /// The messages of a kernel that need no fence.
  static constexpr uint32_t unfenced = 2;

 public:
  using element_type = T;
  using fragment_type = detail::sentinel_fragment<T, typename Context::group_type>;
  using pack_type = typename fragment_type::pack_type;
  static constexpr transport_traits traits{.name = "sentinel",
                                           .exact_bits = false,
                                           .slots = sync::sentinel_slots,
                                           .packs_a_lane = 1,
                                           .most_lanes = sentinel_lanes(n)};

  /// The most elements one message carries, on channels of this shape.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t capacity(const sync::channel_shape& shape,
                                                               int width) noexcept {
    const auto held = static_cast<uint32_t>(width * fragment_type::packs);
    return (held < shape.sentinel_lines ? held : shape.sentinel_lines) * pack_type::size;
  }

  PEERFOLD_HD explicit sentinel(Context& c) noexcept : base{c}, kept_{c.state().sentinel} {
    // While that is under way.
    PEERFOLD_UNROLL
    for (int j = 0; j < kept; ++j) {
      kept_there_[j] = arch::optimization_barrier(ring_in(j + 1, c_.rank_after(j + 1), c_.rank()));
    }
    kept_here_ = arch::optimization_barrier(ring_in(0, c_.rank(), peer(0)));
    if (c_.unordered_messages() >= unfenced) {
      // What release() does between two messages, between two calls of one kernel.
      arch::fence();
      c_.group().sync();
    }
  }

  /// Sends this rank's fragment of tile x to the rank `step` after it, 1 <= step < N.
  PEERFOLD_HD void send(int step, const tile& x, const fragment_type& values) noexcept {
    const uint32_t message = number(commits_ + 1);
    c_.delay(sync::delay_site::before_publish, message);
    stl::byte* const slot = ring_there(step) + c_.layout().sentinel_slot(message);
    for_each_pack<fragment_type::packs>(
        c_.group(), packs_of(x, pack_type::size), [&](uint32_t u, uint32_t i) {
          arch::store_relaxed(line_of(slot, i), bits_of(values.at[u]));
        });
    if (c_.group().elect()) arch::store_relaxed(header_of(slot), header_for(message));
  }

  /// Ends the message to every peer. Sentinels publish themselves.
  PEERFOLD_HD void commit() noexcept {
    if (commits_ == 0) c_.enter(&c_.state().sentinel.last, kept_.last);
    ++commits_;
    ++c_.unordered_messages();
  }

  /// What the peers sent.
  using arrivals = held_arrivals<fragment_type, n>;

  /// Waits for the next message of every peer, which carries a tile of x's size.
  [[nodiscard]] PEERFOLD_HD arrivals receive(const tile& x) noexcept {
    return receive_packs(packs_of(x, pack_type::size), [](int, uint32_t) { return true; });
  }

  /// The same where rank q's message carries a tile of the size of tile_of(q).
  template <class TileOf>
  [[nodiscard]] PEERFOLD_HD arrivals receive_each(TileOf tile_of) noexcept {
    uint32_t most = 0;
    uint32_t packs[most_others];
    PEERFOLD_UNROLL
    for (int j = 0; j < others; ++j) {
      packs[j] = packs_of(tile_of(peer(j)), pack_type::size);
      most = most < packs[j] ? packs[j] : most;
    }
    return receive_packs(most, [&](int j, uint32_t i) { return i < packs[j]; });
  }

  /// Gives the slots of the last receive back. Returns, to all lanes alike, whether the whole group
  /// has received so far and none of it knows of a fault, or of another kernel that has the block;
  /// where not, the call must end. A call's last receive goes without.
  [[nodiscard]] PEERFOLD_HD bool release() noexcept {
    if (c_.unordered_messages() >= unfenced) arch::fence();
    return !c_.group().any((fault_ | c_.look_at_ticket()) != 0);
  }

  /// lane_elements' load, of elements as they travel.
  template <class Load>
  [[nodiscard]] PEERFOLD_HD fragment_type load(const tile& x, const Load& load) const {
    return as_sent(x, base::load(x, load));
  }

  /// What the others get of a fragment: in place of all ones another NaN.
  [[nodiscard]] PEERFOLD_HD fragment_type as_sent(const tile& x, fragment_type values) const {
    for_each_pack<fragment_type::packs>(
        c_.group(), packs_of(x, pack_type::size),
        [&](uint32_t u, uint32_t) { values.at[u] = detail::without_sentinels(values.at[u]); });
    return values;
  }

  /// Gives the block back; what it keeps for the next call was written while it waited. To be
  /// called by all lanes, last. A kernel that goes on to use the block synchronises its group
  /// before it makes the next transport.
  PEERFOLD_HD void close() noexcept {
    if ((commits_ | receipts_) != 0) c_.leave();
  }

 private:
  /// The j-th of the other ranks, ascending.
  [[nodiscard]] PEERFOLD_HD int peer(int j) const noexcept { return j < c_.rank() ? j : j + 1; }

  /// In a set of lines, that of the j-th other rank that is the b-th of a batch.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t bit(int j, uint32_t b) noexcept {
    return 1u << (static_cast<uint32_t>(j) * batch + b);
  }

  /// The number of this call's k-th message; the low half does for slots and marks.
  [[nodiscard]] PEERFOLD_HD uint32_t number(uint32_t k) const noexcept {
    return static_cast<uint32_t>(kept_.last) + k;
  }

  [[nodiscard]] PEERFOLD_HD arch::word_pair header_for(uint32_t message) const noexcept {
    const sync::packet_mark mark = sync::mark_of(message, c_.digest());
    return {uint64_t{mark.low} << 32, uint64_t{mark.high} << 32};
  }

  /// Wipes what this rank has read of the message before the awaited one.
  PEERFOLD_HD void wipe() const noexcept {
    constexpr arch::word_pair nothing{sync::nothing_yet, sync::nothing_yet};
    const uint32_t lines = receipts_ == 1 ? kept_.lines : lines_;
    const auto width = static_cast<uint32_t>(c_.group().width());
    PEERFOLD_UNROLL_BY(most_others)
    for (int j = 0; j < others; ++j) {
      stl::byte* const slot = ring_here(j) + c_.layout().sentinel_slot(number(receipts_ - 1));
      PEERFOLD_NO_UNROLL
      for (auto i = static_cast<uint32_t>(c_.group().lane()); i < lines; i += width) {
        arch::store_relaxed(line_of(slot, i), nothing);
      }
      if (c_.group().elect()) arch::store_relaxed(header_of(slot), nothing);
    }
  }

  /// Waits for the next message of every peer: of its packs below `most`, those i that the j-th
  /// other rank sends, as sends(j, i) says.
  template <class Sends>
  [[nodiscard]] PEERFOLD_HD arrivals receive_packs(uint32_t most, Sends sends) noexcept {
    ++receipts_;
    if (receipts_ == 1) c_.group().sync();  // all lanes have read the numbers
    wipe();
    lines_ = most;
    if (c_.group().elect()) c_.state().sentinel = {kept_.last + receipts_, most, 0};
    arrivals in;
    in.own_rank = arch::optimization_barrier(c_.rank());
    const arch::word_pair header = header_for(number(receipts_));
    stl::byte* slot[most_others];
    PEERFOLD_UNROLL
    for (int j = 0; j < others; ++j) {  // worked out now, and not with every poll
      slot[j] =
          arch::optimization_barrier(ring_here(j) + c_.layout().sentinel_slot(number(receipts_)));
    }
    const auto lane = static_cast<uint32_t>(c_.group().lane());
    const auto width = static_cast<uint32_t>(c_.group().width());
    uint32_t unheard = lane < most ? (1u << others) - 1 : 0;
    PEERFOLD_UNROLL
    for (uint32_t first = 0; first < fragment_type::packs; first += batch) {
#if !PEERFOLD_DEVICE_PASS
      if (first * width + lane >= most) break;
#endif
      uint32_t missing = 0;
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        PEERFOLD_UNROLL
        for (uint32_t b = 0; b < batch; ++b) {
          const uint32_t i = (first + b) * width + lane;
          if (i < most && sends(j, i)) missing |= bit(j, b);
        }
      }
      await(slot, header, unheard, missing, in, first);
    }
    in.fault = fault_;
    if (others > 0) c_.delay(sync::delay_site::after_receive, receipts_);
    return in;
  }

  /// Polls the headers of the other ranks that `unheard` has, and this lane's lines from the
  /// first-th on that `missing` has, until all are there, or the wait must end, which is put down
  /// in fault_.
  PEERFOLD_HD void await(stl::byte* const* slot, const arch::word_pair& header, uint32_t& unheard,
                         uint32_t missing, arrivals& in, uint32_t first) noexcept {
    const auto has = [](uint32_t set, uint32_t member) {
      return others * batch == 1 ? set != 0 : (set & member) != 0;
    };
    const auto without = [](uint32_t set, uint32_t member) {
      return others * batch == 1 ? 0 : set & ~member;
    };
    uint32_t at[batch];
    PEERFOLD_UNROLL
    for (uint32_t b = 0; b < batch; ++b) {
      at[b] = arch::optimization_barrier((first + b) * static_cast<uint32_t>(c_.group().width()) +
                                         static_cast<uint32_t>(c_.group().lane()));
    }
    uint32_t polls = 0;
    uint64_t since = 0;
    while ((unheard | missing) != 0) {
      arch::word_pair begin[most_others]{};
      arch::word_pair line[most_others][batch]{};
      // All are asked for before any is waited for.
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        if (has(unheard, 1u << j)) begin[j] = arch::load_relaxed(header_of(slot[j]));
        PEERFOLD_UNROLL
        for (uint32_t b = 0; b < batch; ++b) {
          if (has(missing, bit(j, b))) line[j][b] = arch::load_relaxed(line_of(slot[j], at[b]));
        }
      }
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        PEERFOLD_UNROLL
        for (uint32_t b = 0; b < batch; ++b) {
          const arch::word_pair& seen = line[j][b];
          if (has(missing, bit(j, b)) && seen.low != sync::nothing_yet &&
              seen.high != sync::nothing_yet) {
            missing = without(missing, bit(j, b));
            in.of_other[j].at[first + b] = values_of(seen);
          }
        }
        if (begin[j].low == header.low && begin[j].high == header.high) {
          unheard = without(unheard, 1u << j);
        }
      }
      if ((unheard | missing) == 0) return;
      if (c_.may_poll(polls)) continue;
      uint32_t late = unheard;
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        for (uint32_t b = 0; b < batch; ++b) late |= has(missing, bit(j, b)) ? 1u << j : 0;
      }
      if (gave_up(since, unheard, late, header, begin)) {
        fault_ = 1;
        return;
      }
    }
  }

  /// Whether a wait must end. It is said to be for the first rank that sent something else, or else
  /// for the first that is missing.
  [[nodiscard]] PEERFOLD_HD bool gave_up(uint64_t& since, uint32_t unheard, uint32_t late,
                                         const arch::word_pair& header,
                                         const arch::word_pair* begin) noexcept {
    int awaited = -1;
    uint32_t seen = 0;
    bool disagrees = false;
    PEERFOLD_UNROLL
    for (int j = others - 1; j >= 0; --j) {
      if ((late >> j & 1u) == 0) continue;
      const bool came = (unheard >> j & 1u) != 0 && begin[j].low != sync::nothing_yet;
      const bool of_another =
          (came && is_of_another_call(begin[j], header)) ||
          suspected_.confirmed(j, packet_is_there(c_, peer(j)) || store_is_there(c_, peer(j)));
      if (disagrees && !of_another) continue;
      awaited = peer(j);
      seen = came ? static_cast<uint32_t>(begin[j].low >> 48) : 0;
      disagrees = of_another;
    }
    return c_.give_up(since, awaited, receipts_ > 1, static_cast<uint32_t>(header.low >> 48), seen,
                      disagrees);
  }

  /// Whether a half of a header that has come is of this message in another call. (What has not
  /// come would look like it to message 0x7fff of every 2^15.)
  PEERFOLD_HD static bool is_of_another_call(const arch::word_pair& seen,
                                             const arch::word_pair& header) noexcept {
    const auto differs = [](uint64_t half, uint64_t expected) {
      return half != sync::nothing_yet &&
             sync::of_another_call(static_cast<uint32_t>(half >> 32),
                                   static_cast<uint32_t>(expected >> 32));
    };
    return differs(seen.low, header.low) || differs(seen.high, header.high);
  }

  /// Slot 0 of the ring at the rank `step` after this one, and of the ring here of the j-th other.
  [[nodiscard]] PEERFOLD_HD stl::byte* ring_there(int step) const noexcept {
    if constexpr (kept == others) return chosen(kept_there_, step - 1);
    return ring_in(step, c_.rank_after(step), c_.rank());
  }
  [[nodiscard]] PEERFOLD_HD stl::byte* ring_here(int j) const noexcept {
    return kept_here_ + static_cast<uint32_t>(j) * c_.layout().sentinel_stride();
  }
  [[nodiscard]] PEERFOLD_HD stl::byte* ring_in(int step, int rank, int peer) const noexcept {
    return c_.region(step) + c_.layout().sentinel_ring(c_.block(), rank, peer);
  }

  /// The header of a slot, and its line i.
  [[nodiscard]] PEERFOLD_HD static arch::word_pair* header_of(stl::byte* slot) noexcept {
    return reinterpret_cast<arch::word_pair*>(slot);
  }
  [[nodiscard]] PEERFOLD_HD static arch::word_pair* line_of(stl::byte* slot, uint32_t i) noexcept {
    return header_of(slot + sync::region_layout<n>::sentinel_header) + i;
  }

  [[nodiscard]] PEERFOLD_HD static arch::word_pair bits_of(const pack_type& values) noexcept {
    return {values.word[0] | uint64_t{values.word[1]} << 32,
            values.word[2] | uint64_t{values.word[3]} << 32};
  }
  [[nodiscard]] PEERFOLD_HD static pack_type values_of(const arch::word_pair& line) noexcept {
    pack_type values;
    values.word[0] = static_cast<uint32_t>(line.low);
    values.word[1] = static_cast<uint32_t>(line.low >> 32);
    values.word[2] = static_cast<uint32_t>(line.high);
    values.word[3] = static_cast<uint32_t>(line.high >> 32);
    return values;
  }

  sync::common_sequence kept_;                   ///< of the state, before this call
  stl::byte* kept_there_[kept == 0 ? 1 : kept];  ///< slot 0 of the rings at the steps
  stl::byte* kept_here_;                         ///< of the ring here of the first other
  uint32_t commits_ = 0;
  uint32_t receipts_ = 0;
  uint32_t lines_ = 0;  ///< of the message that came last
  uint32_t fault_ = 0;
  suspicions<n> suspected_;
};

}  // namespace peerfold::transport
