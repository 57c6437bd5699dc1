// A topology file in memory, and where in it something is wrong.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace topo {

// What cannot be read, in one line: NAME:LINE:COLUMN: why.
class bad_source : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class source_text {
 public:
  // Reads a file of 16 MiB at most.
  static source_text read(const std::string& path);

  source_text(std::string name, std::string text)
      : name_(std::move(name)), text_(std::move(text)) {}

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }

  // An error at that byte.
  bad_source wrong(std::size_t offset, const std::string& why) const;

 private:
  std::string name_;
  std::string text_;
};

// At most 40 characters that a terminal shows, and the same between quotes.
std::string shortened(std::string_view text);
std::string quoted(std::string_view text);

// The longest name of a device that is taken.
inline constexpr std::size_t longest_name = 64;

}  // namespace topo
