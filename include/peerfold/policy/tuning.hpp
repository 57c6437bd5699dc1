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
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
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
  void add(const tuning_point& point) {
    const auto at = std::ranges::lower_bound(points_, point, before);
    if (at != points_.end() && !before(point, *at)) {
      at->us = point.us;
    } else {
      points_.insert(at, point);
    }
  }

  /// The time of a call as measured; between two sizes by a power law, beyond the smallest the same
  /// as there, beyond the largest in proportion. Nothing where the policy was not measured.
  [[nodiscard]] std::optional<double> time_us(collective which, int ranks, bool symmetric,
                                              const policy& p, std::size_t bytes) const noexcept {
    const auto begin =
        std::ranges::lower_bound(points_, tuning_point{which, ranks, symmetric, p, 0, 0}, before);
    const auto is_other = [&](const tuning_point& q) {
      return q.which != which || q.ranks != ranks || q.symmetric != symmetric || !(q.of == p);
    };
    const auto end = std::find_if(begin, points_.end(), is_other);
    if (begin == end) return {};
    const auto above = std::find_if(begin, end, [&](const auto& q) { return q.bytes >= bytes; });
    if (above == begin) return begin->us;
    const tuning_point& low = *(above - 1);
    const double by = static_cast<double>(bytes) / static_cast<double>(low.bytes);
    if (above == end) return low.us * by;
    const double whole = static_cast<double>(above->bytes) / static_cast<double>(low.bytes);
    return low.us * std::pow(above->us / low.us, std::log(by) / std::log(whole));
  }

  /// The fastest of some policies as measured; nothing where none of them was.
  template <class List>
  [[nodiscard]] std::optional<policy> fastest(collective which, int ranks, bool symmetric,
                                              const List& candidates,
                                              std::size_t bytes) const noexcept {
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
    std::vector<policy> allowed;
    std::copy_if(first, last, std::back_inserter(allowed), [&](const policy& p) {
      return is_reproducible(which, p) && (sentinels || p.transport != transport_id::sentinel);
    });
    return fastest(which, ranks, symmetric, allowed, std::max<std::size_t>(1, bytes))
        .value_or(selected);
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
  [[nodiscard]] static const tuning* of_process(error& reason) {
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
  [[nodiscard]] static bool before(const tuning_point& a, const tuning_point& b) noexcept {
    const auto key = [](const tuning_point& p) {
      return std::tuple{p.which, p.ranks, p.symmetric, p.of.algorithm, p.of.transport, p.bytes};
    };
    return key(a) < key(b);
  }

  [[nodiscard]] static error load(const char* path, tuning& result) {
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

    [[nodiscard]] error read(tuning& result) {
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
          result.add(point);
        }
        if (!word().empty()) return wrong("more than belongs into this line");
      }
      if (!has_machine) return wrong("it ends before the machine is named");
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

    template <class Number>
    [[nodiscard]] static bool to_number(std::string_view text, Number& value) noexcept {
      const char* const end = text.data() + text.size();
      const auto [stop, failure] = std::from_chars(text.data(), end, value);
      return failure == std::errc{} && stop == end;
    }

    [[nodiscard]] error read_point(std::string_view first, tuning_point& point) {
      for (auto c = collective::all_reduce; c < collective::custom;
           c = static_cast<collective>(static_cast<std::uint32_t>(c) + 1)) {
        if (first == to_string(c)) point.which = c;
      }
      if (point.which == collective::none) return wrong("no collective of that name");
      if (!to_number(word(), point.ranks) || point.ranks < 1 || point.ranks > run_time_ranks) {
        return wrong("ranks: a whole number from 1 to 72");
      }
      const std::string_view memory = word();
      point.symmetric = memory == "symmetric";
      if (!point.symmetric && memory != "ordinary") return wrong("memory: symmetric or ordinary");
      const auto named = parse_policy(word());
      if (!named || !has_policy(point.which, *named)) return wrong("no policy of this collective");
      point.of = *named;
      if (!to_number(word(), point.bytes) || point.bytes == 0) {
        return wrong("bytes: a positive whole number");
      }
      constexpr double longest = 1e12;
      if (!to_number(word(), point.us) || !(point.us > 0) || point.us > longest) {
        return wrong("us: a positive number");
      }
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
