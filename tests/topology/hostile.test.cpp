// Files that nobody would call a topology, or that end too early: each is read as a sound graph or
// refused with its place. What is odd and still right is with the importers' own tests.
#include <import.hpp>

#include <support/catch.hpp>
#include <topology/invariants.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct outcomes {
  int taken = 0;
  int refused = 0;
};

/// Reads a text as an importer would find it in a file; what goes wrong, in words.
std::string problem_with(const std::string& text, outcomes& count) {
  try {
    const auto g = topo::import_topology({"t", text});
    ++count.taken;
    return tests::broken_invariant(g);
  } catch (const topo::bad_source& refusal) {
    ++count.refused;
    const std::string problem = tests::broken_message(refusal.what(), text, "t");
    return problem.empty() ? "" : problem + ": " + refusal.what();
  }
}

std::vector<std::string> samples(const std::string& end, std::size_t most_bytes) {
  std::vector<std::string> texts;
  const std::filesystem::path folder = PEERFOLD_TOPOLOGY_SAMPLES;
  for (const auto& within : {folder, folder / "own"}) {
    for (const auto& entry : std::filesystem::directory_iterator(within)) {
      if (!entry.is_regular_file() || !entry.path().string().ends_with(end)) continue;
      if (entry.file_size() > most_bytes) continue;
      texts.push_back(topo::source_text::read(entry.path().string()).text());
    }
  }
  REQUIRE(texts.size() > 1);
  return texts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

}  // namespace

