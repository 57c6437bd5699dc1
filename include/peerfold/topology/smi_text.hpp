/// \file
/// The text of `nvidia-smi topo -m`, `-mp` and `-p2p` as a graph, as it comes: with tabs or blanks,
/// colours or what is left of them, with or without NICs, affinities and legend.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/topology/graph.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace peerfold::topology {

namespace detail {

/// A word of a line, and the column where it begins, from 1.
struct smi_word {
  std::string_view text;
  int column = 1;
};

/// Reads one text. A message names the text, the line and the column, both from 1.
class smi_reader {
 public:
  smi_reader(std::string_view text, std::string_view name) : rest_{text}, name_{name} {}

  [[nodiscard]] error read(graph& result) {
    constexpr std::size_t most_bytes = std::size_t{16} << 20;
    if (rest_.size() > most_bytes) {
      return wrong(1, {"larger than ", most_bytes, " bytes; a topology is not"});
    }
    if (error reason = read_header()) return reason;
    if (error reason = read_rows()) return reason;
    return make(result);
  }

 private:
  enum class table { unknown, paths, access };
  static constexpr std::size_t most_columns = 1024;

  /// A cell between two GPUs.
  struct cell {
    path_kind path = path_kind::unknown;
    int links = 0;
    std::optional<bool> access = {};
    int line = 0;
    int column = 0;
    std::string_view text = {};
  };

  [[nodiscard]] error wrong(int column, std::initializer_list<peerfold::detail::text_part> what) {
    return {errc::invalid_argument,
            peerfold::detail::text_of({name_, ":", std::max(line_, 1), ":", column, ": ",
                                       peerfold::detail::text_of(what)})};
  }

  /// The next line's words; false behind the last.
  [[nodiscard]] bool next_line() {
    words_.clear();
    if (rest_.empty()) return false;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    for (std::size_t at = 0; at < line.size();) {
      if (is_blank(line[at])) {
        ++at;
        continue;
      }
      if (const std::size_t length = escape_at(line, at)) {
        at += length;
        continue;
      }
      const std::size_t begin = at;
      while (at < line.size() && !is_blank(line[at]) && escape_at(line, at) == 0) ++at;
      const std::string_view word = without_colours(line.substr(begin, at - begin));
      if (!word.empty()) words_.push_back({word, static_cast<int>(begin) + 1});
    }
    end_column_ = static_cast<int>(line.size()) + 1;
    return true;
  }
  [[nodiscard]] static bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
  }

  /// The length of a control sequence, ESC [ … letter, that begins there; 0: none.
  [[nodiscard]] static std::size_t escape_at(std::string_view line, std::size_t begin) noexcept {
    if (line.substr(begin, 2) != "\x1b[") return 0;
    std::size_t at = begin + 2;
    while (at < line.size() && (is_digit(line[at]) || line[at] == ';' || line[at] == '?')) ++at;
    return at < line.size() && line[at] >= '@' && line[at] <= '~' ? at + 1 - begin : 0;
  }

  /// Without what is left of colours, [ … m at either end, whose ESC was lost on the way.
  [[nodiscard]] static std::string_view without_colours(std::string_view word) noexcept {
    const auto length_of = [](std::string_view text) -> std::size_t {
      std::size_t at = 1;
      if (text.empty() || text[0] != '[') return 0;
      while (at < text.size() && (is_digit(text[at]) || text[at] == ';')) ++at;
      return at < text.size() && text[at] == 'm' ? at + 1 : 0;
    };
    while (const std::size_t length = length_of(word)) word.remove_prefix(length);
    for (;;) {
      const std::size_t last = word.rfind('[');
      if (last == std::string_view::npos || length_of(word.substr(last)) != word.size() - last) {
        return word;
      }
      word = word.substr(0, last);
    }
  }
  [[nodiscard]] static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

  /// The number behind a prefix of letters, such as 12 in "NV12"; nothing if it is not such a word.
  [[nodiscard]] static std::optional<int> number_after(std::string_view word,
                                                       std::string_view prefix) noexcept {
    if (!word.starts_with(prefix) || word.size() == prefix.size()) return {};
    int value = 0;
    const char* const end = word.data() + word.size();
    const auto [stop, failure] = std::from_chars(word.data() + prefix.size(), end, value);
    if (failure != std::errc{} || stop != end || value < 0) return {};
    return value;
  }
  [[nodiscard]] static bool is_gpu(std::string_view word) noexcept {
    return number_after(word, "GPU").has_value();
  }
  [[nodiscard]] bool is_title(std::size_t w) const noexcept {
    const std::string_view word = words_[w].text;
    const std::string_view next = w + 1 < words_.size() ? words_[w + 1].text : "";
    return (next == "Affinity" && (word == "CPU" || word == "NUMA")) ||
           (word == "GPU" && next == "NUMA");
  }

