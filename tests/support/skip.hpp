/// \file
/// Ends a test program as skipped. Catch2 2.13 has no SKIP, so this is for whole programs.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace peerfold::test {

/// Ends the program with the status that ctest reports as skipped (tests/CMakeLists.txt).
[[noreturn]] inline void skip_program(const char* reason) {
  std::printf("skipped: %s\n", reason);
  std::exit(77);
}

}  // namespace peerfold::test
