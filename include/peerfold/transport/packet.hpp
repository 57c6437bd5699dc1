/// \file
/// The packet transport ("LL"): data and sequence number travel in one 64-bit word, so a word that
/// bears the awaited number *is* the data: no flag, no fence, one crossing of the link. Half the
/// bandwidth; the least latency. (NCCL calls this protocol LL; the form here is of our own.)
///
/// Why a slot is free when it is reused. The slots are two, and every message is answered: the
/// algorithms that run over this transport exchange, message for message, with every peer. A rank
/// sends message m + 1 only after its group's vote on the peers' messages m, or, where m was the
/// last of a call, after the end of that call's kernel (on threads, of its group's block). A peer
/// sent its m after its group's vote on m - 1, that is after its last lane had read m - 1. So the
/// slot of m + 1, which held m - 1, is free. What a call leaves unread does not exist: each call
/// receives all that is sent to it.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/delay.hpp>
#include <peerfold/sync/sequence.hpp>
#include <peerfold/transport/fragment.hpp>
#include <peerfold/transport/lane_arrivals.hpp>
#include <peerfold/transport/lane_elements.hpp>
#include <peerfold/transport/peers.hpp>
#include <peerfold/transport/traits.hpp>
#include <peerfold/transport/unasked.hpp>

namespace peerfold::transport {

namespace detail {

/// What a lane holds of messages by packets: a line carries 8 bytes, a pack that is larger takes
/// several.
template <class T, class Group>
using packet_fragment =
    fragment<arch::pack<T, arch::pack_bytes<T, 8>>,
             packs_in_room<arch::pack<T, arch::pack_bytes<T, 8>>, 8>(Group::packet_packs)>;

}  // namespace detail

/// Packets between all ranks of a context, or, with some_peers, between pairs of them. One object a
/// lane; every member function is called by all lanes of the group, in the same order on every
/// rank.
template <element T, class Context, class Peers = every_peer>
class packet
    : public lane_elements<detail::packet_fragment<T, typename Context::group_type>, Context> {
  using base = lane_elements<detail::packet_fragment<T, typename Context::group_type>, Context>;
  using base::c_;
  static constexpr int n = Context::size;
  static constexpr int others = n - 1;
  static constexpr int most_others = sync::most_others<n>;
  /// Whether arrivals hold the packs of all others; else they are read again where they lie.
  static constexpr bool holds_arrivals = holds_pack_of_each<
      n, typename detail::packet_fragment<T, typename Context::group_type>::pack_type>;
  /// How many others' lines are asked for before any is waited for.
  static constexpr int at_once = holds_arrivals || most_others < 8 ? most_others : 8;
  /// Whether registers hold the numbers, and where the rings are, from before the first message on
  /// (decision 24); else they are looked up with every message.
  static constexpr bool keeps_numbers = others == 1 || (Peers::all && others > 1 && n <= max_ranks);

 public:
  using element_type = T;
  using peers_type = Peers;
  using fragment_type = detail::packet_fragment<T, typename Context::group_type>;
  using pack_type = typename fragment_type::pack_type;
  static constexpr transport_traits traits{
      .name = "packet",
      .slots = sync::packet_slots,
      .most_lanes = packet_lanes(keeps_numbers ? n : 1)};  // else one peer after the other

  /// The most elements one message carries, on channels of this shape.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t capacity(const sync::channel_shape& shape,
                                                               int width) noexcept {
    const auto held = static_cast<uint32_t>(width * fragment_type::packs);
    const uint32_t slot = shape.packet_lines / lines;
    return (held < slot ? held : slot) * pack_type::size;
  }

