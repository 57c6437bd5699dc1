/// \file
/// The store transport: a tile's data go into a slot of the peer's ring by plain stores, then one
/// flag says that they are there. Full bandwidth; two crossings' worth of latency.
///
/// Why a slot is free when it is reused. A flag carries, beside the number of the last complete
/// message, the number of the last message that its sender has released: the credit. A rank writes
/// message m into a slot only after it has acquired a flag that releases m - slots, which held that
/// slot before; the releasing rank wrote that flag after a barrier of its group behind its last
/// read. Credits ride on messages, so two ranks must keep exchanging: with a lag of L tiles and two
/// messages a tile, 2L + 4 slots let neither wait for a credit that only its own next message would
/// bring.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/sync/delay.hpp>
#include <peerfold/sync/sequence.hpp>
#include <peerfold/transport/fragment.hpp>
#include <peerfold/transport/lane_elements.hpp>
#include <peerfold/transport/peers.hpp>
#include <peerfold/transport/traits.hpp>
#include <peerfold/transport/unasked.hpp>

namespace peerfold::transport {

namespace detail {

/// What a lane holds of messages by stores.
template <class T, class Group>
using store_fragment =
    fragment<arch::pack<T, arch::pack_bytes<T, 16>>,
             packs_in_room<arch::pack<T, arch::pack_bytes<T, 16>>, 16>(Group::store_packs)>;

}  // namespace detail

/// Stores between all ranks of a context, or, with some_peers, between pairs of them. One object a
/// lane; every member function is called by all lanes of the group, in the same order on every
/// rank.
template <element T, class Context, class Peers = every_peer>
class store_flag
    : public lane_elements<detail::store_fragment<T, typename Context::group_type>, Context> {
  using base = lane_elements<detail::store_fragment<T, typename Context::group_type>, Context>;
  using base::c_;
  static constexpr int n = Context::size;
  static constexpr int others = n - 1;
  /// Whether arrivals hold where each other's message lies; else that is looked up when it is read.
  static constexpr bool holds_arrivals = counts_ranks_early<n>;
  /// What that takes. (A pointer that nobody follows would still put the transport into local
  /// memory.)
  struct nothing {};
  using source = stl::conditional_t<holds_arrivals, nothing, const store_flag*>;
  using shift = stl::conditional_t<holds_arrivals, nothing, uint32_t>;
  static constexpr int lag_in_tiles = 2;
  /// With one peer the numbers stay in registers; with more they are read where they are needed,
  /// from the state, which is cached and constant during a call.
  static constexpr bool keeps_numbers = others == 1;
  static_assert(sync::store_slots >= 2 * lag_in_tiles + 4);

 public:
  using element_type = T;
  using peers_type = Peers;
  using fragment_type = detail::store_fragment<T, typename Context::group_type>;
  using pack_type = typename fragment_type::pack_type;
  static constexpr transport_traits traits{.name = "store",
                                           .publishes_writes = true,
                                           .slots = sync::store_slots,
                                           .most_pieces = 4,
                                           .lag = lag_in_tiles};

  /// The most elements one message carries, on channels of this shape.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t capacity(const sync::channel_shape& shape,
                                                               int width) noexcept {
    const auto held = static_cast<uint32_t>(width * fragment_type::packs);
    const uint32_t slot = shape.store_bytes / pack_type::bytes;
    return (held < slot ? held : slot) * pack_type::size;
  }

  /// How many tiles of the most elements fit into one message.
  [[nodiscard]] PEERFOLD_HD static constexpr uint32_t most_pieces(const sync::channel_shape& shape,
                                                                  int width) noexcept {
    const uint32_t fit = shape.store_bytes / piece_bytes(width);
    return fit < 1 ? 1 : fit < traits.most_pieces ? fit : traits.most_pieces;
  }

  PEERFOLD_HD explicit store_flag(Context& c, Peers peers = {}) noexcept
      : base{c}, shared_{c.template scratch<shared>()}, peers_{peers} {
    if constexpr (!Peers::all) first_ = first_of(peers_, c_.ranks(), c_.rank());
    if constexpr (keeps_numbers) {
      kept_ = sync::read_by_lane(c_.state().store[0], c_.group().lane(), c_.group().width());
      // While that is under way.
      kept_offset_ = arch::optimization_barrier(work_out_offset(c_.rank(), peer(0)));
    }
    start_ = keeps_numbers ? kept_.sent : c_.state().store[first_].sent;
  }

