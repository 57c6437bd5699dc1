#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "import.hpp"
#include "xml.hpp"

namespace topo {
namespace {

using peerfold::topology::connection;
using peerfold::topology::gpu;
using peerfold::topology::most_gpus;
using peerfold::topology::path_kind;

// Compute capability by the first digits of NVIDIA's PCI device ids, of GPUs that have NVLinks
// between them.
constexpr std::pair<std::string_view, int> generations[] = {
    {"15f", 60}, {"1db", 70}, {"20b", 80}, {"20f", 80}, {"23", 90}, {"29", 100}, {"31", 103}};

class hwloc_reader {
 public:
  explicit hwloc_reader(const xml_source& xml) : xml_(xml) {}

  graph read() {
    const pugi::xml_node topology = xml_.root("topology", "hwloc");
    visit(topology, place{}, nullptr, 0);
    if (gpus_.empty()) throw xml_.wrong(topology, "no GPU: no object nvml0, nvml1, … or cuda0, …");
    std::ranges::sort(gpus_, {}, &found_gpu::number);
    std::vector<gpu> gpus;
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      for (const long long id : gpus_[i].ids) objects_[id] = {object::gpu, static_cast<int>(i), {}};
      gpus.push_back(gpus_[i].what);
    }
    graph result(std::move(gpus));
    peerfold::topology::join_over_pcie(result);
    // Between objects of one type, and of several.
    bool is_joined = false;
    for (const char* const kind : {"distances2", "distances2hetero"}) {
      for (const pugi::xml_node distances : topology.children(kind)) {
        if (std::string_view(distances.attribute("name").value()) != "NVLinkBandwidth") continue;
        if (is_joined) throw xml_.wrong(distances, "a second NVLinkBandwidth");
        is_joined = true;
        join_by_links(result, distances);
      }
    }
    peerfold::topology::join_through_switches(result);
    rate_by_switches(result);
    return result;
  }

 private:
  struct object {
    enum kind { gpu, nvswitch, cpu, other } what = other;
    int index = 0;       // of a GPU
    std::string bus_id;  // of a switch
  };
  struct found_gpu {
    gpu what;
    int number = 0;              // of NVML, or else of CUDA
    std::vector<long long> ids;  // of the device and its parts
  };

  // The ports of PCIe by the way that their link leads: a root port's leads down as well.
  enum class port { none, downstream, upstream };
  struct place {
    gpu what;  // as far as it is that of all below
    port last = port::none;
  };

  // Objects below `parent`, which lie below `above` and perhaps in GPU `device`.
  void visit(const pugi::xml_node& parent, const place& above, found_gpu* device, int depth) {
    constexpr int deepest = 64;
    if (depth > deepest) throw xml_.wrong(parent, "objects in objects, 64 deep");
    for (const pugi::xml_node at : parent.children("object")) {
      const std::string_view type = at.attribute("type").value();
      const auto id = xml_.number(at, "gp_index");
      if (id && !objects_.emplace(*id, object{}).second) {
        throw xml_.wrong(at, "a second object with gp_index " + std::to_string(*id));
      }
      object unused;
      object& what = id ? objects_[*id] : unused;
      place below = above;
      if (type == "Package" || type == "NUMANode" || type == "Group") what.what = object::cpu;
      if (const auto node = only_node(at)) below.what.numa_node = node;
      if (type == "Bridge") {
        add_bridge(at, below);
      } else if (type == "PCIDev") {
        if (std::string_view(at.attribute("subtype").value()) == "NVSwitch") {
          what = {object::nvswitch, 0, at.attribute("pci_busid").value()};
        }
        visit_device(at, below.what, id, depth);
        continue;
      } else if (type == "OSDev" && device != nullptr) {
        add_part(at, *device, id);
      }
      visit(at, below, device, depth + 1);
    }
  }

  // The one NUMA node of an object that says so.
  static std::optional<int> only_node(const pugi::xml_node& at) {
    const std::string_view set = at.attribute("nodeset").value();
    unsigned long bits = 0;
    if (!set.starts_with("0x")) return {};
    const char* const end = set.data() + set.size();
    if (std::from_chars(set.data() + 2, end, bits, 16).ptr != end) return {};
    for (int node = 0; node < 64; ++node) {
      if (bits == 1ul << node) return node;
    }
    return {};
  }

