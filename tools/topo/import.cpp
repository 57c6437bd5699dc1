#include "import.hpp"

#include <peerfold/core/error.hpp>
#include <peerfold/topology/smi_text.hpp>

#include <string_view>

#include "xml.hpp"

namespace topo {

graph import_topology(const source_text& source) {
  const std::string_view text = source.text();
  const std::size_t first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) throw source.wrong(0, "empty");
  if (text[first] == '<') {
    const xml_source xml(source);
    return std::string_view(xml.root().name()) == "topology" ? import_hwloc(xml) : import_nccl(xml);
  }
  try {
    return peerfold::topology::read_smi_text(text, source.name());
  } catch (const peerfold::error& reason) {
    throw bad_source(reason.what());
  }
}

}  // namespace topo
