#include "collective.hpp"

#include <peerfold/policy/policy.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "limits.hpp"
#include "machine.hpp"

namespace bench {
namespace {

// Whether data moves one way between the ranks, from or to a root or up the ranks of a scan.
bool has_direction(collective which) {
  return is_rooted(which) || which == collective::inclusive_scan ||
         which == collective::exclusive_scan;
}

// Elements that the busiest GPU sends or receives, at the least.
double elements_on_the_link(const message& m, const std::vector<int>& devices) {
  const std::vector<int> gpus = distinct(devices);
  std::size_t most = 0;
  for (const int gpu : gpus) {
    const auto here = static_cast<std::size_t>(std::ranges::count(devices, gpu));
    const std::size_t elsewhere = devices.size() - here;
    std::size_t parts = 1;
    switch (m.which) {
      case collective::all_gather:
      case collective::reduce_scatter: parts = elsewhere; break;
      case collective::gather:
      case collective::scatter: parts = gpu == devices[root] ? elsewhere : here; break;
      case collective::all_to_all: parts = here * elsewhere; break;
      case collective::send_recv:
        parts = 0;
        for (int r = 0; r < m.ranks; ++r) {
          const int to = devices[static_cast<std::size_t>(next_rank(r, m.ranks))];
          if (devices[static_cast<std::size_t>(r)] == gpu && to != gpu) ++parts;
        }
        break;
      default: break;
    }
    most = std::max(most, parts * m.count);
  }
  if (m.which != collective::all_reduce) return static_cast<double>(most);
  const auto n = static_cast<double>(gpus.size());
  return 2 * (n - 1) / n * static_cast<double>(m.count);
}

}  // namespace

std::string_view type_column(collective which, element type) {
  return which == collective::barrier ? "none" : name_of(type);
}
std::string_view op_column(collective which, reduction op) {
  return is_reduction(which) ? name_of(op) : "none";
}
int root_column(collective which) { return is_rooted(which) ? root : -1; }

std::vector<std::string_view> policies_of(collective which, bool symmetric, bool sentinels) {
  std::vector<std::string_view> names;
  if (symmetric && !takes_symmetric(which)) return names;
  for (const peerfold::policy& p : peerfold::known_policies) {
    if (is_compiled(which, p, symmetric, sentinels)) names.push_back(to_string(p));
  }
  return names;
}

bool has_policy(collective which, std::string_view policy, bool symmetric, bool sentinels) {
  const std::vector<std::string_view> names = policies_of(which, symmetric, sentinels);
  if (policy == to_string(peerfold::automatic)) return !names.empty();
  return std::ranges::find(names, policy) != names.end();
}

std::size_t message::given_by(int rank) const {
  const bool root_gives = which == collective::broadcast || which == collective::scatter;
  return root_gives && rank != root ? 0 : given();
}

std::size_t message::got_by(int rank) const {
  const bool root_gets = which == collective::reduce || which == collective::gather;
  return root_gets && rank != root ? 0 : got();
}

std::size_t message::bytes() const { return std::max(given(), got()) * bytes_of(type); }

std::size_t message::input_in_place(int rank) const {
  return given() < got() ? static_cast<std::size_t>(rank) * count : 0;
}

std::size_t message::output_in_place(int rank) const {
  return got() < given() ? static_cast<std::size_t>(rank) * count : 0;
}

bool message::sends(int from, int to) const {
  switch (which) {
    case collective::broadcast:
    case collective::scatter: return from == root;
    case collective::gather: return to == root;
    case collective::send_recv: return to == next_rank(from, ranks);
    case collective::barrier: return false;
    default: return true;
  }
}

message message_of(collective which, element type, int ranks, std::size_t bytes) {
  message m{which, type, ranks, 0};
  if (which == collective::barrier) return m;
  const auto parts = static_cast<std::size_t>(std::max(m.parts_given(), m.parts_got()));
  m.count = bytes / bytes_of(type) / parts;
  const std::size_t line = 16 / bytes_of(type);
  if (parts > 1 && m.count >= line) m.count -= m.count % line;
  return m;
}

std::vector<std::size_t> tensor_sizes(std::size_t count, int tensors, std::size_t element_bytes) {
  if (tensors == 1) return {count};
  std::vector<double> weights;
  double all = 0;
  for (int i = 0; i < tensors; ++i) {
    const int place = static_cast<int>(std::int64_t{i} * 1'000'003 % tensors);
    weights.push_back(std::exp2(12.0 * place / (tensors - 1)));
    all += weights.back();
  }
  const std::size_t line = 256 / element_bytes;
  std::vector<std::size_t> sizes;
  std::size_t left = count;
  for (const double weight : weights) {
    const auto lines = static_cast<std::size_t>(weight / all * static_cast<double>(count / line));
    sizes.push_back(std::min(left, std::max<std::size_t>(1, lines) * line));
    left -= sizes.back();
  }
  sizes.back() += left;
  return sizes;
}

double bus_factor(collective which, int ranks) {
  const double others = (ranks - 1.0) / ranks;
  if (which == collective::all_reduce) return 2 * others;
  // Of several parts a rank's own stays where it is.
  return peerfold::parts_given(which, 2) > 1 || peerfold::parts_got(which, 2) > 1 ? others : 1;
}

double floor_us(const limits& l, const message& m, const std::vector<int>& devices) {
  const double latency = l.launch_us + (m.ranks > 1 ? l.flag_relaxed_us : 0);
  const auto element_bytes = static_cast<double>(bytes_of(m.type));
  const std::optional<rate>& link = has_direction(m.which) ? l.stores_alone : l.stores;
  double traffic = 0;
  if (link) {
    traffic = elements_on_the_link(m, devices) * element_bytes / link->gigabytes_per_second * 1e-3;
  } else {
    std::size_t elements = 0;
    for (int r = 0; r < m.ranks; ++r) elements += m.given_by(r) + m.got_by(r);
    const double bytes = static_cast<double>(elements) * element_bytes;
    if (bytes > static_cast<double>(l.l2_bytes)) {
      traffic = bytes / 2 / l.local_copy.gigabytes_per_second * 1e-3;
    }
  }
  return std::max(latency, traffic);
}

}  // namespace bench