  void add_bridge(const pugi::xml_node& at, place& below) const {
    for (const char* const name : {"bridge_pci", "pci_busid"}) {
      const std::string_view value = at.attribute(name).value();
      if (value.size() > longest_name) {
        throw xml_.wrong(at, std::string(name) + "=" + quoted(value) + ", too long");
      }
    }
    const std::string bus = at.attribute("pci_busid").value();
    if (std::string_view(at.attribute("bridge_type").value()).starts_with("0-")) {
      below.what.host_bridge = at.attribute("bridge_pci").value();
      below.what.bridges.clear();
      below.last = port::none;
    } else if (bus.empty()) {
      below.what.host_bridge.clear();  // nothing to tell it from others by
    } else if (below.last == port::upstream) {
      below.last = port::downstream;  // of the switch that is there already
    } else {
      below.what.bridges.push_back(bus);
      const bool is_switch = below.last == port::downstream || leads_to_ports(at);
      below.last = is_switch ? port::upstream : port::downstream;
    }
  }

  // Whether below a bridge there are bridges at several places: where a link leads there is one
  // device alone, so it is the upstream port of a switch, though no root port is above it.
  static bool leads_to_ports(const pugi::xml_node& bridge) {
    std::string_view first;
    for (const pugi::xml_node below : bridge.children("object")) {
      if (std::string_view(below.attribute("type").value()) != "Bridge") continue;
      const std::string_view bus = below.attribute("pci_busid").value();
      const std::string_view device = bus.substr(0, bus.rfind('.'));
      if (first.empty()) first = device;
      if (first != device) return true;
    }
    return false;
  }

  void visit_device(const pugi::xml_node& at, const gpu& above, const std::optional<long long>& id,
                    int depth) {
    found_gpu device{.what = above, .number = -1, .ids = {}};
    device.what.bus_id = at.attribute("pci_busid").value();
    if (device.what.bus_id.size() > longest_name) {
      throw xml_.wrong(at, "pci_busid=" + quoted(device.what.bus_id) + ", too long");
    }
    if (id) device.ids.push_back(*id);
    visit(at, place{.what = above}, &device, depth + 1);
    if (device.number < 0) return;
    if (gpus_.size() == static_cast<std::size_t>(most_gpus)) {
      throw xml_.wrong(at, "more than " + std::to_string(most_gpus) + " GPUs");
    }
    // "0302 [10de:15f9] [10de:116b] a1 00"
    const std::string_view ids = at.attribute("pci_type").value();
    const std::size_t maker = ids.find("[10de:");
    for (const auto& [digits, sm] : generations) {
      if (maker == 5 && ids.substr(maker + 6).starts_with(digits)) device.what.sm = sm;
    }
    gpus_.push_back(std::move(device));
  }

  void add_part(const pugi::xml_node& at, found_gpu& device, const std::optional<long long>& id) {
    const std::string name = at.attribute("name").value();
    if (id) device.ids.push_back(*id);
    for (const std::string_view prefix : {"nvml", "cuda"}) {
      if (!name.starts_with(prefix)) continue;
      int number = 0;
      const char* const end = name.data() + name.size();
      const auto [stop, failure] = std::from_chars(name.data() + prefix.size(), end, number);
      if (failure != std::errc{} || stop != end || number < 0) continue;
      // NVML's numbers before CUDA's, of which there may be fewer.
      if (prefix == "nvml" || device.what.name.empty()) {
        device.number = number;
        device.what.name = name;
      }
    }
  }

  static std::vector<std::string_view> words_of(const pugi::xml_node& parent, const char* name) {
    std::vector<std::string_view> words;
    for (const pugi::xml_node part : parent.children(name)) {
      const std::string_view text = part.child_value();
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = text.find_first_not_of(" \t\r\n", at);
        if (begin == std::string_view::npos) break;
        at = std::min(text.find_first_of(" \t\r\n", begin), text.size());
        words.push_back(text.substr(begin, at - begin));
      }
    }
    return words;
  }

  object object_of(const pugi::xml_node& distances, std::string_view word) const {
    // "OSDev:30", or, between objects of one type, "30".
    const auto id = whole_number(word.substr(word.find(':') + 1));
    if (!id || !objects_.contains(*id)) {
      throw xml_.wrong(distances, "distances of " + quoted(word) + ", which is not there");
    }
    return objects_.at(*id);
  }

