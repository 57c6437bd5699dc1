/// \file
/// What every collective checks before it launches anything.
#pragma once

#include <peerfold/arch/vector_access.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/team/team.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

namespace peerfold {

/// A number of elements. Made from any integer; a negative one is remembered, and refused by the
/// call in words.
class element_count {
 public:
  template <std::integral I>
  constexpr element_count(I count) noexcept  // NOLINT: a count is a number
      : value_{static_cast<std::size_t>(count)},
        negative_{std::is_signed_v<I> && static_cast<std::intmax_t>(count) < 0} {}

  [[nodiscard]] constexpr std::size_t value() const noexcept { return value_; }
  [[nodiscard]] constexpr bool negative() const noexcept { return negative_; }

 private:
  std::size_t value_;
  bool negative_;
};

namespace detail {

/// The refusal of an argument: its name, its value and the remedy.
[[nodiscard, gnu::cold]] inline error bad_argument(std::initializer_list<text_part> message) {
  return {errc::invalid_argument, text_of(message)};
}

/// The team, the options and the count of a call.
template <class Team>
[[nodiscard]] error check_call(const Team& team, element_count count, std::size_t element_bytes,
                               const call_options& options) {
  if (team.ranks() == nullptr) {
    return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
  }
  if (team.faulted()) {
    const team_status status = team.status();
    return {
        errc::team_faulted,
        text_of({"team: an earlier call ran into a fault; make a new team. ", status.to_string()})};
  }
  if (count.negative()) {
    return bad_argument({"count: ", static_cast<std::int64_t>(count.value()),
                         " elements; a count is not negative"});
  }
  if (count.value() > SIZE_MAX / 2 / element_bytes) {
    return bad_argument({"count: ", count.value(), " elements of ", element_bytes,
                         " bytes overflow the address space"});
  }
  if (options.channel < 0 || options.channel >= team.channels()) {
    return bad_argument({"options.channel: ", options.channel, "; this team has channels 0 to ",
                         team.channels() - 1});
  }
  if (options.max_blocks < 0) {
    return bad_argument(
        {"options.max_blocks: ", options.max_blocks, "; use 0 for all that the channel has"});
  }
  return {};
}

/// An address as text.
[[nodiscard]] inline std::string address_of(const void* pointer) {
  std::string digits;
  for (auto rest = reinterpret_cast<std::uintptr_t>(pointer); rest != 0; rest /= 16) {
    digits.insert(digits.begin(), "0123456789abcdef"[rest % 16]);
  }
  return "0x" + digits;
}

/// Whether two ranges share a byte.
[[nodiscard]] inline bool overlap(const void* a, std::size_t a_bytes, const void* b,
                                  std::size_t b_bytes) noexcept {
  const auto x = reinterpret_cast<std::uintptr_t>(a);
  const auto y = reinterpret_cast<std::uintptr_t>(b);
  return x < y ? y - x < a_bytes && b_bytes != 0 : x - y < b_bytes && a_bytes != 0;
}

/// What a collective's ranks give and get, for calls in memory; `root` where there is one.
template <collective Which>
struct parts_of {
  std::size_t count;  ///< elements of a part
  int ranks;
  int root;

  /// Whether a rank gives one part for each rank and gets one, or the other way round.
  static constexpr bool scatters = parts_given(Which, 2) > parts_got(Which, 2);
  static constexpr bool gathers = parts_given(Which, 2) < parts_got(Which, 2);

  /// Elements that rank r gives, and gets.
  [[nodiscard]] std::size_t given(int r) const noexcept {
    const bool gives =
        (Which != collective::broadcast && Which != collective::scatter) || r == root;
    return gives ? count * static_cast<std::size_t>(parts_given(Which, ranks)) : 0;
  }
  [[nodiscard]] std::size_t got(int r) const noexcept {
    const bool gets = (Which != collective::reduce && Which != collective::gather) || r == root;
    return gets ? count * static_cast<std::size_t>(parts_got(Which, ranks)) : 0;
  }

  /// Whether rank r's call is in place: what it gives itself is where it gets it.
  template <class T>
  [[nodiscard]] bool in_place(int r, const T* in, const T* out) const noexcept {
    const std::size_t own = count * static_cast<std::size_t>(r);
    return arch::element_at(in, scatters ? own : 0) == arch::element_at(out, gathers ? own : 0);
  }

