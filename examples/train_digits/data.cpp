#include "data.hpp"

#include <zlib.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "random.hpp"

namespace digits {
namespace {

constexpr int brightest = 16;
constexpr int fewest_lines = 100;      // less is no data set to learn from
constexpr int most_lines = 1'000'000;  // a bound on what a wrong file can make us read
constexpr std::size_t longest_line = 1024;

[[noreturn]] void refuse(const std::string& path, int line, const std::string& reason) {
  throw data_error{path + ":" + std::to_string(line) + ": " + reason};
}

/// What errno says of a call that failed.
std::string system_reason() { return std::strerror(errno != 0 ? errno : ENOMEM); }

/// Lines of a file that may be compressed.
class line_reader {
 public:
  explicit line_reader(const std::string& path) : path_{path}, file_{gzopen(path.c_str(), "rb")} {
    if (!file_) throw data_error{path_ + ": cannot be opened: " + system_reason()};
  }

  /// The next line without its end; false at the end of the file.
  bool next(std::string& line) {
    line.clear();
    ++number_;
    while (true) {
      if (at_ == filled_ && !fill()) return !line.empty();
      const std::string_view rest{buffer_.data() + at_, filled_ - at_};
      const std::size_t length = rest.find('\n');
      line += rest.substr(0, length);
      if (line.size() > longest_line) {
        refuse(path_, number_, "is longer than " + std::to_string(longest_line) + " characters");
      }
      if (length != std::string_view::npos) {
        at_ += length + 1;
        if (line.ends_with('\r')) line.pop_back();
        return true;
      }
      at_ = filled_;
    }
  }

  /// The number of the line that next() gave last, from 1.
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  struct closer {
    void operator()(gzFile file) const noexcept { gzclose_r(file); }
  };

  bool fill() {
    const int got = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
    int code = Z_OK;
    std::string reason = gzerror(file_.get(), &code);  // "PATH: reason"
    if (got < 0 || (got == 0 && code != Z_OK)) {
      if (code == Z_ERRNO) reason = system_reason();
      if (reason.starts_with(path_ + ": ")) reason.erase(0, path_.size() + 2);
      refuse(path_, number_, "cannot be read any further: " + reason);
    }
    at_ = 0;
    filled_ = static_cast<std::size_t>(got);
    return got > 0;
  }

  std::string path_;
  std::unique_ptr<gzFile_s, closer> file_;
  std::array<char, 1 << 14> buffer_{};
  std::size_t at_ = 0;      // the next character of buffer_
  std::size_t filled_ = 0;  // characters in buffer_
  int number_ = 0;
};

/// Takes the number that `rest` starts with and the comma after it, if there is one. -1 where there
/// is no whole number from 0 to `largest`, or where a comma is missing or should not be there.
int take_field(std::string_view& rest, int largest, bool is_last) {
  int value = -1;
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (status != std::errc{} || value < 0 || value > largest || rest.empty() != is_last) return -1;
  if (!is_last) {
    if (rest.front() != ',') return -1;
    rest.remove_prefix(1);
  }
  return value;
}

void append(data_set& data, const std::string& path, int number, std::string_view line) {
  for (int field = 0; field <= pixel_count; ++field) {
    const bool is_label = field == pixel_count;
    const int largest = is_label ? class_count - 1 : brightest;
    const int value = take_field(line, largest, is_label);
    if (value < 0) {
      refuse(path, number,
             (is_label ? "the label (field 65, the last)" : "pixel " + std::to_string(field + 1)) +
                 std::string{" is not a whole number from 0 to "} + std::to_string(largest) +
                 "; a line is 64 pixels and a label, separated by commas");
    }
    if (is_label) {
      data.labels.push_back(value);
    } else {
      data.pixels.push_back(static_cast<float>(value) / brightest);
    }
  }
}

}  // namespace

data_set load(const std::string& path, std::uint64_t seed) {
  data_set read;
  line_reader lines{path};
  std::string line;
  while (lines.next(line)) {
    if (lines.number() > most_lines) {
      refuse(path, lines.number(), "more than " + std::to_string(most_lines) + " lines");
    }
    append(read, path, lines.number(), line);
  }
  if (read.size() < fewest_lines) {
    refuse(path, lines.number(),
           "ends after " + std::to_string(read.size()) + " lines; a data set has at least " +
               std::to_string(fewest_lines));
  }

  generator random{seed};
  std::vector<int> order = indices(read.size());
  shuffle(std::span{order}, random);
  data_set data;
  data.train = read.size() - read.size() / 5;
  data.pixels.reserve(read.pixels.size());
  data.labels.reserve(read.labels.size());
  for (const int image : order) {
    const auto first = read.pixels.begin() + std::ptrdiff_t{image} * pixel_count;
    data.pixels.insert(data.pixels.end(), first, first + pixel_count);
    data.labels.push_back(read.labels[static_cast<std::size_t>(image)]);
  }
  return data;
}

}  // namespace digits
