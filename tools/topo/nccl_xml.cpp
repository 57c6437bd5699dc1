#include <algorithm>
#include <cctype>
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
using peerfold::topology::switch_port;

// PCI classes, as NCCL writes them (a class of 16 bits and an interface of 8).
constexpr std::string_view class_of_gpus = "0x0302";
constexpr std::string_view class_of_switches = "0x0680";
constexpr std::string_view class_of_cpus_links = "0x068001";

class nccl_reader {
 public:
  explicit nccl_reader(const xml_source& xml) : xml_(xml) {}

  graph read() {
    const pugi::xml_node system = xml_.root("system", "NCCL");
    int cpus = 0;
    for (const pugi::xml_node cpu : system.children("cpu")) {
      gpu above;
      if (const auto numa = xml_.number(cpu, "numaid"); numa && *numa >= 0 && *numa < 1024) {
        above.numa_node = static_cast<int>(*numa);
      }
      above.host_bridge = "cpu" + std::to_string(cpus++);
      visit(cpu, above, 0);
    }
    if (gpus_.empty()) {
      throw xml_.wrong(system, "no GPU: no <gpu>, and no <pci> of class 0x0302");
    }
    number_by_dev();
    graph result(gpus_);
    peerfold::topology::join_over_pcie(result);
    join_by_links(result);
    peerfold::topology::join_through_switches(result);
    peerfold::topology::rate_links(result);
    return result;
  }

 private:
  // What is below a CPU or a bridge.
  void visit(const pugi::xml_node& parent, const gpu& above, int depth) {
    constexpr int deepest = 64;
    if (depth > deepest) throw xml_.wrong(parent, "bridges below bridges, 64 deep");
    for (const pugi::xml_node pci : parent.children("pci")) {
      const std::string bus = lower(pci.attribute("busid").value());
      if (bus.empty()) throw xml_.wrong(pci, "<pci> without busid");
      if (bus.size() > longest_name) throw xml_.wrong(pci, "busid=" + quoted(bus) + ", too long");
      const pugi::xml_node marked = pci.child("gpu");
      const std::string_view kind = pci.attribute("class").value();
      if (marked || kind.starts_with(class_of_gpus)) {
        add_gpu(pci, marked, bus, above);
      } else {
        gpu below = above;
        below.bridges.push_back(bus);
        visit(pci, below, depth + 1);
      }
    }
  }

  void add_gpu(const pugi::xml_node& pci, const pugi::xml_node& marked, const std::string& bus,
               const gpu& above) {
    if (std::ranges::any_of(gpus_, [&](const gpu& g) { return g.bus_id == bus; })) {
      throw xml_.wrong(pci, "a second GPU at " + quoted(bus));
    }
    if (gpus_.size() == static_cast<std::size_t>(most_gpus)) {
      throw xml_.wrong(pci, "more than " + std::to_string(most_gpus) + " GPUs");
    }
    gpu g = above;
    g.name = bus;
    g.bus_id = bus;
    if (const auto sm = xml_.number(marked, "sm")) {
      if (*sm < 0 || *sm > 999) throw xml_.wrong(marked, "sm=" + std::to_string(*sm));
      g.sm = static_cast<int>(*sm);
    }
    gpus_.push_back(std::move(g));
    marked_.push_back(marked);
    devs_.push_back(xml_.number(marked, "dev"));
  }

