#include "source_text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace topo {

source_text source_text::read(const std::string& path) {
  constexpr std::size_t most = std::size_t{16} << 20;
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) throw bad_source(path + ": a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw bad_source(path + ": " + std::strerror(errno));
  // Not by its size: it may be a pipe.
  std::string text;
  char chunk[1 << 16];
  while (file.read(chunk, sizeof chunk) || file.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(file.gcount()));
    if (text.size() > most) {
      throw bad_source(path + ":1:1: larger than 16 MiB; a topology is not");
    }
  }
  if (file.bad()) throw bad_source(path + ": " + std::strerror(errno));
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    throw bad_source(path + ":1:1: UTF-16; save it as UTF-8");
  }
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // the mark of UTF-8
  return {path, std::move(text)};
}

bad_source source_text::wrong(std::size_t offset, const std::string& why) const {
  const auto at = static_cast<std::ptrdiff_t>(std::min(offset, text_.size()));
  const auto end = text_.begin() + at;
  const auto line = 1 + std::count(text_.begin(), end, '\n');
  const auto break_before = std::find(std::make_reverse_iterator(end), text_.rend(), '\n');
  const auto column = 1 + (end - break_before.base());
  return bad_source(name_ + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + why);
}

std::string shortened(std::string_view text) {
  constexpr std::size_t most = 40;
  std::string shown;
  for (const char c : text.substr(0, most)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > most ? "…" : "");
}

std::string quoted(std::string_view text) { return '"' + shortened(text) + '"'; }

}  // namespace topo