  PEERFOLD_HD explicit packet(Context& c, Peers peers = {}) noexcept : base{c}, peers_{peers} {
    if constexpr (keeps_numbers) {
      if constexpr (others == 1) {  // in one access
        const sync::pair_sequence last = c_.state().packet[0];
        kept_sent_[0] = last.sent;
        kept_received_[0] = last.received;
      } else {
        PEERFOLD_UNROLL
        for (int j = 0; j < others; ++j) {
          kept_sent_[j] = c_.state().packet[position_after(j + 1)].sent;
          kept_received_[j] = c_.state().packet[j].received;
        }
      }
      // While those are under way.
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        kept_there_[j] =
            arch::optimization_barrier(line_in(j + 1, c_.rank_after(j + 1), c_.rank()));
        kept_here_[j] = arch::optimization_barrier(line_in(0, c_.rank(), peer(j)));
      }
      first_ = position_after(1);
    } else if constexpr (!Peers::all) {
      first_ = first_of(peers_, c_.ranks(), c_.rank());
    }
    start_ = keeps_numbers ? kept_sent_[0] : c_.state().packet[first_].sent;
  }

  /// Sends this rank's fragment of tile x to the rank `step` after it, 1 <= step < N, if it is a
  /// peer.
  PEERFOLD_HD void send(int step, const tile& x, const fragment_type& values) noexcept {
    const int to = c_.rank_after(step);
    if (!peers_.has(to)) return;
    // The low half does for slot, mark and lap.
    const uint32_t message = static_cast<uint32_t>(sent_before(step)) + commits_ + 1;
    c_.delay(sync::delay_site::before_publish, message);
    stl::byte* line = line_there(step) + c_.layout().packet_slot(message);
    const sync::packet_mark mark = sync::mark_of(message, digest_for(to));
    const uint64_t low = uint64_t{mark.low} << 32;
    const uint64_t high = uint64_t{mark.high} << 32;
    for_each_pack<fragment_type::packs>(
        c_.group(), packs_of(x, pack_type::size), [&](uint32_t u, uint32_t i) {
          PEERFOLD_UNROLL
          for (uint32_t v = 0; v < lines; ++v) {
            const uint32_t* data = &values.at[u].word[2 * v];
            arch::store_relaxed(at(line, i * lines + v), {low | data[0], high | data[1]});
          }
        });
    // Behind the stores, which the peer waits for.
    if (sync::on_scrub_lap(arch::optimization_barrier(message), sync::packet_slots)) [[unlikely]] {
      scrub(line, packs_of(x, pack_type::size));
    }
  }

  /// Ends the message to every peer. Packets publish themselves.
  PEERFOLD_HD void commit() noexcept {
    if (commits_ == 0) c_.enter(&c_.state().packet[first_].sent, start_);
    ++commits_;
    unsaved_ = true;
  }

  /// What the peers sent.
  using arrivals = stl::conditional_t<holds_arrivals, held_arrivals<fragment_type, n>,
                                      arrivals_in_slots<packet, pack_type>>;

  /// Waits for the next message of every peer, which carries a tile of x's size.
  [[nodiscard]] PEERFOLD_HD arrivals receive(const tile& x) noexcept {
    return receive_packs(packs_of(x, pack_type::size), [](int, uint32_t) { return true; });
  }

  /// The same where rank q's message carries a tile of the size of tile_of(q).
  template <class TileOf>
  [[nodiscard]] PEERFOLD_HD arrivals receive_each(TileOf tile_of) noexcept {
    uint32_t most = 0;
    if constexpr (holds_arrivals) {
      uint32_t packs[most_others];
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        packs[j] = packs_of(tile_of(peer(j)), pack_type::size);
        most = most < packs[j] ? packs[j] : most;
      }
      return receive_packs(most, [&](int j, uint32_t i) { return i < packs[j]; });
    } else {
      const auto packs = [&](int j) { return packs_of(tile_of(peer(j)), pack_type::size); };
      for (int j = 0; j < c_.ranks() - 1; ++j) most = most < packs(j) ? packs(j) : most;
      return receive_packs(most, [&](int j, uint32_t i) { return i < packs(j); });
    }
  }

  /// Gives the slots of the last receive back. Returns, to all lanes alike, whether the whole group
  /// has received so far and none of it knows of a fault, or of another kernel that has the block;
  /// where not, the call must end. A call's last receive goes without.
  [[nodiscard]] PEERFOLD_HD bool release() noexcept {
    return !c_.group().any((fault_ | c_.look_at_ticket()) != 0);
  }

  /// Gives all slots back and leaves the sequence numbers for the next call. To be called by all
  /// lanes, last. A kernel that goes on to use the block synchronises its group before it makes the
  /// next transport.
  PEERFOLD_HD void close() noexcept {
    if (unsaved_) {
      static_cast<void>(c_.look_at_ticket());  // lanes that wait hear of it; then they come too
      c_.group().sync();                       // all lanes have read the numbers
      save();
    }
    if ((commits_ | receipts_) != 0) c_.leave();
  }

 private:
  friend struct arrivals_in_slots<packet, pack_type>;

  /// Lines of a pack.
  static constexpr uint32_t lines = pack_type::bytes / 8;

  /// Writes the numbers of this call so far into the state.
  PEERFOLD_HD void save() noexcept {
    if (!c_.group().elect()) return;
    if constexpr (others == 1) {
      if (!peers_.has(peer(0))) return;
      c_.state().packet[0] = {kept_sent_[0] + commits_, kept_received_[0] + receipts_, 0, 0};
    } else if constexpr (keeps_numbers) {
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        c_.state().packet[position_after(j + 1)].sent = kept_sent_[j] + commits_;
        c_.state().packet[j].received = kept_received_[j] + receipts_;
      }
    } else {
      PEERFOLD_UNROLL_BY(at_once)
      for (int j = 0; j < c_.ranks() - 1; ++j) {
        if (!peers_.has(peer(j))) continue;
        const sync::pair_sequence last = c_.state().packet[j];
        c_.state().packet[j] = {last.sent + commits_, last.received + receipts_, 0, 0};
      }
    }
  }

  /// How many messages the rank `step` after this one was sent, and how many came of the j-th other
  /// rank, before this call.
  [[nodiscard]] PEERFOLD_HD uint64_t sent_before(int step) const noexcept {
    if constexpr (keeps_numbers) return chosen(kept_sent_, step - 1);
    return c_.state().packet[position_after(step)].sent;
  }
  [[nodiscard]] PEERFOLD_HD uint64_t received_before(int j) const noexcept {
    if constexpr (keeps_numbers) return chosen(kept_received_, j);
    return c_.state().packet[j].received;
  }

  /// The position among the others of the rank `step` after this one.
  [[nodiscard]] PEERFOLD_HD int position_after(int step) const noexcept {
    return sync::peer_index<n>(c_.rank_after(step), c_.rank());
  }

  /// The j-th of the other ranks, ascending.
  [[nodiscard]] PEERFOLD_HD int peer(int j) const noexcept { return j < c_.rank() ? j : j + 1; }

  /// Waits for the next message of every peer: of its packs below `most`, those i that the j-th
  /// other rank sends, as sends(j, i) says.
  template <class Sends>
  [[nodiscard]] PEERFOLD_HD arrivals receive_packs(uint32_t most, Sends sends) noexcept {
    ++receipts_;
    if constexpr (keeps_numbers) {            // while the messages are under way
      if (receipts_ == 1) c_.group().sync();  // all lanes have read the numbers
      save();
      unsaved_ = false;
    }
    arrivals in;
    in.own_rank = arch::optimization_barrier(c_.rank());
    if constexpr (!holds_arrivals) in.from = this;
    const int peers = c_.ranks() - 1;
    stl::byte* from[at_once];
    sync::packet_mark mark[at_once];
    // What is awaited of the others from the first-th on.
    const auto look_up = [&](int first) {
      PEERFOLD_UNROLL
      for (int k = 0; k < at_once; ++k) {
        const int j = first + k;
        if (j >= peers) continue;
        mark[k] = sync::mark_of(next_from(j), digest_for(peer(j)));
        from[k] = line_here(j) + c_.layout().packet_slot(next_from(j));
      }
    };
    if constexpr (holds_arrivals) look_up(0);
    for_each_pack<fragment_type::packs>(c_.group(), most, [&](uint32_t u, uint32_t i) {
      for (int first = 0; first == 0 || (!holds_arrivals && first < peers); first += at_once) {
        if constexpr (!holds_arrivals) look_up(first);
        PEERFOLD_UNROLL
        for (uint32_t v = 0; v < lines; ++v) {
#if PEERFOLD_DEVICE_PASS
          arch::word_pair line[at_once];
#else  // g++ -O3 does not see that only lines that were read are looked at, and warns
          arch::word_pair line[at_once]{};
#endif
          uint32_t missing = 0;
          PEERFOLD_UNROLL
          for (int k = 0; k < at_once; ++k) {
            const int j = first + k;
            missing |= j < peers && peers_.has(peer(j)) && sends(j, i) ? 1u << k : 0;
          }
          await(from, i * lines + v, first, mark, missing, line);
          if constexpr (holds_arrivals) {
            PEERFOLD_UNROLL
            for (int j = 0; j < others; ++j) put(line[j], in.of_other[j].at[u], v);
          } else if (fault_ != 0) {
            break;
          }
        }
        if (!holds_arrivals && fault_ != 0) break;
      }
    });
    in.fault = fault_;
    if (others > 0) c_.delay(sync::delay_site::after_receive, receipts_);
    return in;
  }

  /// Polls line number `number` of the others from the first-th on that `missing` has, until all
  /// bear their marks or the wait must end, which is put down in fault_.
  PEERFOLD_HD void await(stl::byte* const* from, uint32_t number, int first,
                         const sync::packet_mark* mark, uint32_t missing,
                         arch::word_pair* line) noexcept {
    const auto is_missing = [&](int k) { return others == 1 || (missing >> k & 1u) != 0; };
    uint32_t polls = 0;
    uint64_t since = 0;
    while (missing != 0) {
      // All these peers' lines are asked for before any is waited for.
      PEERFOLD_UNROLL
      for (int k = 0; k < at_once; ++k) {
        if (is_missing(k)) line[k] = arch::load_relaxed(at(from[k], number));
      }
      PEERFOLD_UNROLL
      for (int k = 0; k < at_once; ++k) {
        if (is_missing(k)) {
          const uint32_t rest = others == 1 ? 0 : missing & ~(1u << k);
          missing = is_message(line[k], mark[k]) ? rest : rest | 1u << k;
        }
      }
      if (missing == 0) return;
      if (c_.may_poll(polls)) continue;
      if (gave_up(since, first, missing, mark, line)) {
        fault_ = 1;
        return;
      }
    }
  }

  PEERFOLD_HD static bool is_message(const arch::word_pair& line,
                                     const sync::packet_mark& mark) noexcept {
    return static_cast<uint32_t>(line.low >> 32) == mark.low &&
           static_cast<uint32_t>(line.high >> 32) == mark.high;
  }

  /// The digest of the call, as this rank and `peer` should see it.
  [[nodiscard]] PEERFOLD_HD call_digest digest_for(int peer) const noexcept {
    return {c_.digest().low ^ peers_.salt(c_.rank(), peer), c_.digest().high};
  }

  /// The number of the message that is awaited of the j-th other rank, or came last: the low half
  /// does for slot and mark.
  [[nodiscard]] PEERFOLD_HD uint32_t next_from(int j) const noexcept {
    return static_cast<uint32_t>(received_before(j)) + receipts_;
  }

  /// Puts what a line carries into its place in the pack, whose line number v it is.
  PEERFOLD_HD static void put(const arch::word_pair& line, pack_type& values, uint32_t v) noexcept {
    values.word[2 * v] = static_cast<uint32_t>(line.low);
    values.word[2 * v + 1] = static_cast<uint32_t>(line.high);
  }
  /// Pack i of that message, which has come and stays until release().
  [[nodiscard]] PEERFOLD_HD pack_type pack_in_slot(int j, uint32_t i) const noexcept {
    stl::byte* const line = line_here(j) + c_.layout().packet_slot(next_from(j));
    pack_type values;
    PEERFOLD_UNROLL
    for (uint32_t v = 0; v < lines; ++v) {
      put(arch::load_relaxed(at(line, i * lines + v)), values, v);
    }
    return values;
  }

  /// Whether the wait for the others from the first-th on that `missing` has must end. It is said
  /// to be for the first of them that sent something else, or else for the first.
  [[nodiscard]] PEERFOLD_HD bool gave_up(uint64_t& since, int first, uint32_t missing,
                                         const sync::packet_mark* mark,
                                         const arch::word_pair* line) noexcept {
    int awaited = -1;
    uint32_t expected = 0;
    uint32_t seen = 0;
    bool disagrees = false;
    PEERFOLD_UNROLL
    for (int k = at_once - 1; k >= 0; --k) {
      if (others > 1 && (missing >> k & 1u) == 0) continue;
      const auto low = static_cast<uint32_t>(line[k].low >> 32);
      const bool of_another =
          sync::of_another_call(low, mark[k].low) ||
          sync::of_another_call(static_cast<uint32_t>(line[k].high >> 32), mark[k].high) ||
          suspected_.confirmed(first + k, store_is_there(c_, peer(first + k)) ||
                                              sentinel_is_there(c_, peer(first + k)));
      if (disagrees && !of_another) continue;
      awaited = peer(first + k);
      expected = mark[k].low >> 16;
      seen = low >> 16;
      disagrees = of_another;
    }
    return c_.give_up(since, awaited, receipts_ > 1, expected, seen, disagrees);
  }

  /// Wipes the lines of a peer's slot behind the first `used` packs, which this message leaves as
  /// earlier ones left them: their marks would come round again (see sync::scrub_period). The
  /// sender does it, so that the slot keeps one writer: what the receiver wiped might be the next
  /// message. Only lanes that send a pack do: the others may not have heard yet that the slot is
  /// free.
  PEERFOLD_HD void scrub(stl::byte* line, uint32_t used) const noexcept {
    used = arch::optimization_barrier(used);  // nothing of this is wanted before
    const auto lane = static_cast<uint32_t>(c_.group().lane());
    const auto width = static_cast<uint32_t>(c_.group().width());
    const uint32_t senders = used < width ? used : width;
    if (lane >= senders) return;
    for (uint32_t i = used * lines + lane; i < c_.layout().packet_lines; i += senders) {
      arch::store_relaxed(at(line, i), arch::word_pair{0, 0});
    }
  }

  /// This lane's first line of slot 0 of the ring at the rank `step` after this one, and of the
  /// ring here of the j-th other rank.
  [[nodiscard]] PEERFOLD_HD stl::byte* line_there(int step) const noexcept {
    if constexpr (keeps_numbers) return chosen(kept_there_, step - 1);
    return line_in(step, c_.rank_after(step), c_.rank());
  }
  [[nodiscard]] PEERFOLD_HD stl::byte* line_here(int j) const noexcept {
    if constexpr (keeps_numbers) return chosen(kept_here_, j);
    return line_in(0, c_.rank(), peer(j));
  }
  [[nodiscard]] PEERFOLD_HD stl::byte* line_in(int step, int rank, int peer) const noexcept {
    return c_.region(step) + c_.layout().packet_ring(c_.block(), rank, peer) +
           static_cast<uint32_t>(c_.group().lane()) * lines * sizeof(arch::word_pair);
  }

  /// Line `number` of a slot, of which this lane's first line is given.
  [[nodiscard]] PEERFOLD_HD arch::word_pair* at(stl::byte* line, uint32_t number) const noexcept {
    return reinterpret_cast<arch::word_pair*>(line) +
           (number - static_cast<uint32_t>(c_.group().lane()) * lines);
  }

  // Where keeps_numbers: of the steps, and of the others.
  static constexpr int kept = keeps_numbers ? most_others : 1;
  uint64_t kept_sent_[kept];
  uint64_t kept_received_[kept];
  stl::byte* kept_there_[kept];
  stl::byte* kept_here_[kept];
  uint64_t start_;  ///< the number of messages sent to first_ before this call
  [[no_unique_address]] Peers peers_;
  int first_ = 0;  ///< one of the peers, as a position among the others
  uint32_t commits_ = 0;
  uint32_t receipts_ = 0;
  uint32_t fault_ = 0;
  suspicions<n> suspected_;
  bool unsaved_ = false;  ///< whether the state lacks numbers of this call
};

}  // namespace peerfold::transport