  /// Writes this rank's fragment of tile x into the ring of the rank `step` after it,
  /// 1 <= step < N, if it is a peer, as the message's tile number `piece`. Published by commit().
  PEERFOLD_HD void send(int step, const tile& x, const fragment_type& values,
                        uint32_t piece = 0) noexcept {
    put<true>(step, x, values, piece);
  }

  /// Whether the first message of a call has room at the only peer, so that send_at_once() will do.
  [[nodiscard]] PEERFOLD_HD bool has_room() const noexcept {
    if constexpr (!keeps_numbers) return true;
    return has_credit(peer(0), kept_.sent + 1);
  }

  /// send(), with one peer without the wait for room, whose code is longer than all else of a call
  /// of one tile.
  PEERFOLD_HD void send_at_once(int step, const tile& x, const fragment_type& values) noexcept {
    put<!keeps_numbers>(step, x, values, 0);
  }

  /// Publishes the message to every peer, and with it every plain write that a lane of the group
  /// made to peers' memory before.
  PEERFOLD_HD void commit() noexcept {
    ++commits_;
    if constexpr (keeps_numbers) {
      // With one peer, whose slots are many, credits seldom matter to the lanes that do not wait.
      shares_credit_ = !has_credit(peer(0), kept_.sent + commits_ + 2);
    }
    // Where there is one flag, all about it is worked out before the barrier.
    [[maybe_unused]] uint64_t* flag = nullptr;
    [[maybe_unused]] uint64_t news = 0;
    if constexpr (keeps_numbers) {
      flag = arch::optimization_barrier(flag_at(1));
      news = arch::optimization_barrier(news_for(peer(0)));
    }
    c_.group().sync();
    if (ok_) {
      for_each_other([&](int step, int peer) {
        c_.delay(sync::delay_site::before_publish, before(peer).sent + commits_);
        if constexpr (keeps_numbers) {
          arch::store_release(flag, news);
        } else {
          arch::store_release(flag_at(step), news_for(peer));
        }
      });
    }
    // Behind the release, which would wait for it.
    if (commits_ == 1) c_.enter(&c_.state().store[first_].sent, start_);
  }

  /// What the peers sent, still in this rank's ring; valid until release().
  class arrivals {
   public:
    /// Whether all messages came: the same for all lanes.
    PEERFOLD_HD explicit operator bool() const noexcept { return ok_; }

    /// This lane's u-th pack, the i-th of the tile, of rank q; `mine` where q is the own rank.
    [[nodiscard]] PEERFOLD_HD pack_type pack_of(int q, uint32_t /*u*/, uint32_t i,
                                                const pack_type& mine) const noexcept {
      if (q == rank_) return mine;
      const stl::byte* first;
      if constexpr (holds_arrivals) {
        first = q < rank_ ? first_[q < others ? q : 0] : first_[q > 0 ? q - 1 : 0];
      } else {
        first = from_->first_pack_from(q) + piece_;
      }
      return arch::load_vector<pack_type>(first + (i - lane_) * sizeof(pack_type));
    }

    /// The same of the j-th other rank, ascending.
    [[nodiscard]] PEERFOLD_HD pack_type pack_of_peer(int j, uint32_t /*u*/,
                                                     uint32_t i) const noexcept {
      return arch::load_vector<pack_type>(first_[j] + (i - lane_) * sizeof(pack_type));
    }
    /// The own rank.
    [[nodiscard]] PEERFOLD_HD int rank() const noexcept { return rank_; }

    /// The same so many bytes behind these.
    [[nodiscard]] PEERFOLD_HD arrivals at_offset(uint32_t bytes) const noexcept {
      arrivals shifted = *this;
      if constexpr (holds_arrivals) {
        PEERFOLD_UNROLL
        for (int j = 0; j < others; ++j) shifted.first_[j] += bytes;
      } else {
        shifted.piece_ = bytes;
      }
      return shifted;
    }

    /// The message's tile number `piece`, where these are the first, in a group so wide.
    [[nodiscard]] PEERFOLD_HD arrivals at_piece(uint32_t piece, int width) const noexcept {
      return at_offset(piece * piece_bytes(width));
    }