  /// The devices that have columns, up to the first title behind them.
  [[nodiscard]] error read_header() {
    bool titled = false;
    while (devices_.empty() && next_line()) {
      if (words_.empty()) continue;
      const bool begins = is_gpu(words_[0].text) && (words_.size() == 1 || is_device(1));
      titled = titled || is_title(0);
      if (!begins) continue;
      for (std::size_t w = 0; w < words_.size() && !is_title(w); ++w) {
        const std::string_view device = words_[w].text;
        if (std::ranges::find(devices_, device) != devices_.end()) {
          return wrong(words_[w].column, {"a second column of ", printable(device)});
        }
        if (device.starts_with("GPU") && !is_gpu(device)) {
          return wrong(words_[w].column, {"\"", printable(device), "\" is no name of a GPU"});
        }
        if (devices_.size() == most_columns) {
          return wrong(words_[w].column, {"more than ", most_columns, " columns"});
        }
        if (is_gpu(device)) gpus_.push_back(devices_.size());
        devices_.push_back(device);
        if (gpus_.size() > static_cast<std::size_t>(most_gpus)) {
          return wrong(words_[w].column, {"more than ", most_gpus, " GPUs"});
        }
      }
      note_titles();
    }
    if (!devices_.empty()) return {};
    return titled ? wrong(1, {"affinities alone, without columns of GPUs: it does not say what "
                              "joins them"})
                  : wrong(1, {"no line that begins with the columns GPU0, GPU1, …: this is not the "
                              "text of nvidia-smi topo -m, -mp or -p2p"});
  }
  /// Where a row has its NUMA node: behind its CPUs, where the titles say so.
  void note_titles() {
    const std::size_t w = devices_.size();
    if (w + 3 < words_.size() && words_[w].text == "CPU" && words_[w + 2].text == "NUMA" &&
        words_[w + 3].text == "Affinity") {
      numa_word_ = w + 2;
    }
  }
  /// Whether word w of a line may be the name of a column: no cell, nor an end of a title.
  [[nodiscard]] bool is_device(std::size_t w) const noexcept {
    const char first = words_[w].text[0];
    return is_title(w) || (!is_digit(first) && !read_cell(words_[w].text));
  }

  /// What a cell says; nothing if it is none.
  [[nodiscard]] static std::optional<cell> read_cell(std::string_view word) noexcept {
    if (const auto links = number_after(word, "NV")) return cell{path_kind::nvlink, *links};
    for (const path_kind kind : {path_kind::self, path_kind::pix, path_kind::pxb, path_kind::phb,
                                 path_kind::node, path_kind::sys}) {
      if (word == to_string(kind)) return cell{kind};
    }
    if (word == "SOC") return cell{path_kind::sys};  // of older drivers
    if (word == "OK") return cell{path_kind::unknown, 0, true};
    for (const std::string_view no : {"CNS", "GNS", "TNS", "NS", "DR"}) {
      if (word == no) return cell{path_kind::unknown, 0, false};
    }
    if (word == "U") return cell{};
    return {};
  }

  [[nodiscard]] error read_rows() {
    const std::size_t n = gpus_.size();
    cells_.resize(n * n);
    numa_.resize(n);
    std::vector<bool> seen(devices_.size());
    while (next_line() && !words_.empty()) {
      const auto found = std::ranges::find(devices_, words_[0].text);
      if (found == devices_.end()) break;  // a legend without a blank line before it
      const auto device = static_cast<std::size_t>(found - devices_.begin());
      if (seen[device]) {
        return wrong(words_[0].column, {"a second row of ", printable(words_[0].text)});
      }
      seen[device] = true;
      const auto at = std::ranges::find(gpus_, device);
      if (at == gpus_.end()) continue;  // what joins a NIC is not asked for
      const auto i = static_cast<std::size_t>(at - gpus_.begin());
      if (error reason = read_row(i)) return reason;
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (seen[gpus_[i]]) continue;
      return wrong(1, {"the rows end without that of ", devices_[gpus_[i]]});
    }
    do {
      for (const smi_word& word : words_) {
        has_legend_ = has_legend_ || word.text == "Legend:";
        explains_links_ = explains_links_ || word.text == "NV#";
      }
    } while (next_line());
    return {};
  }