TEST_CASE("samples that end at any byte") {
  outcomes count;
  for (const std::string end : {".txt", ".nccl.xml"}) {
    for (const std::string& text : samples(end, 6000)) {
      for (std::size_t length = 0; length < text.size(); ++length) {
        const std::string problem = problem_with(text.substr(0, length), count);
        CAPTURE(text, length);
        REQUIRE(problem.empty());
      }
    }
  }
  // hwloc's are large: some places.
  for (const std::string& text : samples(".hwloc.xml", 100'000)) {
    for (std::size_t length = 0; length < text.size(); length += 199) {
      REQUIRE(problem_with(text.substr(0, length), count).empty());
    }
  }
  CHECK(count.taken > 0);  // a table without all of the legend behind it is still a table
  CHECK(count.refused > count.taken);
}

TEST_CASE("samples without a line, or with one twice") {
  outcomes count;
  for (const std::string end : {".txt", ".nccl.xml"}) {
    for (const std::string& text : samples(end, 14'000)) {
      const std::vector<std::string> lines = lines_of(text);
      for (std::size_t left_out = 0; left_out < lines.size(); ++left_out) {
        std::string without;
        std::string twice;
        for (std::size_t l = 0; l < lines.size(); ++l) {
          without += l == left_out ? "" : lines[l];
          twice += l == left_out ? lines[l] + lines[l] : lines[l];
        }
        for (const std::string& changed : {without, twice}) {
          const std::string problem = problem_with(changed, count);
          CAPTURE(changed);
          REQUIRE(problem.empty());
        }
      }
    }
  }
  CHECK(count.refused > 0);
}

TEST_CASE("tables without a column, with other blanks, colours and ends of lines") {
  for (const std::string& text : samples(".txt", 6000)) {
    outcomes count;
    const auto changed = [&](const auto& change) {
      std::string result;
      for (const char c : text) result += change(c);
      CAPTURE(result);
      REQUIRE(problem_with(result, count).empty());
      return result;
    };
    REQUIRE(problem_with(text, count).empty());
    const bool is_taken = count.taken == 1;
    // These are the same table.
    changed([](char c) { return c == '\t' ? std::string("  ") : std::string(1, c); });
    changed([](char c) { return c == ' ' ? std::string("\t") : std::string(1, c); });
    changed([](char c) { return c == '\n' ? std::string("\r\n") : std::string(1, c); });
    changed([](char c) { return c == '\n' ? std::string("\x1b[0m\n\x1b[4m") : std::string(1, c); });
    CHECK(count.taken == (is_taken ? 5 : 0));
    // These are none, or another.
    for (const char gone : {'\n', '\t', ' ', 'X', 'G', '0', 'N'}) {
      changed([&](char c) { return c == gone ? std::string() : std::string(1, c); });
    }
    for (std::size_t column = 0; column < 40; ++column) {
      std::string without;
      for (std::string line : lines_of(text)) {
        if (line.size() > column + 1) line.erase(column, 1);
        without += line;
      }
      REQUIRE(problem_with(without, count).empty());
    }
  }
}

TEST_CASE("a thousand GPUs, links to nowhere and to oneself") {
  outcomes count;
  std::string table;
  std::string nccl = "<system>\n<cpu>\n";
  std::string hwloc = "<topology>\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    table += " GPU" + n;
    nccl += "<pci busid=\"" + n + "\"><gpu dev=\"" + n + "\"><nvlink target=\"" + n +
            "\" count=\"1\"/></gpu></pci>\n";
    hwloc += "<object type=\"PCIDev\" gp_index=\"" + n + "\"><object type=\"OSDev\" name=\"nvml" +
             n + "\"/></object>\n";
  }
  for (int i = 0; i < 1000; ++i) {
    table += "\nGPU" + std::to_string(i);
    for (int j = 0; j < 1000; ++j) table += i == j ? " X" : " NV1";
  }
  CHECK(problem_with(table, count).empty());
  CHECK(problem_with(nccl + "</cpu></system>", count).empty());
  CHECK(problem_with(hwloc + "</topology>", count).empty());
  CHECK(count.refused == 3);
}

TEST_CASE("the most GPUs, each with as many links as it may have") {
  outcomes count;
  const int n = peerfold::topology::most_gpus;
  std::string table;
  for (int i = 0; i < n; ++i) table += " GPU" + std::to_string(i);
  for (int i = 0; i < n; ++i) {
    table += "\nGPU" + std::to_string(i);
    for (int j = 0; j < n; ++j)
      table += i == j ? " X" : (i - j + n) % n % (n - 9) < 10 ? " NV1" : " SYS";
  }
  CHECK(problem_with(table, count).empty());
  CHECK(count.taken == 1);
}

TEST_CASE("depth without end, and bytes of any kind") {
  outcomes count;
  const std::size_t deep = 300'000;
  std::string opened;
  for (std::size_t i = 0; i < deep; ++i) opened += "<a>";
  std::string closed = opened;
  for (std::size_t i = 0; i < deep; ++i) closed += "</a>";
  std::string objects = "<topology>";
  for (int i = 0; i < 5000; ++i) objects += "<object type=\"Bridge\">";
  for (int i = 0; i < 5000; ++i) objects += "</object>";
  std::string bytes;
  for (unsigned i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * i % 251);
  std::string bombs = "<!DOCTYPE system [<!ENTITY a \"aaaaaaaaaa\">";
  for (char c = 'b'; c < 'z'; ++c) {
    bombs += "<!ENTITY " + std::string(1, c) + " \"";
    for (int i = 0; i < 10; ++i) bombs += "&" + std::string(1, static_cast<char>(c - 1)) + ";";
    bombs += "\">";
  }
  bombs += "]><system><cpu numaid=\"&y;\"/></system>";
  for (const std::string& text :
       {opened, closed, objects + "</topology>", bytes, "<" + bytes, "GPU0 " + bytes,
        std::string(1'000'000, '<'), std::string(1'000'000, '\n'), std::string(1'000'000, '\t'),
        std::string(100, '\0'), std::string("<\0>", 3), std::string("\x1b["), bombs}) {
    const std::string problem = problem_with(text, count);
    CAPTURE(text.substr(0, 60), problem);
    CHECK(problem.empty());
  }
  CHECK(count.taken == 0);
}