   private:
    friend class store_flag;
    const stl::byte* first_[holds_arrivals && others > 0 ? others : 1];  ///< this lane's first
                                                                         ///< pack of each
    source from_;  ///< where those are not held,
    shift piece_;  ///< and how far behind them this tile's are
    uint32_t lane_;
    int rank_;
    bool ok_;
  };

  /// Waits for the next message of every peer. Where flags say that data are there, their size
  /// does not matter.
  [[nodiscard]] PEERFOLD_HD arrivals receive(const tile& /*x*/) noexcept { return receive_any(); }

  template <class TileOf>
  [[nodiscard]] PEERFOLD_HD arrivals receive_each(TileOf /*tile_of*/) noexcept {
    return receive_any();
  }

  /// Waits for the last message of every peer, which carries nothing; behind another receive of the
  /// call, and close() is next. Returns false to lanes that know of a fault. Lanes that wait for
  /// nobody are not held up, and see what peers wrote only behind the group's next barrier.
  [[nodiscard]] PEERFOLD_HD bool receive_last() noexcept {
    ++receipts_;
    const bool here = await_each();
    if (shares_credit_) credits_shared_ = true;
    return here;
  }

  /// Gives the slots of the last receive() back; the next commit() tells the peers. Returns, to all
  /// lanes alike, whether the group has received so far; where not, the call must end. A call's
  /// last receive goes without.
  [[nodiscard]] PEERFOLD_HD bool release() noexcept {
    ++releases_;
    return ok_;
  }

  /// Gives all slots back and keeps the sequence numbers for the next call. To be called by all
  /// lanes, last. Before another transport of the same block the group must sync.
  PEERFOLD_HD void close() noexcept {
    if ((commits_ | receipts_) == 0) return;
    // All lanes have read the numbers, and one has its ticket: where they are kept, by the barriers
    // of a commit and the first receive.
    if (!keeps_numbers || receipts_ == 0) c_.group().sync();
    for_each_other([&](int /*step*/, int peer) {
      const sync::pair_sequence last = before(peer);
      const uint32_t heard = keeps_numbers && receipts_ != 0 ? heard_credit_
                             : keeps_numbers                 ? last.credit
                                                             : credit(peer);
      c_.state().store[sync::peer_index<n>(peer, c_.rank())] = {
          last.sent + commits_, last.received + receipts_, heard, last.calls + 1};
    });
    c_.leave();
  }

 private:
  template <bool Waits>
  PEERFOLD_HD void put(int step, const tile& x, const fragment_type& values,
                       uint32_t piece) noexcept {
    const int to = c_.rank_after(step);
    if (!peers_.has(to)) return;
    const uint64_t message = before(to).sent + commits_ + 1;
    if constexpr (Waits) {
      if (!has_credit(to, message)) [[unlikely]] {
        await_credit(to, message);
        if (!ok_) return;
      }
    }
    stl::byte* pack = c_.region(step) + offset(to, c_.rank()) + c_.layout().store_slot(message) +
                      piece * piece_stride();
    for_each_pack<fragment_type::packs>(
        c_.group(), packs_of(x, pack_type::size),
        [&](uint32_t u, uint32_t i) { arch::store_vector(pack + later(i), values.at[u]); });
  }

  /// Bytes that a slot has for each tile of a message.
  PEERFOLD_HD static constexpr uint32_t piece_bytes(int width) noexcept {
    return static_cast<uint32_t>(width * fragment_type::packs * pack_type::bytes);
  }

  /// How far apart they lie.
  [[nodiscard]] PEERFOLD_HD uint32_t piece_stride() const noexcept {
    if constexpr (requires { peers_.piece_bytes; }) {
      return peers_.piece_bytes;
    } else {
      return piece_bytes(c_.group().width());
    }
  }

  struct shared {
    uint32_t credit[sync::most_others<n>];  ///< as in pair_sequence, once credits_shared_
  };

  /// What the state says of a peer: before this call.
  [[nodiscard]] PEERFOLD_HD sync::pair_sequence before(int peer) const noexcept {
    if constexpr (keeps_numbers) {
      return kept_;
    } else {
      return c_.state().store[sync::peer_index<n>(peer, c_.rank())];
    }
  }

