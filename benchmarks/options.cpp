#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iostream>
#include <limits>
#include <peerfold/policy/policy.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>

#if __has_include(<CLI/CLI.hpp>)
#include <CLI/CLI.hpp>
#else
#error "peerfold-bench needs CLI11 (Debian: libcli11-dev)"
#endif

namespace bench {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

template <class Table>
std::vector<std::string> names(const Table& table) {
  std::vector<std::string> out;
  for (const auto& entry : table) out.emplace_back(entry.name);
  return out;
}

// Refuses anything else; the description carries the words, so the help names them once.
CLI::Validator one_of(const std::vector<std::string>& words) {
  CLI::Validator validator = CLI::IsMember(words);
  return validator.description("");
}

// Rewrites 64KiB as 65536. Returns what is wrong, as CLI11's validators do.
std::string read_size(std::string& text) {
  std::size_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::string suffix(stop, end);
  int shift = -1;
  if (suffix.empty() || suffix == "B") shift = 0;
  for (const auto& [letter, bits] : {std::pair{"K", 10}, std::pair{"M", 20}, std::pair{"G", 30}}) {
    const std::string unit(letter);
    if (suffix == unit || suffix == unit + "B" || suffix == unit + "iB") shift = bits;
  }
  constexpr std::size_t largest = std::size_t{1} << 40;
  if (error != std::errc() || shift < 0 || value > (largest >> shift)) {
    return text + " is no size such as 1024, 1K, 64KiB or 256M";
  }
  text = std::to_string(value << shift);
  return {};
}

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

// The collectives named, each once.
std::vector<collective> parse_collectives(const std::vector<std::string>& words) {
  std::vector<collective> out;
  for (const std::string& word : words) {
    const collective which = *parse_collective(word);
    if (std::ranges::find(out, which) == out.end()) out.push_back(which);
  }
  return out;
}

void require_policies(const options& values) {
  for (const collective which : values.which) {
    const auto names = policies_of(which, takes_symmetric(which), true);
    for (const std::string& policy : values.policies) {
      if (policy == to_string(peerfold::automatic)) continue;
      require(std::ranges::find(names, policy) != names.end(),
              "--policy: " + policy + " is no policy of " + std::string(name_of(which)) +
                  ", which has " + joined({names.begin(), names.end()}));
    }
  }
}

void finish(options& values, const std::vector<std::string>& words, const std::string& type,
            const std::string& op, const std::string& memory) {
  values.named = std::ranges::find(words, "all") == words.end();
  values.which =
      values.named ? parse_collectives(words) : std::vector(collectives.begin(), collectives.end());
  values.type = *parse_element(type);
  values.op = *parse_reduction(op);
  values.symmetric = memory != "ordinary";
  values.ordinary = memory != "symmetric";
  if (std::ranges::find(values.policies, "all") != values.policies.end()) values.policies.clear();
  require_policies(values);
  if (values.skewed) {
    require(values.which == std::vector{collective::all_to_all} && !values.run_time_ranks,
            "--skewed: unequal parts are of all_to_all, with a rank count known at compile time");
    require(!values.in_place, "--skewed: unequal parts have no in-place form");
  }
  if (values.tensors > 1) {
    require(values.which == std::vector{collective::all_reduce} && !values.run_time_ranks,
            "--tensors: groups are of all_reduce, with a rank count known at compile time");
    for (const std::string& policy : values.policies) {
      require(policy == "automatic" || policy == "one_shot/packet" || policy == "two_shot/store",
              "--tensors: groups are compiled for automatic, one_shot/packet and two_shot/store, "
              "not for " +
                  policy);
    }
    values.symmetric = false;
    values.ordinary = true;
  }
  const std::size_t element_bytes = bytes_of(values.type);
  require(values.min_bytes >= element_bytes, "--min-bytes: " + std::to_string(values.min_bytes) +
                                                 " is less than one " + type + " (" +
                                                 std::to_string(element_bytes) + " bytes)");
  require(values.max_bytes >= values.min_bytes, "--max-bytes: " + std::to_string(values.max_bytes) +
                                                    " is less than --min-bytes " +
                                                    std::to_string(values.min_bytes));
  require(values.devices.empty() || values.ranks == 0 ||
              values.devices.size() == static_cast<std::size_t>(values.ranks),
          "--ranks: " + std::to_string(values.ranks) + " ranks, but --devices names " +
              std::to_string(values.devices.size()) + " (one a rank; repeats are allowed)");
  require(values.devices.size() <= 8, "--devices: names " + std::to_string(values.devices.size()) +
                                          " ranks; at most 8 are supported");
}

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::vector<std::size_t> options::sizes() const {
  std::vector<std::size_t> out;
  for (std::size_t bytes = min_bytes; bytes <= max_bytes; bytes *= factor) {
    out.push_back(bytes);
    if (bytes > std::numeric_limits<std::size_t>::max() / factor) break;
  }
  return out;
}

command_line parse_command_line(int argc, const char* const* argv) {
  command_line result;
  options& v = result.values;
  std::vector<std::string> words = {"all_reduce"};
  std::string type = "float";
  std::string op = "sum";
  std::string memory = "both";
  std::string nccl = "auto";
  std::string rival = "on";
  std::string limits = "on";
  bool graph = true;
  bool eager = false;

  CLI::App app(
      "Measures peerfold's collectives beside the machine's limits, NCCL (if libnccl.so.2 is "
      "found)\n"
      "and hand-specialised kernels; prints the columns of nccl-tests.",
      "peerfold-bench");
  app.get_formatter()->column_width(40);
  const CLI::Validator size(read_size, "");
  std::vector<std::string> known;
  for (const collective which : collectives) known.emplace_back(name_of(which));
  known.emplace_back("all");
  std::vector<std::string> policies = {std::string(to_string(peerfold::automatic))};
  for (const auto& policy : peerfold::known_policies) policies.emplace_back(to_string(policy));
  policies.emplace_back("all");

  app.add_option("--collective", words, "collectives, or all: " + joined(known))
      ->delimiter(',')
      ->check(one_of(known))
      ->capture_default_str();
  app.add_option("--min-bytes", v.min_bytes,
                 "smallest message, such as 1024, 1K or 64KiB (default 1K = 1024)")
      ->transform(size)
      ->type_name("SIZE");
  app.add_option("--max-bytes", v.max_bytes, "largest message (default 256M)")
      ->transform(size)
      ->type_name("SIZE");
  app.add_option("--factor", v.factor, "ratio of one size to the last")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_option("--type", type, "element type: " + joined(names(element_table)))
      ->check(one_of(names(element_table)))
      ->capture_default_str();
  app.add_option("--op", op, "operator: " + joined(names(reduction_table)))
      ->check(one_of(names(reduction_table)))
      ->capture_default_str();
  app.add_option("--ranks", v.ranks, "number of ranks, 1 to 8 (default: one a GPU)")
      ->check(CLI::Range(1, 8));
  app.add_option("--devices", v.devices, "device of each rank, such as 0,1 or 0,0,1,1")
      ->delimiter(',')
      ->check(CLI::Range(0, 1023));
  app.add_flag("--run-time-ranks", v.run_time_ranks,
               "peerfold by kernels that learn their rank count at run time");
  app.add_option("--policy", v.policies,
                 "policies, or all that a collective has: " + joined(policies))
      ->delimiter(',')
      ->check(one_of(policies))
      ->capture_default_str();
  app.add_option("--memory", memory, "memory of the messages: symmetric, ordinary, both")
      ->check(one_of({"symmetric", "ordinary", "both"}))
      ->capture_default_str();
  app.add_flag("--in-place", v.in_place,
               "measure in place too (otherwise those columns are empty)");
  app.add_flag("--skewed", v.skewed,
               "all_to_all of unequal parts: rank 0 gets four times as much from each as others");
  app.add_option("--shift", v.shift,
                 "shift peerfold's ordinary memory by so many elements past an aligned address")
      ->check(CLI::Range(0, 63));
  app.add_option("--tensors", v.tensors,
                 "all_reduce of so many tensors, from 1/4096 of the largest to the largest, which "
                 "make up the message, as one grouped call")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--max-blocks", v.max_blocks, "blocks peerfold may use (default: its own choice)")
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--iterations", v.iterations,
                 "calls a graph (default: 100 for small messages, 4 for large)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--replays", v.replays, "timed replays, of which the median is taken")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  CLI::Option* graph_flag =
      app.add_flag("--graph", graph, "time replays of a CUDA graph (the default)");
  app.add_flag("--eager", eager, "time calls enqueued one by one")->excludes(graph_flag);
  app.add_option("--nccl", nccl, "NCCL beside it: auto (if found), off")
      ->check(one_of({"auto", "off"}))
      ->capture_default_str();
  app.add_option("--rival", rival,
                 "hand-specialised kernels beside it (2 ranks, float sum): on, off")
      ->check(one_of({"on", "off"}))
      ->capture_default_str();
  app.add_option("--limits", limits, "measure the machine's limits first: on, off")
      ->check(one_of({"on", "off"}))
      ->capture_default_str();
  app.add_option("--json", v.json, "write the results to this file");
  app.add_flag("--list", v.list, "print GPUs and what is compiled in, and leave");

  try {
    app.parse(argc, argv);
    v.graph = graph && !eager;
    v.nccl = nccl == "auto";
    v.rival = rival == "on";
    v.limits = limits == "on";
    finish(v, words, type, op, memory);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    result.exit_status = 0;
  } catch (const std::exception& error) {  // CLI::ParseError too
    std::cerr << "peerfold-bench: " << one_line(error.what()) << " (see --help)\n";
    result.exit_status = status_bad_options;
  }
  return result;
}

void place_ranks(options& values, int gpus) {
  if (values.devices.empty()) {
    if (values.ranks == 0) values.ranks = std::min(gpus, 8);
    for (int rank = 0; rank < values.ranks; ++rank) {
      // Neighbouring ranks share a GPU where there are fewer of them: 0,0,1,1.
      const int used = std::min(gpus, values.ranks);
      values.devices.push_back(rank * used / values.ranks);
    }
  }
  values.ranks = static_cast<int>(values.devices.size());
  for (const int device : values.devices) {
    require(device < gpus, "--devices: GPU " + std::to_string(device) +
                               " is not there (this machine has " + std::to_string(gpus) +
                               ", numbered from 0)");
  }
}

}  // namespace bench
