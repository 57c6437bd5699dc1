/// \file
/// What every collective checks before it launches anything.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/execution/options.hpp>
#include <peerfold/memory/symmetric_buffer.hpp>
#include <peerfold/team/team.hpp>

#include <array>
#include <concepts>
#include <cstdint>
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

[[nodiscard]] inline error bad_argument(std::string message) {
  return {errc::invalid_argument, std::move(message)};
}

/// The team, the options and the count of a call.
template <class Team>
[[nodiscard]] error check_call(const Team& team, element_count count, std::size_t element_bytes,
                               const call_options& options) {
  if (team.ranks() == nullptr) {
    return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
  }
  if (const team_status status = team.status(); !status) {
    return {errc::team_faulted,
            "team: an earlier call ran into a fault; make a new team. " + status.to_string()};
  }
  if (count.negative()) {
    return bad_argument("count: " + std::to_string(static_cast<std::int64_t>(count.value())) +
                        " elements; a count is not negative");
  }
  if (count.value() > SIZE_MAX / 2 / element_bytes) {
    return bad_argument("count: " + std::to_string(count.value()) + " elements of " +
                        std::to_string(element_bytes) + " bytes overflow the address space");
  }
  if (options.channel < 0 || options.channel >= team.channels()) {
    return bad_argument("options.channel: " + std::to_string(options.channel) +
                        "; this team has channels 0 to " + std::to_string(team.channels() - 1));
  }
  if (options.max_blocks < 0) {
    return bad_argument("options.max_blocks: " + std::to_string(options.max_blocks) +
                        "; use 0 for all that the channel has");
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

/// Whether two ranges of `bytes` bytes share some, but do not coincide.
[[nodiscard]] inline bool partly_overlap(const void* a, const void* b, std::size_t bytes) noexcept {
  const auto x = reinterpret_cast<std::uintptr_t>(a);
  const auto y = reinterpret_cast<std::uintptr_t>(b);
  return x != y && (x < y ? y - x : x - y) < bytes;
}

/// The buffers of M ranks, `count` elements each: there, aligned to the element, and overlapping
/// only where a rank's output is its own input.
template <class T, int M>
[[nodiscard]] error check_buffers(const std::array<const T*, M>& in, const std::array<T*, M>& out,
                                  std::size_t count) {
  if (count == 0) return {};
  const auto name = [](const char* which, std::size_t r) {
    return M == 1 ? std::string{which} : std::string{which} + '[' + std::to_string(r) + ']';
  };
  const auto bad = [&](const void* pointer, const std::string& which) -> error {
    if (pointer == nullptr) {
      return bad_argument(which + ": null; pass memory of " + std::to_string(count) + " elements");
    }
    if (reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) != 0) {
      return bad_argument(which + ": " + address_of(pointer) + " is not aligned; elements of " +
                          std::to_string(sizeof(T)) + " bytes need a multiple of " +
                          std::to_string(alignof(T)));
    }
    return {};
  };
  const std::size_t bytes = count * sizeof(T);
  for (std::size_t r = 0; r < M; ++r) {
    if (error reason = bad(in[r], name("in", r))) return reason;
    if (error reason = bad(out[r], name("out", r))) return reason;
  }
  for (std::size_t r = 0; r < M; ++r) {
    for (std::size_t q = 0; q < M; ++q) {
      const bool crossed = static_cast<const void*>(out[r]) == static_cast<const void*>(in[q]);
      if (partly_overlap(out[r], in[q], bytes) || (r != q && crossed)) {
        return bad_argument(name("out", r) + ": " + address_of(out[r]) + " overlaps " +
                            name("in", q) + " at " + address_of(in[q]) +
                            "; let them coincide (in place, the same rank) or keep them apart");
      }
      if (r < q && (out[r] == out[q] || partly_overlap(out[r], out[q], bytes))) {
        return bad_argument(name("out", q) + ": " + address_of(out[q]) + " overlaps " +
                            name("out", r) + " at " + address_of(out[r]) +
                            "; every rank needs an output of its own");
      }
    }
  }
  return {};
}

/// Two symmetric buffers of a call: both of this team, and of one size.
template <class Team, class T, int N, class Tag>
[[nodiscard]] error check_symmetric(const Team& team, const symmetric_buffer<T, N, Tag>& in,
                                    const symmetric_buffer<T, N, Tag>& out) {
  for (const auto* buffer : {&in, &out}) {
    const char* name = buffer == &in ? "in" : "out";
    if (buffer->team_id() == 0) {
      return bad_argument(std::string{name} +
                          ": it was moved from; pass the buffer it was moved to");
    }
    if (buffer->team_id() != team.id()) {
      return bad_argument(std::string{name} + ": it belongs to team " +
                          std::to_string(buffer->team_id()) + ", the call is of team " +
                          std::to_string(team.id()) + "; allocate it with this team");
    }
  }
  if (in.size() != out.size()) {
    return bad_argument("out: " + std::to_string(out.size()) + " elements for an input of " +
                        std::to_string(in.size()) + "; they must be equal");
  }
  return {};
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