  /// The same for all lanes: it changes only between two barriers of the group.
  [[nodiscard]] PEERFOLD_HD uint32_t credit(int peer) const noexcept {
    return credits_shared_ ? shared_credit(peer) : before(peer).credit;
  }
  [[nodiscard]] PEERFOLD_HD uint32_t& shared_credit(int peer) const noexcept {
    return shared_.credit[sync::peer_index<n>(peer, c_.rank())];
  }

  [[nodiscard]] PEERFOLD_HD arrivals receive_any() noexcept {
    ++receipts_;
    arrivals in;
    in.rank_ = arch::optimization_barrier(c_.rank());
    in.lane_ = static_cast<uint32_t>(c_.group().lane());
    if constexpr (!holds_arrivals) {
      in.from_ = this;
      in.piece_ = 0;
    } else {
      PEERFOLD_UNROLL
      for (int j = 0; j < others; ++j) {
        in.first_[j] = first_pack_from(peer(j));
        if constexpr (keeps_numbers) in.first_[j] = arch::optimization_barrier(in.first_[j]);
      }
    }
    ok_ = !c_.group().any(!await_each());
    if (shares_credit_) credits_shared_ = true;
    in.ok_ = ok_;
    return in;
  }

  /// Waits for a message of every peer, in a lane for each. Returns false to lanes that have given
  /// up.
  [[nodiscard]] PEERFOLD_HD bool await_each() noexcept {
    bool here = ok_;
    // Between the arrival and the vote every instruction counts, so all else comes before.
    const bool quits = c_.look_at_ticket() != 0;
    for_each_other([&](int /*step*/, int peer) {
      const uint64_t message = before(peer).received + receipts_;
      // Most often it is this, which is found out at once.
      const uint64_t awaited =
          arch::optimization_barrier(sync::flag_of(message, 0, call_of(peer), digest_for(peer)));
      const auto arrived = [&](uint64_t flag) {
        return sync::same_but_credit(flag, awaited) || sync::completes(flag, message);
      };
      const uint64_t seen = await(peer, here, arrived, message);
      if (!sync::same_but_credit(seen, awaited)) [[unlikely]] {
        if (sync::of_another_call(seen, call_of(peer), digest_for(peer)) && here) {
          c_.disagree(peer, sync::wire(message));
          here = false;
        }
      }
      heard_credit_ = sync::credit_of(seen);
      if (shares_credit_) shared_credit(peer) = heard_credit_;
      c_.delay(sync::delay_site::after_receive, message);
    });
    return here && !quits;
  }

  /// This lane's first pack of the message that came last from a peer, or is awaited.
  [[nodiscard]] PEERFOLD_HD const stl::byte* first_pack_from(int peer) const noexcept {
    return c_.region(0) + offset(c_.rank(), peer) +
           c_.layout().store_slot(before(peer).received + receipts_);
  }

  /// The number of this call between this rank and `peer`, and its digest.
  [[nodiscard]] PEERFOLD_HD uint32_t call_of(int peer) const noexcept {
    return before(peer).calls + 1;
  }
  [[nodiscard]] PEERFOLD_HD call_digest digest_for(int peer) const noexcept {
    return {c_.digest().low ^ peers_.salt(c_.rank(), peer), c_.digest().high};
  }

  /// The j-th of the other ranks, ascending.
  [[nodiscard]] PEERFOLD_HD int peer(int j) const noexcept { return j < c_.rank() ? j : j + 1; }

  /// The flag here that a peer raises, and this rank's at the rank `step` after it.
  [[nodiscard]] PEERFOLD_HD const uint64_t* flag_from(int peer) const noexcept {
    return c_.layout().flag(c_.region(0), c_.block(), peer);
  }
  [[nodiscard]] PEERFOLD_HD uint64_t* flag_at(int step) const noexcept {
    return c_.layout().flag(c_.region(step), c_.block(), c_.rank());
  }

  /// What the flag at a peer says of the messages committed and released so far.
  [[nodiscard]] PEERFOLD_HD uint64_t news_for(int peer) const noexcept {
    return sync::flag_of(before(peer).sent + commits_, before(peer).received + releases_,
                         call_of(peer), digest_for(peer));
  }

