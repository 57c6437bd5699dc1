/// \file
/// Faults: what is known when a wait ends without its data, and the words by which it spreads.
#pragma once

#include <peerfold/arch/ordered_access.hpp>
#include <peerfold/core/call_signature.hpp>
#include <peerfold/core/config.hpp>

namespace peerfold {

enum class fault_kind : uint32_t {
  none,
  timeout,       ///< a peer did not arrive within the wait budget
  aborted,       ///< the host called abort()
  channel_busy,  ///< two kernels used one channel at once
  disagreement,  ///< ranks made different calls
  overflow,      ///< a rank was sent more than its output has room for
  unmatched,     ///< what a rank sends another is not what that one receives
};

/// What one rank knew when it gave up.
struct fault_report {
  fault_kind kind = fault_kind::none;
  int32_t rank = -1;    ///< the rank that gave up
  int32_t peer = -1;    ///< the rank it waited for, or that called something else; -1: none, or it
                        ///< was told by others
  call_signature call;  ///< what the rank that gave up called
  int32_t channel = -1;
  int32_t block = -1;
  uint32_t expected = 0;  ///< sequence number on the wire
  uint32_t seen = 0;      ///< likewise
};

namespace sync {

/// The words of one rank that the host can read while kernels run (pinned memory for a GPU).
struct alignas(64) host_words {
  uint32_t abort = 0;    ///< written by the host
  uint32_t faulted = 0;  ///< written by the rank, released after `report`
  fault_report report{};
};

/// The words at the start of every rank's arena.
struct alignas(128) poison_words {
  uint32_t poison = 0;   ///< not 0 once any rank gave up; written by every rank
  uint32_t claimed = 0;  ///< whoever changes it from 0 writes this rank's report
};

/// The values of a poison word that are not 0. Ranks that disagree about a call all report what
/// they called; of other faults those know who found them.
inline constexpr uint32_t poisoned = 1;
inline constexpr uint32_t poisoned_by_disagreement = 2;

}  // namespace sync
}  // namespace peerfold
