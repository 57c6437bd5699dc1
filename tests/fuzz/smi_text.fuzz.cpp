// Tables of nvidia-smi.
#include "target.hpp"

#include <peerfold/core/error.hpp>
#include <peerfold/topology/smi_text.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // By the library itself, which takes what begins with < as well; and as a file is read.
  try {
    const auto g = peerfold::topology::read_smi_text(text, "text");
    fuzz::expect_nothing(tests::broken_invariant(g), "graph");
  } catch (const peerfold::error& refusal) {
    fuzz::expect_nothing(tests::broken_message(refusal.what(), text, "text"), refusal.what());
  }
  fuzz::import_text(text);
  return 0;
}
