// XML with the place of everything in its text.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <system_error>

#include "source_text.hpp"

namespace topo {

// The whole number that a text is; nothing if it is none, or too large.
inline std::optional<long long> whole_number(std::string_view text) {
  long long value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stop != end) return {};
  return value;
}

class xml_source {
 public:
  explicit xml_source(const source_text& source) : source_(source) {
    // Neither entities nor anything else that could make a small file large.
    const pugi::xml_parse_result parsed =
        document_.load_buffer(source.text().data(), source.text().size(),
                              pugi::parse_default | pugi::parse_trim_pcdata, pugi::encoding_utf8);
    if (parsed) return;
    const auto offset = static_cast<std::size_t>(parsed.offset);
    // At the end or at the last character, which pugixml looks at again.
    const bool is_cut = source.text().find_first_not_of(" \t\r\n", offset + 1) == std::string::npos;
    throw source.wrong(offset, (is_cut ? "cut off: " : "") + std::string(parsed.description()));
  }

  pugi::xml_node root() const { return document_.document_element(); }

  // The same, which a topology of `maker` calls `name`.
  pugi::xml_node root(const std::string& name, const std::string& maker) const {
    const pugi::xml_node found = root();
    if (found.name() == name) return found;
    throw wrong(found, "the root is <" + shortened(found.name()) + ">; a topology of " + maker +
                           " begins with <" + name + ">");
  }

  bad_source wrong(const pugi::xml_node& at, const std::string& why) const {
    return source_.wrong(static_cast<std::size_t>(std::max<std::ptrdiff_t>(at.offset_debug(), 0)),
                         why);
  }

  // The attribute as a whole number; nothing where it is missing or empty.
  std::optional<long long> number(const pugi::xml_node& node, const char* name) const {
    const std::string_view text = node.attribute(name).value();
    if (text.empty()) return {};
    const auto value = whole_number(text);
    if (!value) throw wrong(node, std::string(name) + "=" + quoted(text) + " is no whole number");
    return value;
  }

 private:
  const source_text& source_;
  pugi::xml_document document_;
};

}  // namespace topo
