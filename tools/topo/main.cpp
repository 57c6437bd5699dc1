// peerfold-topo: what joins the GPUs of a node. --help lists the subcommands.
#include <peerfold/topology/presets.hpp>

#include <CLI/CLI.hpp>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

#include "import.hpp"
#include "machine.hpp"
#include "report.hpp"

namespace {

constexpr int status_bad_input = 1;
constexpr int status_bad_options = 2;
constexpr int status_no_gpu = 77;  // which ctest takes for a skipped test

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

  bool is_here() const { return file.empty() && preset.empty(); }
  std::string name() const { return is_here() ? "this machine" : file.empty() ? preset : file; }

  topo::graph read() const {
    if (is_here()) {
      auto [node, remarks] = topo::look_at_machine(!has_no_probe);
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
  try {
    app.parse(argc, argv);
    const topo::graph g = source.read();
    write_to(output, [&](std::ostream& out) {
      if (draw->parsed()) {
        topo::draw_svg(out, g, source.name());
      } else if (as_json) {
        topo::print_json(out, g, source.name());
      } else {
        topo::print_tables(out, g, source.name());
      }
    });
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::Error& error) {
    std::cerr << "peerfold-topo: " << error.what() << " (see --help)\n";
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
