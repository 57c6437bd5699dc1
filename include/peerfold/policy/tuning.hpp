/// \file
/// Tunings: times that were measured on one machine, from which `automatic` chooses there. A small
/// text file, which peerfold-topo measure writes and the environment variable PEERFOLD_TUNING
/// names:
///
///   peerfold-tuning 1
///   machine NVIDIA H100 80GB HBM3
///   # collective ranks memory policy bytes us
///   all_reduce 2 symmetric one_shot/packet 1024 2.19
///
/// The machine is the name of its GPUs, or `threads`; `bytes` are those of a part, the `count`
/// elements of a call, and `us` microseconds. Lines may stand in any order, # begins a comment.
#pragma once

#include <peerfold/core/collective.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/policy/policy.hpp>
#include <peerfold/policy/traits.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerfold {

/// One measured time.
struct tuning_point {
  collective which = collective::none;
  int ranks = 0;
  bool symmetric = false;
  policy of;
  std::size_t bytes = 0;  ///< of a part
  double us = 0;

  friend bool operator==(const tuning_point&, const tuning_point&) = default;
};

/// Measured times of one machine.
class tuning {
 public:
  tuning() = default;
  explicit tuning(std::string machine) : machine_{std::move(machine)} {}

  [[nodiscard]] const std::string& machine() const noexcept { return machine_; }
  [[nodiscard]] const std::vector<tuning_point>& points() const noexcept { return points_; }

  /// Takes a point; of two for the same call the later.
  [[gnu::cold]] void add(const tuning_point& point) {
    const std::size_t at = first_not_before(point);
    if (at < points_.size() && !before(point, points_[at])) {
      points_[at].us = point.us;
    } else {
      points_.insert(points_.begin() + static_cast<std::ptrdiff_t>(at), point);
    }
  }

  /// The time of a call as measured; between two sizes by a power law, beyond the smallest the same
  /// as there, beyond the largest in proportion. Nothing where the policy was not measured.
  [[nodiscard]] std::optional<double> time_us(collective which, int ranks, bool symmetric,
                                              const policy& p, std::size_t bytes) const noexcept {
    // The first that is not smaller, and the one before it.
    const std::size_t at = first_not_before({which, ranks, symmetric, p, bytes, 0});
    const auto is_same = [&](std::size_t i) {
      const tuning_point& q = points_[i];
      return q.which == which && q.ranks == ranks && q.symmetric == symmetric && q.of == p;
    };
    const bool has_above = at < points_.size() && is_same(at);
    if (at == 0 || !is_same(at - 1)) {
      if (has_above) return points_[at].us;
      return {};
    }
    const tuning_point& low = points_[at - 1];
    const double by = static_cast<double>(bytes) / static_cast<double>(low.bytes);
    if (!has_above) return low.us * by;
    const tuning_point& high = points_[at];
    const double whole = static_cast<double>(high.bytes) / static_cast<double>(low.bytes);
    return low.us * std::pow(high.us / low.us, std::log(by) / std::log(whole));
  }

  /// The fastest of some policies as measured; nothing where none of them was.
  template <class List>
  [[nodiscard]] std::optional<policy> fastest(collective which, int ranks, bool symmetric,
                                              const List& candidates, std::size_t bytes) const {
    std::optional<policy> best;
    double least = 0;
    for (const policy& p : candidates) {
      const auto us = time_us(which, ranks, symmetric, p, bytes);
      if (!us || (best && *us >= least)) continue;
      best = p;
      least = *us;
    }
    return best;
  }

  /// What to choose in place of `selected` for a call of so many bytes a part: the fastest as
  /// measured of the policies that give the same bits, with sentinels or without.
  [[nodiscard, gnu::cold]] policy choose(collective which, int ranks, bool symmetric,
                                         bool sentinels, const policy* first, const policy* last,
                                         std::size_t bytes, policy selected) const {
    double least = 0;
    for (const policy* p = first; p != last; ++p) {
      if (!is_reproducible(which, *p)) continue;
      if (!sentinels && p->transport == transport_id::sentinel) continue;
      const auto us = time_us(which, ranks, symmetric, *p, bytes);
      if (!us || (least > 0 && *us >= least)) continue;
      selected = *p;
      least = *us;
    }
    return selected;
  }

