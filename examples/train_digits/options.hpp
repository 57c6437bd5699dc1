/// \file
/// The command line of train_digits.
#pragma once

#include <peerfold/policy/policy.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace digits {

/// What main() returns.
enum class exit_code : int {
  success = 0,
  failed = 1,      ///< a fault, or ranks that ended with different bits
  bad_input = 2,   ///< an option or the data file
  no_device = 77,  ///< the place asked for is not on this machine (what ctest calls skipped)
};

enum class place_choice { automatic, threads, gpu };

struct options {
  std::optional<int> ranks;  ///< none: as many as suit the place
  place_choice place = place_choice::automatic;
  peerfold::policy policy = peerfold::automatic;
  int epochs = 40;
  std::uint64_t seed = 1;
  std::string data;
};

/// The options, or what main() returns at once: help was printed, or one line about a bad option.
[[nodiscard]] std::variant<options, exit_code> parse_options(int argc, char** argv);

}  // namespace digits