  [[nodiscard]] error read_row(std::size_t i) {
    const std::size_t n = gpus_.size();
    for (std::size_t d = 0; d < devices_.size(); ++d) {
      if (d + 1 >= words_.size()) {
        return wrong(end_column_, {"the row of ", words_[0].text, " ends before the column of ",
                                   printable(devices_[d])});
      }
      const smi_word& word = words_[d + 1];
      auto found = read_cell(word.text);
      if (!found) {
        return wrong(word.column, {"\"", printable(word.text), "\" is no cell of such a table"});
      }
      const auto at = std::ranges::find(gpus_, d);
      if (at == gpus_.end()) continue;
      const auto j = static_cast<std::size_t>(at - gpus_.begin());
      if ((found->path == path_kind::self) != (i == j)) {
        return wrong(word.column, {i == j ? "a GPU is itself, X, not "
                                          : "X, which is for a GPU "
                                            "and itself, between two GPUs",
                                   i == j ? word.text : ""});
      }
      if (found->links > most_links) {
        return wrong(word.column, {word.text, ": a GPU has ", most_links, " links at most"});
      }
      if (found->path == path_kind::nvlink && found->links == 0) found = cell{path_kind::unknown};
      if (i != j) {
        const table kind = found->path == path_kind::unknown ? table::access : table::paths;
        if (table_ != table::unknown && table_ != kind) {
          return wrong(word.column, {word.text, " among cells of another table"});
        }
        table_ = kind;
      }
      found->line = line_;
      found->column = word.column;
      found->text = word.text;
      cells_[i * n + j] = *found;
      const cell& back = cells_[j * n + i];
      if (i != j && back.line != 0 && table_ == table::paths &&
          (back.path != found->path || back.links != found->links)) {
        return wrong(word.column, {word.text, ", but in the other direction ", back.text});
      }
    }
    if (numa_word_ != 0 && numa_word_ < words_.size()) {
      numa_[i] = number_after(words_[numa_word_].text, "");
    }
    return {};
  }

  /// At most 32 characters that a terminal shows.
  [[nodiscard]] static std::string printable(std::string_view word) {
    std::string shown;
    for (const char c : word.substr(0, 32)) shown += c >= ' ' && c <= '~' ? c : '?';
    return shown;
  }

  [[nodiscard]] error make(graph& result) {
    const std::size_t n = gpus_.size();
    std::vector<gpu> gpus;
    for (std::size_t i = 0; i < n; ++i) {
      gpus.push_back({.name = std::string{devices_[gpus_[i]]}, .numa_node = numa_[i]});
    }
    result = graph{std::move(gpus)};
    // -mp says nothing of NVLinks, and its legend does not explain them.
    const bool says_links =
        table_ == table::paths && (explains_links_ || !has_legend_ || has_links());
    const std::vector<std::optional<bool>> through_switch = find_switches();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        const cell& from = cells_[i * n + j];
        connection& c = result.at(static_cast<int>(i), static_cast<int>(j));
        c.path = from.path;
        c.peer_access = from.access;
        if (says_links) c.links = from.links;
        if (from.links > 0) c.through_switch = through_switch[i];
      }
    }
    return {};
  }

  [[nodiscard]] bool has_links() const {
    return std::ranges::any_of(cells_, [](const cell& c) { return c.links > 0; });
  }

  /// Whether each GPU's links lead to switches, as far as cells tell; the same for all GPUs that
  /// links join. Cells that add up to more than a GPU can have: they do. Cells that differ: they do
  /// not, since behind switches all peers have all links. The same for each peer may be either, but
  /// for four links in a mesh of four.
  [[nodiscard]] std::vector<std::optional<bool>> find_switches() const {
    const std::size_t n = gpus_.size();
    std::vector<std::optional<bool>> result(n);
    std::vector<bool> seen(n);
    for (std::size_t first = 0; first < n; ++first) {
      if (seen[first]) continue;
      seen[first] = true;
      std::vector<std::size_t> island{first};
      int most = 0;
      bool differ = false;
      for (std::size_t k = 0; k < island.size(); ++k) {
        const std::size_t i = island[k];
        const int one = cells_[i * n + (i == 0 && n > 1 ? 1 : 0)].links;
        int sum = 0;
        for (std::size_t j = 0; j < n; ++j) {
          const int links = cells_[i * n + j].links;
          sum += links;
          differ = differ || (j != i && links != one);
          if (links == 0 || seen[j]) continue;
          seen[j] = true;
          island.push_back(j);
        }
        most = std::max(most, sum);
      }
      for (const std::size_t i : island) {
        if (most > most_links) {
          result[i] = true;
        } else if (differ || (n == 4 && most == 3 * 4)) {
          result[i] = false;
        }
      }
    }
    return result;
  }

  std::string_view rest_;
  std::string_view name_;
  int line_ = 0;
  int end_column_ = 1;
  std::vector<smi_word> words_;
  std::vector<std::string_view> devices_;  ///< that have columns
  std::vector<std::size_t> gpus_;          ///< among these
  std::vector<cell> cells_;                ///< between GPUs, row by row
  std::vector<std::optional<int>> numa_;
  table table_ = table::unknown;
  std::size_t numa_word_ = 0;  ///< of a row; 0: not there
  bool has_legend_ = false;
  bool explains_links_ = false;
};

}  // namespace detail

/// The graph that such a text describes; of tables of -p2p those of reads (r) and writes (w), as
/// the text does not tell them from others; `name` stands for it in messages. Refused, with the
/// name, the line and the column: what is no such text, is cut off, or contradicts itself.
[[nodiscard]] inline outcome<graph> read_smi_text(std::string_view text,
                                                  std::string_view name = "topology") {
  graph result;
  if (error reason = detail::smi_reader{text, name}.read(result)) {
    return peerfold::detail::refuse<graph>(std::move(reason));
  }
  return result;
}

}  // namespace peerfold::topology