  // CUDA's numbers, where all GPUs have one.
  void number_by_dev() {
    std::vector<std::size_t> order(gpus_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (std::ranges::all_of(devs_, [](const auto& dev) { return dev.has_value(); })) {
      std::ranges::stable_sort(order, {}, [&](std::size_t i) { return *devs_[i]; });
    }
    std::vector<gpu> gpus;
    std::vector<pugi::xml_node> marked;
    for (const std::size_t i : order) {
      gpus.push_back(gpus_[i]);
      marked.push_back(marked_[i]);
    }
    gpus_ = std::move(gpus);
    marked_ = std::move(marked);
  }

  // Links stand at both ends: not added up. What a file does not say at either end is unknown.
  void join_by_links(graph& result) const {
    std::vector<bool> says(gpus_.size());
    std::map<std::pair<int, int>, pugi::xml_node> claims;
    for (int i = 0; i < result.size(); ++i) {
      const pugi::xml_node& marked = marked_[static_cast<std::size_t>(i)];
      says[static_cast<std::size_t>(i)] = static_cast<bool>(marked);
      for (const pugi::xml_node link : marked.children("nvlink")) {
        if (!add_link(result, i, link, claims)) says[static_cast<std::size_t>(i)] = false;
      }
      int links = result.gpu_at(i).links_to_switches() + result.gpu_at(i).links_to_cpu;
      for (const auto& [ends, link] : claims) {
        if (ends.first == i) links += *result.at(i, ends.second).links;
      }
      check_sum(result.gpu_at(i), links, marked);
    }
    for (const auto& [ends, link] : claims) {
      if (claims.contains({ends.second, ends.first})) continue;
      throw xml_.wrong(link, "a link to " + quoted(result.gpu_at(ends.second).bus_id) +
                                 ", which does not have it");
    }
    for (int i = 0; i < result.size(); ++i) {
      for (int j = 0; j < result.size(); ++j) {
        connection& c = result.at(i, j);
        const auto said = [&](int k) { return says[static_cast<std::size_t>(k)]; };
        if (i != j && !c.links && said(i) && said(j)) c.links = 0;
      }
    }
  }

  // False where a GPU is said to be linked to itself, which tells nothing of where its links end.
  bool add_link(graph& result, int from, const pugi::xml_node& link,
                std::map<std::pair<int, int>, pugi::xml_node>& claims) const {
    gpu& g = result.gpu_at(from);
    const std::string target = lower(link.attribute("target").value());
    const long long count = xml_.number(link, "count").value_or(0);
    if (target.empty()) throw xml_.wrong(link, "<nvlink> without target");
    if (count < 1 || count > g.links_at_most()) {
      throw xml_.wrong(link, "count=" + quoted(link.attribute("count").value()) +
                                 "; this GPU has 1 to " + std::to_string(g.links_at_most()) +
                                 " links");
    }
    const int links = static_cast<int>(count);
    const std::string kind = lower(link.attribute("tclass").value());
    if (target == g.bus_id) return false;
    const auto other = std::ranges::find(result.gpus(), target, &gpu::bus_id);
    if (other == result.gpus().end()) {
      if (kind.starts_with(class_of_cpus_links)) {
        g.links_to_cpu += links;
        check_sum(g, g.links_to_cpu, link);
      } else if (kind.starts_with(class_of_switches)) {
        // A hidden one has no bus id of its own.
        const bool is_hidden = target.starts_with("fffffff:");
        const int nvswitch = result.nvswitch_at(is_hidden ? "" : target);
        if (std::ranges::find(g.ports, nvswitch, &switch_port::nvswitch) != g.ports.end()) {
          throw xml_.wrong(link, "a second <nvlink> to " + quoted(target));
        }
        g.ports.push_back({nvswitch, links});
        check_sum(g, g.links_to_switches(), link);
      } else {
        throw xml_.wrong(link, "a link to " + quoted(target) + ", which is not there");
      }
      return true;
    }
    const int to = static_cast<int>(other - result.gpus().begin());
    if (!claims.emplace(std::pair{from, to}, link).second) {
      throw xml_.wrong(link, "a second <nvlink> to " + quoted(target));
    }
    for (const auto& [a, b] : {std::pair{from, to}, std::pair{to, from}}) {
      connection& c = result.at(a, b);
      if (c.links && *c.links != links) {
        throw xml_.wrong(link, std::to_string(links) + " links to " + quoted(target) +
                                   ", elsewhere " + std::to_string(*c.links));
      }
      c.path = path_kind::nvlink;
      c.links = links;
      c.through_switch = false;
    }
    return true;
  }

  void check_sum(const gpu& g, int links, const pugi::xml_node& at) const {
    if (links <= g.links_at_most()) return;
    throw xml_.wrong(at, "more than " + std::to_string(g.links_at_most()) + " links of one GPU");
  }

  static std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }

  const xml_source& xml_;
  std::vector<gpu> gpus_;
  std::vector<pugi::xml_node> marked_;  // the <gpu> of each, where there is one
  std::vector<std::optional<long long>> devs_;
};

}  // namespace

graph import_nccl(const xml_source& xml) { return nccl_reader(xml).read(); }

}  // namespace topo