  /// Where in `rank`'s region this lane's first pack lies, in slot 0 of the ring that `peer` stores
  /// into; its pack i lies later(i) bytes behind.
  [[nodiscard]] PEERFOLD_HD size_t offset(int rank, int peer) const noexcept {
    if constexpr (keeps_numbers) return kept_offset_;  // the same for both
    return work_out_offset(rank, peer);
  }
  [[nodiscard]] PEERFOLD_HD size_t work_out_offset(int rank, int peer) const noexcept {
    return c_.layout().store_ring(c_.block(), rank, peer) +
           static_cast<uint32_t>(c_.group().lane()) * sizeof(pack_type);
  }
  [[nodiscard]] PEERFOLD_HD size_t later(uint32_t i) const noexcept {
    return (i - static_cast<uint32_t>(c_.group().lane())) * sizeof(pack_type);
  }

  /// Spreads the other ranks over the lanes: visit(step, peer) is called for each by one
  /// lane, of the rank `step` after this one.
  template <class Visit>
  PEERFOLD_HD void for_each_other(Visit visit) const {
    if constexpr (others == 1) {
      const int peer = c_.rank_after(1);
      if (c_.group().elect() && peers_.has(peer)) visit(1, peer);
    } else {
      PEERFOLD_NO_UNROLL
      for (int step = c_.group().lane() + 1; step < c_.ranks(); step += c_.group().width()) {
        const int peer = c_.rank_after(step);
        if (peers_.has(peer)) visit(step, peer);
      }
    }
  }

  [[nodiscard]] PEERFOLD_HD bool has_credit(int to, uint64_t message) const noexcept {
    return sync::ahead_of(message, credit(to)) <= static_cast<uint32_t>(sync::store_slots);
  }

  /// Polls a peer's flag until arrived(flag), which says that message `awaited` was sent or
  /// released; returns the flag last seen. Clears `here` on a fault.
  template <class Arrived>
  PEERFOLD_HD uint64_t await(int peer, bool& here, Arrived arrived, uint64_t awaited) noexcept {
    const uint64_t* flag = flag_from(peer);
    uint32_t polls = 0;
    uint64_t since = 0;
    uint64_t seen = 0;
    bool suspected = false;
    uint32_t looks = 0;
    PEERFOLD_NO_UNROLL
    for (;;) {
      // Stands before the poll, so that what follows the wait follows the poll.
      if (looks != 0) [[unlikely]] {
        // Of another transport, at two looks: what came before would be here by now.
        const bool sent = packet_is_there(c_, peer) || sentinel_is_there(c_, peer);
        if (c_.give_up(since, peer, receipts_ > 1, sync::wire(awaited),
                       static_cast<uint32_t>(seen) & 0xffffu, sent && suspected)) {
          here = false;
        }
        suspected = sent;
      }
      seen = arch::load_acquire(flag);
      if (arrived(seen) || !here) return seen;
      looks = arch::optimization_barrier(c_.may_poll(polls) ? uint32_t{0} : uint32_t{1});
    }
  }

  /// All lanes wait until the peer has released the slot of this message.
  PEERFOLD_HD void await_credit(int to, uint64_t message) noexcept {
    bool here = ok_;
    // Nobody may still be reading the old credit when it changes.
    c_.group().sync();
    for_each_other([&](int /*step*/, int peer) {
      uint32_t known = credit(peer);
      if (peer == to) {
        const auto released = [&](uint64_t flag) {
          return sync::ahead_of(message, sync::credit_of(flag)) <= sync::store_slots;
        };
        known = sync::credit_of(await(peer, here, released, message - sync::store_slots));
      }
      heard_credit_ = known;
      shared_credit(peer) = known;
    });
    ok_ = !c_.group().any(!here);
    credits_shared_ = true;
  }

  shared& shared_;
  uint32_t commits_ = 0;
  uint32_t receipts_ = 0;
  uint32_t releases_ = 0;
  uint32_t heard_credit_ = 0;  ///< as last received, by the lane that waited
  // Where keeps_numbers.
  sync::pair_sequence kept_;
  size_t kept_offset_;
  uint64_t start_;  ///< the number of messages sent to first_ before this call
  [[no_unique_address]] Peers peers_;
  int first_ = 0;  ///< one of the peers, as a position among the others
  /// Whether the next receive makes credits known to all lanes, which await_credit() does
  /// otherwise.
  bool shares_credit_ = true;
  bool credits_shared_ = false;
  bool ok_ = true;
};

}  // namespace peerfold::transport
