// What the fuzz targets share.
#pragma once

#include <draw.hpp>
#include <import.hpp>
#include <report.hpp>

#include <topology/invariants.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

// Ends the program, which libFuzzer reports with the input, if there is anything in `reason`.
inline void expect_nothing(const std::string& reason, const std::string& about) {
  if (reason.empty()) return;
  std::fprintf(stderr, "%s: %s\n", reason.c_str(), about.c_str());
  std::abort();
}

// Reads a text: what it takes is a sound graph that can be printed, what it refuses is well said.
inline void import_text(const std::string& text) {
  const std::string name = "text";
  try {
    const topo::graph g = topo::import_topology({name, text});
    expect_nothing(tests::broken_invariant(g), "graph");
    if (g.size() > 16) return;  // printing takes longer than reading
    std::ostringstream out;
    topo::print_tables(out, g, name);
    topo::print_json(out, g, name);
    topo::draw_svg(out, g, name);
  } catch (const topo::bad_source& refusal) {
    expect_nothing(tests::broken_message(refusal.what(), text, name), refusal.what());
  }
}

}  // namespace fuzz
