// peerfold-topo: what joins the GPUs of a node, and what calls take on it. --help lists the
// subcommands.
#include <peerfold/topology/presets.hpp>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "compare.hpp"
#include "draw.hpp"
#include "import.hpp"
#include "planning.hpp"
#include "report.hpp"
#include "this_machine.hpp"
#include "tuner.hpp"

namespace {

constexpr int status_bad_input = 1;
constexpr int status_bad_options = 2;
constexpr int status_no_gpu = 77;  // ctest's SKIP_RETURN_CODE

// Where the graph comes from, of the options of a subcommand: this machine, unless they name
// another.
struct origin {
  std::string file;
  std::string preset;
  bool has_no_probe = false;

  void add_to(CLI::App& command) {
    CLI::Option_group* const one = command.add_option_group("source");
    one->add_option("--from", file,
                    "a file: nvidia-smi topo -m, -mp or -p2p, NCCL's or hwloc's XML");
    std::string names;
    for (const auto& p : peerfold::topology::presets) {
      names += (names.empty() ? "" : ", ") + std::string(p.name);
    }
    one->add_option("--preset", preset, "a known machine: " + names);
    one->add_flag("--no-probe", has_no_probe,
                  "of this machine, only what its drivers say: move no data, measure nothing");
    one->require_option(0, 1);
  }

  static peerfold::topology::discovery look(bool probe) {
    try {
      return topo::look_at_machine(probe);
    } catch (const topo::no_gpu& why) {
      throw topo::no_gpu(std::string(why.what()) +
                         "; --from FILE and --preset NAME show other machines");
    }
  }

  bool is_here() const { return file.empty() && preset.empty(); }
  std::string name() const { return is_here() ? "this machine" : file.empty() ? preset : file; }

  topo::graph read() const {
    if (is_here()) {
      auto [node, remarks] = look(!has_no_probe);
      for (const std::string& remark : remarks) {
        std::cerr << "peerfold-topo: remark: " << remark << '\n';
      }
      return std::move(node);
    }
    if (!file.empty()) return topo::import_topology(topo::source_text::read(file));
    const auto* const found = peerfold::topology::find_preset(preset);
    if (found == nullptr) {
      throw CLI::ValidationError("--preset", topo::quoted(preset) + " is not known");
    }
    return found->make();
  }
};

peerfold::collective collective_named(const std::string& name) {
  const peerfold::collective which = topo::parse_collective(name);
  if (which != peerfold::collective::none) return which;
  throw CLI::ValidationError("collective", topo::quoted(name) + " is not known");
}

// A size from `least` bytes to 1 TiB, as a number of bytes.
CLI::Validator size_between(std::uint64_t least) {
  const auto convert = [least](std::string& text) -> std::string {
    constexpr std::uint64_t most = std::uint64_t{1} << 40;
    const std::string given = text;
    if (given.empty() || given[0] < '0' || given[0] > '9') {
      return topo::quoted(given) + " is no size";
    }
    std::string failure = CLI::AsSizeValue(false)(text);
    if (!failure.empty()) return failure;
    const std::uint64_t bytes = std::stoull(text);
    if (bytes < least || bytes > most) {
      return topo::quoted(given) + " is not from " + std::to_string(least) + " bytes to 1 TiB";
    }
    return {};
  };
  return CLI::Validator(convert, "SIZE");
}

// A call, of the options of a subcommand.
struct call_options {
  std::string which;
  std::string type = "float";
  topo::planned_call values;
  std::string tuning_file;

  void add_to(CLI::App& command, bool has_size) {
    command.add_option("collective", which, "such as all_reduce")->required();
    if (has_size) {
      command
          .add_option("size", values.message_bytes,
                      "of the message, such as 64KiB, as peerfold-bench and nccl-tests count")
          ->required()
          ->transform(size_between(0));
    }
    command.add_option("--type", type, "element type: " + topo::element_names());
    command.add_option("--ranks", values.ranks, "number of ranks (default: one a GPU, at most 8)")
        ->check(CLI::Range(1, peerfold::run_time_ranks));
    command
        .add_option("--gpus", values.gpus, "GPU of each rank, such as 0,0,1,1 (default: spread)")
        ->delimiter(',');
    command.add_option("--root", values.root, "root rank, where the collective has one");
    command.add_flag("--any-bits", values.any_bits,
                     "also policies whose results have other bits than the rest");
    command.add_flag("--symmetric", values.symmetric, "in symmetric memory");
    command.add_option("--max-blocks", values.max_blocks, "blocks a rank may use at most")
        ->check(CLI::Range(1, 65536));
    command.add_option("--tuning", tuning_file,
                       "measured times (default: on this machine, PEERFOLD_TUNING)");
  }

  topo::planned_call call() const {
    topo::planned_call made = values;
    made.which = collective_named(which);
    made.element = topo::find_element(type);
    if (made.element == nullptr) {
      throw CLI::ValidationError("--type",
                                 topo::quoted(type) + " is none of " + topo::element_names());
    }
    return made;
  }

