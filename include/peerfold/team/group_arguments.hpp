/// \file
/// What is checked of groups: that nothing that is written overlaps, and whose they are.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/team/arguments.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::detail {

/// A range of bytes that a call reads or writes.
struct memory_range {
  std::uintptr_t begin;
  std::uintptr_t end;
  bool written;
  std::string name;
};

/// Checks memory of `count` elements, and adds its range, of which begin, written and name are
/// given, to `all`.
[[nodiscard]] inline error check_range(memory_range range, std::size_t count,
                                       std::size_t element_bytes, std::size_t alignment,
                                       std::vector<memory_range>& all) {
  const std::string address = address_of(reinterpret_cast<void*>(range.begin));
  if (range.begin == 0) {
    return bad_argument({range.name, ": null; pass memory of ", count, " elements"});
  }
  if (range.begin % alignment != 0) {
    return bad_argument({range.name, ": ", address, " is not aligned; elements of ", element_bytes,
                         " bytes need a multiple of ", alignment});
  }
  if (count > (UINTPTR_MAX - range.begin) / element_bytes) {
    return bad_argument(
        {range.name, ": ", count, " elements from ", address, " on overflow the address space"});
  }
  range.end = range.begin + count * element_bytes;
  all.push_back(std::move(range));
  return {};
}

/// Whether what is written overlaps anything else; `advice` says what to do about it. Sorts them.
[[nodiscard]] inline error check_apart(std::vector<memory_range>& all, const char* advice) {
  std::sort(all.begin(), all.end(),
            [](const memory_range& a, const memory_range& b) { return a.begin < b.begin; });
  const memory_range* farthest = nullptr;  // of all so far, and of those that are written
  const memory_range* written = nullptr;
  for (const memory_range& next : all) {
    const memory_range* before = next.written ? farthest : written;
    if (before != nullptr && next.begin < before->end) {
      return bad_argument({next.name, ": ", address_of(reinterpret_cast<void*>(next.begin)),
                           " overlaps ", before->name, "; ", advice});
    }
    if (farthest == nullptr || next.end > farthest->end) farthest = &next;
    if (next.written && (written == nullptr || next.end > written->end)) written = &next;
  }
  return {};
}

/// Whether a group was made with this team, and has the `things` of ranks [first, last).
template <class Team, class Group>
[[nodiscard]] error check_group(const Team& team, int first, int last, const Group& group,
                                const char* things) {
  if (group.team_id() == 0) {
    return bad_argument({"group: it was moved from; pass the group it was moved to"});
  }
  if (group.team_id() != team.id()) {
    return bad_argument({"group: it belongs to team ", group.team_id(), ", the call is of team ",
                         team.id(), "; make it with this team"});
  }
  for (int r = first; r < last; ++r) {
    if (group.has_rank(r)) continue;
    return bad_argument({"group: it has no ", things, " of rank ", r,
                         "; make it for all ranks, or for the rank that calls"});
  }
  return {};
}

}  // namespace peerfold::detail