  void join_by_links(graph& result, const pugi::xml_node& distances) {
    std::vector<object> ends;
    for (const std::string_view word : words_of(distances, "indexes")) {
      ends.push_back(object_of(distances, word));
    }
    const std::vector<std::string_view> values = words_of(distances, "u64values");
    if (values.size() != ends.size() * ends.size()) {
      throw xml_.wrong(distances, std::to_string(values.size()) + " distances between " +
                                      std::to_string(ends.size()) + " objects");
    }
    for (std::size_t a = 0; a < ends.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (ends[a].what == object::gpu && ends[b].what == object::gpu &&
            ends[a].index == ends[b].index) {
          throw xml_.wrong(distances,
                           "distances of " + quoted(result.gpu_at(ends[a].index).name) + " twice");
        }
        if (ends[a].what == object::gpu && ends[b].what == object::gpu &&
            values[a * ends.size() + b] != values[b * ends.size() + a]) {
          throw xml_.wrong(distances, quoted(values[a * ends.size() + b]) +
                                          ", but in the other direction " +
                                          quoted(values[b * ends.size() + a]));
        }
      }
    }
    for (std::size_t a = 0; a < ends.size(); ++a) {
      if (ends[a].what != object::gpu) continue;
      for (std::size_t b = 0; b < ends.size(); ++b) {
        if (a == b) continue;  // hwloc's mark for an object and itself
        const std::string_view word = values[a * ends.size() + b];
        const auto megabytes = whole_number(word);
        if (!megabytes || *megabytes < 0) {
          throw xml_.wrong(distances, quoted(word) + " is no distance");
        }
        join(result, distances, ends[a], ends[b], static_cast<double>(*megabytes) / 1000);
      }
    }
    for (int i = 0; i < result.size(); ++i) {
      const gpu& g = result.gpu_at(i);
      int links = g.links_to_cpu + g.links_to_switches();
      for (int j = 0; j < result.size(); ++j) links += result.at(i, j).links.value_or(0);
      if (links > g.links_at_most()) {
        throw xml_.wrong(distances, "more than " + std::to_string(g.links_at_most()) +
                                        " links of " + quoted(g.name));
      }
    }
  }

  void join(graph& result, const pugi::xml_node& distances, const object& from, const object& to,
            double gbps) {
    gpu& g = result.gpu_at(from.index);
    if (to.what == object::gpu) {
      connection& c = result.at(from.index, to.index);
      c.links = 0;
      if (gbps == 0) return;
      c.path = path_kind::nvlink;
      c.links = links_in(distances, g, gbps);
      const auto of_other = links_in(distances, result.gpu_at(to.index), gbps);
      if (!c.links) c.links = of_other;
      if (of_other && *of_other != *c.links) throw no_number(distances, g, gbps);
      c.through_switch = false;
      c.gbps = gbps;
    } else if (gbps > 0 && to.what == object::cpu) {
      g.links_to_cpu += links_in(distances, g, gbps).value_or(0);
    } else if (gbps > 0 && to.what == object::nvswitch) {
      const int links = links_in(distances, g, gbps).value_or(0);
      g.ports.push_back({result.nvswitch_at(to.bus_id), links});
      to_switches_[from.index] += gbps;
    }
  }

  // How many of a GPU's links carry so much; nothing where its kind is not known.
  std::optional<int> links_in(const pugi::xml_node& distances, const gpu& g, double gbps) const {
    const double of_one = g.generation().gbps;
    if (of_one == 0) return {};
    const double links = std::round(gbps / of_one);
    if (links > g.links_at_most() || std::abs(gbps - links * of_one) > 0.1 * gbps) {
      throw no_number(distances, g, gbps);
    }
    return static_cast<int>(links);
  }
  bad_source no_number(const pugi::xml_node& distances, const gpu& g, double gbps) const {
    char megabytes[32];
    std::snprintf(megabytes, sizeof megabytes, "%.0f", gbps * 1000);
    return xml_.wrong(distances,
                      std::string(megabytes) + " MB/s are no number of links of " + quoted(g.name));
  }

  // Of GPUs of an unknown kind too, whose links cannot be counted.
  void rate_by_switches(graph& result) const {
    const auto rate = [&](int k) {
      const auto found = to_switches_.find(k);
      return found == to_switches_.end() ? 0.0 : found->second;
    };
    for (int i = 0; i < result.size(); ++i) {
      for (int j = 0; j < result.size(); ++j) {
        const double gbps = std::min(rate(i), rate(j));
        if (i == j || gbps == 0) continue;
        connection& c = result.at(i, j);
        if (c.through_switch != true) {
          c.path = path_kind::nvlink;
          c.links.reset();
          c.through_switch = true;
        }
        c.gbps = gbps;
      }
    }
  }

  const xml_source& xml_;
  std::map<long long, object> objects_;  // by gp_index
  std::vector<found_gpu> gpus_;
  std::map<int, double> to_switches_;  // what each GPU's links to switches carry
};

}  // namespace

graph import_hwloc(const xml_source& xml) { return hwloc_reader(xml).read(); }

}  // namespace topo
