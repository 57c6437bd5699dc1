/// \file
/// What a team knows of its faults.
#pragma once

#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/sync/fault.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace peerfold {

namespace detail {

/// The name of the type of that number, one of a list; `other` where it is none of them.
template <class... Types>
[[nodiscard]] const char* name_in(type_list<Types...>, std::uint32_t number,
                                  const std::array<const char*, sizeof...(Types)>& names,
                                  const char* other) {
  const std::array<std::uint32_t, sizeof...(Types)> numbers{type_number<Types>()...};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] == number) return names[i];
  }
  return other;
}

[[nodiscard]] inline const char* element_name(std::uint32_t number) {
  return name_in(known_elements{}, number,
                 {"float", "double", "int32", "uint32", "int64", "uint64", "int16", "uint16",
                  "int8", "uint8", "bool", "fp8_e4m3", "fp8_e5m2", "half", "bfloat16"},
                 "elements of another type");
}

[[nodiscard]] inline const char* operator_name(std::uint32_t number) {
  return name_in(
      builtin_operators{}, number,
      {"sum", "prod", "min", "max", "avg", "bit_and", "bit_or", "bit_xor", "argmin", "argmax"},
      "another operator");
}

}  // namespace detail

/// What a rank called, in words: "all_reduce of 1000 float, sum, one_shot/packet, 8 blocks".
[[gnu::cold]] inline std::string to_string(const call_signature& call) {
  if (call.element == 0) return to_string(call.which);
  const parts_kind parts = parts_of_call(call);
  const bool in_parts = parts == parts_kind::unequal || parts == parts_kind::exchanged;
  const bool folds = call.operation != 0;
  const policy taken{static_cast<algorithm_id>(call.algorithm),
                     static_cast<transport_id>(call.transport)};
  return detail::text_of(
      {to_string(call.which),
       parts == parts_kind::equal       ? " of "
       : parts == parts_kind::unequal   ? " of up to "
       : parts == parts_kind::exchanged ? " of about "
       : parts == parts_kind::transfers ? " of a group of transfers, about "
                                        : " of a group of ",
       call.count, " ", detail::element_name(call.element), in_parts ? " in unequal parts" : "",
       folds ? ", " : "", folds ? detail::operator_name(call.operation) : "",
       is_rooted(call.which) ? detail::text_of({", root ", call.root}) : "", ", ", to_string(taken),
       ", ", call.blocks, call.blocks == 1 ? " block" : " blocks"});
}

/// A report in words, naming the rank that did not arrive, or what this rank called where others
/// called something else.
[[gnu::cold]] inline std::string to_string(const fault_report& report) {
  const auto with = [&](std::initializer_list<detail::text_part> what) {
    const bool disagrees = report.kind == fault_kind::disagreement;
    return detail::text_of({"rank ", report.rank, " in ",
                            disagrees ? to_string(report.call) : to_string(report.call.which),
                            " (channel ", report.channel, ", block ", report.block, ")",
                            detail::text_of(what)});
  };
  const auto awaited = [&] {
    return detail::text_of({" waiting for rank ", report.peer, ": expected mark ", report.expected,
                            ", saw ", report.seen});
  };
  switch (report.kind) {
    case fault_kind::timeout: return with({" spent its wait budget", awaited()});
    case fault_kind::aborted:
      return with({" was aborted by the host", report.peer < 0 ? "" : " while",
                   report.peer < 0 ? "" : awaited()});
    case fault_kind::channel_busy:
      return with(
          {" found its channel in use by another kernel: order the calls of a channel, or use one "
           "channel each"});
    case fault_kind::disagreement:
      return with({report.peer < 0
                       ? " was told that ranks made different calls"
                       : detail::text_of({" found that rank ", report.peer, " made another call"}),
                   ": all ranks make the same calls, in the same order on a channel"});
    case fault_kind::overflow:
      return with(
          {" was sent more elements than its output has room for: give it more, or let the ranks "
           "send less"});
    case fault_kind::unmatched:
      return with({" found that the transfers between it and rank ", report.peer,
                   " do not match: what one sends the other receives, in the same order, of the "
                   "same types and counts"});
    case fault_kind::none: break;
  }
  return "no fault";
}

/// Whether a team is usable, and the reports of the ranks that know why not: first those that name
/// a rank which has not reported itself. (Where ranks wait for each other in a row, as along a
/// chain, all waits may end at once, and each rank name the next.) More ranks may report later.
class team_status {
 public:
  [[nodiscard]] bool ok() const noexcept { return !aborted_ && size_ == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// Whether the host called abort().
  [[nodiscard]] bool aborted() const noexcept { return aborted_; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const fault_report* begin() const noexcept { return reports_.data(); }
  [[nodiscard]] const fault_report* end() const noexcept { return reports_.data() + size_; }

  /// All reports in words, a line each.
  [[nodiscard, gnu::cold]] std::string to_string() const {
    if (ok()) return "ok";
    std::string text = aborted_ ? "aborted by the host" : "";
    for (const fault_report& report : *this) {
      if (!text.empty()) text += '\n';
      text += peerfold::to_string(report);
    }
    return text;
  }

  void add(const fault_report& report) noexcept {
    reports_[size_++] = report;
    reported_.add(report.rank);
    const auto all = reports_;
    std::size_t next = 0;
    for (const bool itself_reports : {false, true}) {
      for (std::size_t i = 0; i < size_; ++i) {
        const int named = all[i].peer;
        const bool reports = named >= 0 && reported_.has(named);
        if (reports == itself_reports) reports_[next++] = all[i];
      }
    }
  }
  void set_aborted() noexcept { aborted_ = true; }

 private:
  std::array<fault_report, run_time_ranks> reports_{};
  std::size_t size_ = 0;
  rank_set<run_time_ranks> reported_;
  bool aborted_ = false;
};

}  // namespace peerfold