  /// Reads such a text; `name` stands for it in messages. Refused, with name, line and column: what
  /// is no tuning.
  [[nodiscard]] static outcome<tuning> parse(std::string_view text, std::string_view name) {
    tuning result;
    if (error reason = reader{text, name}.read(result)) {
      return detail::refuse<tuning>(std::move(reason));
    }
    return result;
  }

  /// The tuning of this process: of the file that PEERFOLD_TUNING names when this is first called;
  /// null where it names none. `reason` is set where that file is not to be had or is wrong.
  [[nodiscard, gnu::cold]] static const tuning* of_process(error& reason) {
    struct loaded {
      tuning values;
      error reason;
      bool is_there = false;
    };
    static const loaded once = [] {
      loaded l;
      const char* const path = std::getenv("PEERFOLD_TUNING");
      if (path == nullptr || *path == '\0') return l;
      l.is_there = true;
      l.reason = load(path, l.values);
      return l;
    }();
    reason = once.reason;
    return once.is_there && !once.reason ? &once.values : nullptr;
  }

 private:
  /// Puts points in order, and of those for one call keeps the last.
  [[gnu::cold]] void sort() {
    std::stable_sort(points_.begin(), points_.end(), before);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      const bool is_again = kept > 0 && !before(points_[kept - 1], points_[i]);
      points_[is_again ? kept - 1 : kept++] = points_[i];
    }
    points_.resize(kept);
  }

  [[nodiscard]] static bool before(const tuning_point& a, const tuning_point& b) noexcept {
    if (a.which != b.which) return a.which < b.which;
    if (a.ranks != b.ranks) return a.ranks < b.ranks;
    if (a.symmetric != b.symmetric) return b.symmetric;
    if (a.of.algorithm != b.of.algorithm) return a.of.algorithm < b.of.algorithm;
    if (a.of.transport != b.of.transport) return a.of.transport < b.of.transport;
    return a.bytes < b.bytes;
  }
  [[nodiscard]] std::size_t first_not_before(const tuning_point& point) const noexcept {
    return static_cast<std::size_t>(
        std::lower_bound(points_.begin(), points_.end(), point, before) - points_.begin());
  }

  [[nodiscard, gnu::cold]] static error load(const char* path, tuning& result) {
    constexpr std::size_t most = std::size_t{4} << 20;
    std::FILE* const file = std::fopen(path, "rb");
    if (file == nullptr) {
      return {errc::invalid_argument,
              detail::text_of({"PEERFOLD_TUNING: ", path, " cannot be opened"})};
    }
    std::string text;
    char chunk[4096];
    std::size_t got = 0;
    while (text.size() <= most && (got = std::fread(chunk, 1, sizeof chunk, file)) > 0) {
      text.append(chunk, got);
    }
    const bool failed = std::ferror(file) != 0;
    std::fclose(file);
    if (failed || text.size() > most) {
      return {errc::invalid_argument,
              detail::text_of({"PEERFOLD_TUNING: ", path,
                               failed ? " cannot be read" : " is larger than any tuning"})};
    }
    error reason = reader{text, path}.read(result);
    if (reason) {
      return {reason.code(), detail::text_of({"PEERFOLD_TUNING: ", reason.what()})};
    }
    return {};
  }

  /// Reads one text.
  class reader {
   public:
    reader(std::string_view text, std::string_view name) : rest_{text}, name_{name} {}

    [[nodiscard, gnu::cold]] error read(tuning& result) {
      bool has_title = false;
      bool has_machine = false;
      while (next_line()) {
        const std::string_view first = word();
        if (first.empty()) continue;
        if (!has_title) {
          if (first != "peerfold-tuning")
            return wrong("a tuning begins with \"peerfold-tuning 1\"");
          if (word() != "1") return wrong("a tuning of another version; this reads version 1");
          has_title = true;
        } else if (!has_machine) {
          if (first != "machine") return wrong("\"machine\" and the name of its GPUs come next");
          result.machine_ = rest_of_line();
          if (result.machine_.empty()) return wrong("a machine without a name");
          has_machine = true;
        } else {
          tuning_point point;
          if (error reason = read_point(first, point)) return reason;
          result.points_.push_back(point);
        }
        if (!word().empty()) return wrong("more than belongs into this line");
      }
      if (!has_machine) return wrong("it ends before the machine is named");
      result.sort();
      return {};
    }

   private:
    [[nodiscard]] error wrong(const char* what) const {
      return {errc::invalid_argument,
              detail::text_of({name_, ":", std::max(line_number_, 1), ":", column_, ": ", what})};
    }

    [[nodiscard]] bool next_line() {
      if (rest_.empty()) return false;
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      line_ = line_.substr(0, line_.find('#'));
      at_ = 0;
      column_ = 1;
      ++line_number_;
      return true;
    }
    void skip_blanks() {
      constexpr std::string_view blanks = " \t\r";
      at_ = std::min(line_.find_first_not_of(blanks, at_), line_.size());
      column_ = at_ + 1;
    }
    [[nodiscard]] std::string_view word() {
      skip_blanks();
      const std::size_t end = std::min(line_.find_first_of(" \t\r", at_), line_.size());
      const std::string_view found = line_.substr(at_, end - at_);
      at_ = end;
      return found;
    }
    [[nodiscard]] std::string rest_of_line() {
      skip_blanks();
      std::string_view found = line_.substr(at_);
      found = found.substr(0, found.find_last_not_of(" \t\r") + 1);
      at_ = line_.size();
      return std::string{found};
    }

    /// The number that a word is, of digits with a point or without, in whatever locale; -1 if it
    /// is none.
    [[nodiscard]] static double to_number(std::string_view text) noexcept {
      constexpr std::size_t longest = 32;
      if (text.size() > longest) return -1;
      double digits = 0;
      double scale = 0;  // of what is behind the point
      bool has_digit = false;
      for (const char c : text) {
        if (c == '.' && scale == 0) {
          scale = 1;
        } else if (c < '0' || c > '9') {
          return -1;
        } else {
          has_digit = true;
          digits = digits * 10 + (c - '0');
          scale *= 10;
        }
      }
      return !has_digit ? -1 : scale == 0 ? digits : digits / scale;
    }
    /// The whole number from 1 to `most` that a word is; 0 if it is none.
    [[nodiscard]] static std::size_t to_count(std::string_view text, double most) noexcept {
      const double value = to_number(text);
      return value >= 1 && value <= most && value == std::floor(value)
                 ? static_cast<std::size_t>(value)
                 : 0;
    }

    [[nodiscard, gnu::cold]] error read_point(std::string_view first, tuning_point& point) {
      for (auto c = collective::all_reduce; c < collective::custom;
           c = static_cast<collective>(static_cast<std::uint32_t>(c) + 1)) {
        if (first == to_string(c)) point.which = c;
      }
      if (point.which == collective::none) return wrong("no collective of that name");
      point.ranks = static_cast<int>(to_count(word(), run_time_ranks));
      if (point.ranks == 0) return wrong("ranks: a whole number from 1 to 72");
      const std::string_view memory = word();
      point.symmetric = memory == "symmetric";
      if (!point.symmetric && memory != "ordinary") return wrong("memory: symmetric or ordinary");
      const auto named = parse_policy(word());
      if (!named || !has_policy(point.which, *named)) return wrong("no policy of this collective");
      point.of = *named;
      constexpr double most = 1e12;
      point.bytes = to_count(word(), most);
      if (point.bytes == 0) return wrong("bytes: a positive whole number");
      point.us = to_number(word());
      constexpr double least = 1e-3;
      if (!(point.us >= least && point.us <= most)) return wrong("us: a positive number");
      return {};
    }

    std::string_view rest_;
    std::string_view name_;
    std::string_view line_;
    std::size_t at_ = 0;
    std::size_t column_ = 1;
    int line_number_ = 0;
  };

  std::string machine_;
  std::vector<tuning_point> points_;  ///< sorted by everything but the time
};

}  // namespace peerfold