  /// How in-place calls are made.
  static constexpr const char* in_place_form = scatters ? "let out be in + rank * count (in place)"
                                               : gathers
                                                   ? "let in be out + rank * count (in place)"
                                                   : "let them coincide (in place, the same rank)";
};

/// The memory of M ranks from rank `first` on: there, aligned to the element, and overlapping only
/// where a rank works in place.
template <class T, int M, class Parts>
[[nodiscard]] error check_memory(const Parts& parts, int first, const std::array<const T*, M>& in,
                                 const std::array<T*, M>& out) {
  const auto name = [](const char* which, std::size_t r) {
    return M == 1 ? text_of({which}) : text_of({which, "[", r, "]"});
  };
  const auto bad = [&](const void* pointer, std::size_t elements, const char* which,
                       std::size_t r) -> error {
    if (elements == 0) return {};
    if (pointer == nullptr) {
      return bad_argument({name(which, r), ": null; pass memory of ", elements, " elements"});
    }
    if (reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) != 0) {
      return bad_argument({name(which, r), ": ", address_of(pointer),
                           " is not aligned; elements of ", sizeof(T), " bytes need a multiple of ",
                           alignof(T)});
    }
    return {};
  };
  const auto rank = [&](std::size_t i) { return first + static_cast<int>(i); };
  const auto ranks = static_cast<std::size_t>(std::min(M, parts.ranks - first));
  for (std::size_t r = 0; r < ranks; ++r) {
    if (error reason = bad(in[r], parts.given(rank(r)), "in", r)) return reason;
    if (error reason = bad(out[r], parts.got(rank(r)), "out", r)) return reason;
  }
  for (std::size_t r = 0; r < ranks; ++r) {
    const std::size_t out_bytes = parts.got(rank(r)) * sizeof(T);
    for (std::size_t q = 0; q < ranks; ++q) {
      const std::size_t in_bytes = parts.given(rank(q)) * sizeof(T);
      if (overlap(out[r], out_bytes, in[q], in_bytes) &&
          !(r == q && parts.in_place(rank(r), in[q], out[r]))) {
        return bad_argument({name("out", r), ": ", address_of(out[r]), " overlaps ", name("in", q),
                             " at ", address_of(in[q]), "; ", Parts::in_place_form,
                             " or keep them apart"});
      }
      if (r < q && overlap(out[r], out_bytes, out[q], parts.got(rank(q)) * sizeof(T))) {
        return bad_argument({name("out", q), ": ", address_of(out[q]), " overlaps ", name("out", r),
                             " at ", address_of(out[r]),
                             "; every rank needs an output of its own"});
      }
    }
  }
  return {};
}

/// The root of a rooted collective.
template <class Team>
[[nodiscard]] error check_root(const Team& team, int root) {
  if (root >= 0 && root < team.rank_count()) return {};
  return bad_argument({"root: ", root, "; this team has ranks 0 to ", team.rank_count() - 1});
}

/// Two symmetric buffers of a call: both of this team.
template <class Team, class T, int N, class Tag>
[[nodiscard]] error check_symmetric_pair(const Team& team, const symmetric_buffer<T, N, Tag>& in,
                                         const symmetric_buffer<T, N, Tag>& out) {
  for (const auto* buffer : {&in, &out}) {
    const char* name = buffer == &in ? "in" : "out";
    if (buffer->team_id() == 0) {
      return bad_argument({name, ": it was moved from; pass the buffer it was moved to"});
    }
    if (buffer->team_id() != team.id()) {
      return bad_argument({name, ": it belongs to team ", buffer->team_id(),
                           ", the call is of team ", team.id(), "; allocate it with this team"});
    }
  }
  return {};
}

/// The same for `given` parts of equal size and `got`.
template <class Team, class T, int N, class Tag>
[[nodiscard]] error check_symmetric(const Team& team, const symmetric_buffer<T, N, Tag>& in,
                                    const symmetric_buffer<T, N, Tag>& out, int given = 1,
                                    int got = 1) {
  if (error reason = check_symmetric_pair(team, in, out)) return reason;
  if (in.size() % static_cast<std::size_t>(given) != 0) {
    return bad_argument(
        {"in: ", in.size(), " elements; it needs a multiple of ", given, ", a part for each rank"});
  }
  const std::size_t needed =
      in.size() / static_cast<std::size_t>(given) * static_cast<std::size_t>(got);
  if (out.size() != needed) {
    return bad_argument(
        {"out: ", out.size(), " elements for an input of ", in.size(),
         (given == got ? std::string{"; they must be equal"} : text_of({"; it needs ", needed}))});
  }
  return {};
}

/// The finish of an operator for a team's ranks.
template <class Op, class T, class Team>
[[nodiscard]] auto finish_for(const Team& team) {
  return make_default_finish<Op, T, Team::size>(team.rank_count());
}

/// Where the ranks of a call end that begin with rank `first` and have an entry in arrays of M.
template <std::size_t M, class Team>
[[nodiscard]] int end_of(const Team& team, int first) {
  return std::min(first + static_cast<int>(M), team.rank_count());
}

/// The same functor for every rank: only the caller's is used.
template <int N, class F>
[[nodiscard]] std::array<F, N> everywhere(const F& f) {
  return [&]<std::size_t... R>(std::index_sequence<R...>) {
    return std::array<F, N>{((void)R, f)...};
  }(std::make_index_sequence<N>{});
}

}  // namespace detail
}  // namespace peerfold
