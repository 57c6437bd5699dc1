// XML of NCCL and of hwloc: one target each, which differ in what they begin with.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <pugixml.hpp>
#include <random>
#include <vector>

#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::import_text({reinterpret_cast<const char*>(data), size});
  return 0;
}

// libFuzzer's own mutations, which it brings along; nobody asks for them in a replay.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t most);

namespace {

using random_bits = std::minstd_rand;

template <class T>
const T& one_of(const std::vector<T>& all, random_bits& random) {
  return all[random() % all.size()];
}

void collect(const pugi::xml_node& parent, std::vector<pugi::xml_node>& nodes, int depth = 0) {
  for (const pugi::xml_node node : parent.children()) {
    nodes.push_back(node);
    if (depth < 100) collect(node, nodes, depth + 1);
  }
}

// A number of another size, or one that is none.
std::string other_number(const std::string& text, random_bits& random) {
  static const std::vector<std::string> limits{"",
                                               "0",
                                               "1",
                                               "-1",
                                               "2",
                                               "6",
                                               "12",
                                               "18",
                                               "19",
                                               "70",
                                               "80",
                                               "90",
                                               "x",
                                               "100",
                                               "25000",
                                               "4294967296",
                                               "99999999999999999999"};
  return random() % 4 == 0 ? text + one_of(limits, random) : one_of(limits, random);
}

// Changes something between two tags, so that the rest stays as well formed as it was: bytes alone
// seldom get past the parser.
void mutate(pugi::xml_document& document, random_bits& random) {
  std::vector<pugi::xml_node> nodes;
  collect(document, nodes);
  if (nodes.empty()) return;
  pugi::xml_node node = one_of(nodes, random);
  const pugi::xml_node other = one_of(nodes, random);
  const auto attribute = [&](const pugi::xml_node& of) {
    const auto count = std::distance(of.attributes_begin(), of.attributes_end());
    auto at = of.attributes_begin();
    if (count > 0) std::advance(at, static_cast<std::ptrdiff_t>(random()) % count);
    return count > 0 ? *at : pugi::xml_attribute();
  };
  pugi::xml_attribute mine = attribute(node);
  switch (random() % 8) {
    case 0: node.parent().remove_child(node); break;
    case 1: node.parent().insert_copy_after(other, node); break;
    case 2: node.append_copy(other); break;
    case 3: node.remove_attribute(mine); break;
    case 4: mine.set_value(other.attribute(mine.name()).value()); break;
    case 5: mine.set_value(attribute(other).value()); break;
    case 6: mine.set_value(other_number(mine.value(), random).c_str()); break;
    case 7: {
      // A word among those of a text, such as an index or a distance.
      pugi::xml_text text = node.text();
      std::istringstream in(text.get());
      std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
      if (words.empty()) break;
      std::string& word = words[random() % words.size()];
      word = random() % 2 == 0 ? other_number(word, random) : std::string(one_of(words, random));
      std::string all;
      for (const std::string& each : words) all += each + " ";
      text.set(all.c_str());
      break;
    }
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  random_bits random(seed);
  pugi::xml_document document;
  if (random() % 4 != 0 && document.load_buffer(data, size)) {
    for (auto changes = 1 + random() % 3; changes > 0; --changes) mutate(document, random);
    std::ostringstream out;
    document.save(out, "", pugi::format_raw);
    const std::string text = out.str();
    if (!text.empty() && text.size() <= most) {
      std::memcpy(data, text.data(), text.size());
      return text.size();
    }
  }
  return LLVMFuzzerMutate(data, size, most);
}
