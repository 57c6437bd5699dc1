/// \file
/// What a team knows of its faults.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/sync/fault.hpp>

#include <array>
#include <cstddef>
#include <string>

namespace peerfold {

/// A report in words, naming the rank that did not arrive.
inline std::string to_string(const fault_report& report) {
  std::string text = "rank ";
  text += std::to_string(report.rank);
  text += " in ";
  text += to_string(report.where);
  text += " (channel ";
  text += std::to_string(report.channel);
  text += ", block ";
  text += std::to_string(report.block);
  text += ")";
  std::string awaited = " for rank ";
  awaited += std::to_string(report.peer);
  awaited += ": expected mark ";
  awaited += std::to_string(report.expected);
  awaited += ", saw ";
  awaited += std::to_string(report.seen);
  switch (report.kind) {
    case fault_kind::timeout: return text + " spent its wait budget waiting" + awaited;
    case fault_kind::aborted:
      return text + " was aborted by the host" +
             (report.peer < 0 ? "" : " while waiting" + awaited);
    case fault_kind::channel_busy:
      return text +
             " found its channel in use by another kernel: order the calls of a channel, "
             "or use one channel each";
    case fault_kind::none: break;
  }
  return "no fault";
}

/// Whether a team is usable, and the reports of the ranks that know why not. More ranks may report
/// later.
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
  [[nodiscard]] std::string to_string() const {
    if (ok()) return "ok";
    std::string text = aborted_ ? "aborted by the host" : "";
    for (const fault_report& report : *this) {
      if (!text.empty()) text += '\n';
      text += peerfold::to_string(report);
    }
    return text;
  }

  void add(const fault_report& report) noexcept { reports_[size_++] = report; }
  void set_aborted() noexcept { aborted_ = true; }

 private:
  std::array<fault_report, max_ranks> reports_{};
  std::size_t size_ = 0;
  bool aborted_ = false;
};

}  // namespace peerfold