  // The file that is named, or, on this machine, that calls take.
  std::optional<peerfold::tuning> measured(bool is_here) const {
    const char* const named = is_here ? std::getenv("PEERFOLD_TUNING") : nullptr;
    const std::string file = tuning_file.empty() && named != nullptr ? named : tuning_file;
    if (file.empty()) return {};
    return peerfold::tuning::parse(topo::source_text::read(file).text(), file);
  }
};

// Calls write(stream) on a file, or stdout where there is no name.
template <class Write>
void write_to(const std::string& path, const Write& write) {
  if (path.empty()) {
    write(std::cout);
    if (!std::cout.flush()) throw std::runtime_error("stdout: cannot be written");
    return;
  }
  std::ofstream file(path);
  write(file);
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  char text[16];
  std::strftime(text, sizeof text, "%F", std::gmtime(&now));
  return text;
}

// measure: writes the tuning, and says how wrong the model is for the node.
int tune(const topo::measure_options& asked, const origin& node, const std::string& output) {
  // Found out before measuring.
  const bool was_there = std::filesystem::exists(output);
  const bool is_writable = static_cast<bool>(std::ofstream(output, std::ios::app));
  if (!was_there && is_writable) std::filesystem::remove(output);
  if (!is_writable) throw std::runtime_error(output + ": cannot be written");
  const topo::graph g = node.read();
  const peerfold::tuning measured = topo::measure(asked, std::cerr, isatty(STDERR_FILENO) == 1);
  write_to(output, [&](std::ostream& out) {
    topo::write_tuning(out, measured, "by peerfold-topo measure, " + today());
  });
  std::cout << output << ": " << measured.points().size() << " times; PEERFOLD_TUNING=" << output
            << " makes calls use them\n";
  std::vector<int> gpus = asked.devices;
  const int ranks = measured.points().front().ranks;
  for (int r = 0; asked.devices.empty() && r < ranks; ++r) gpus.push_back(r);
  if (g.size() <= *std::ranges::max_element(gpus)) {
    throw std::runtime_error(node.name() + ": has fewer GPUs than were measured");
  }
  topo::report_differences(std::cout, g, measured, gpus);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What joins the GPUs of a node", "peerfold-topo");
  app.require_subcommand(1);
  origin source;
  bool as_json = false;
  std::string output;
  CLI::App* const show = app.add_subcommand("show", "tables of what joins each two GPUs");
  source.add_to(*show);
  show->add_flag("--json", as_json, "as JSON");
  CLI::App* const draw = app.add_subcommand("draw", "a picture of the node, as SVG");
  source.add_to(*draw);
  draw->add_option("--output", output, "the file to write (default: stdout)");
  call_options asked;
  CLI::App* const explain =
      app.add_subcommand("explain", "what a call takes by each policy, the choice, and why");
  asked.add_to(*explain, true);
  source.add_to(*explain);
  explain->add_flag("--json", as_json, "as JSON");
  CLI::App* const crossover =
      app.add_subcommand("crossover", "a chart of the chosen policy over sizes and rank counts");
  asked.add_to(*crossover, false);
  source.add_to(*crossover);
  std::string run;
  CLI::App* const compare = app.add_subcommand(
      "compare", "predictions beside what peerfold-bench measured on the GPUs of the node");
  compare->add_option("run", run, "a file of peerfold-bench --json")->required();
  source.add_to(*compare);
  compare->add_flag("--json", as_json, "as JSON: what benchmarks/fit_cost_model.py takes");
  topo::measure_options measuring;
  std::vector<std::string> measured_names;
  CLI::App* const measure = app.add_subcommand(
      "measure", "the tuner: measures policies here, and writes the file for PEERFOLD_TUNING");
  measure->add_option("--output", output, "the file to write")->required();
  measure->add_option("--collective", measured_names, "such as all_reduce (default: all)")
      ->delimiter(',');
  measure->add_option("--gpus", measuring.devices, "GPU of each rank (default: each once)")
      ->delimiter(',');
  measure->add_option("--min-bytes", measuring.min_bytes, "smallest message (default: 1K)")
      ->transform(size_between(4));
  measure->add_option("--max-bytes", measuring.max_bytes, "largest message (default: 256M)")
      ->transform(size_between(4));
  measure->add_option("--seconds", measuring.seconds, "leave the rest out after so long")
      ->check(CLI::Range(1.0, 86400.0));
  source.add_to(*measure);
  try {
    app.parse(argc, argv);
    if (measure->parsed()) {
      for (const std::string& name : measured_names) {
        measuring.which.push_back(collective_named(name));
        if (measuring.which.back() == peerfold::collective::barrier) {
          throw CLI::ValidationError("--collective", "a barrier has one policy and no size");
        }
      }
      if (measuring.min_bytes > measuring.max_bytes) {
        throw CLI::ValidationError("--min-bytes", "more than --max-bytes");
      }
      return tune(measuring, source, output);
    }
    const topo::graph g = source.read();
    write_to(output, [&](std::ostream& out) {
      if (draw->parsed()) {
        topo::draw_svg(out, g, source.name());
      } else if (show->parsed()) {
        (as_json ? topo::print_json : topo::print_tables)(out, g, source.name());
      } else if (compare->parsed()) {
        (as_json ? topo::compare_json : topo::compare)(out, peerfold::cost_model(g),
                                                       topo::source_text::read(run));
      } else {
        const auto measured = asked.measured(source.is_here());
        const auto print = crossover->parsed() ? topo::crossover
                           : as_json           ? topo::explain_json
                                               : topo::explain;
        print(out, peerfold::cost_model(g), asked.call(), measured ? &*measured : nullptr,
              source.name());
      }
    });
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::Error& error) {
    std::cerr << "peerfold-topo: " << error.what() << " (see --help)\n";
    return status_bad_options;
  } catch (const std::invalid_argument& error) {  // of a call that the node cannot have
    std::cerr << "peerfold-topo: " << error.what() << '\n';
    return status_bad_options;
  } catch (const topo::no_gpu& error) {
    std::cerr << "peerfold-topo: " << error.what() << '\n';
    return status_no_gpu;
  } catch (const std::exception& error) {
    std::cerr << "peerfold-topo: " << error.what() << '\n';
    return status_bad_input;
  }
  return 0;
}
