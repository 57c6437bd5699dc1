#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>

namespace digits {
namespace {

std::string policy_names() {
  std::string names{to_string(peerfold::automatic)};
  for (const auto policy : peerfold::floating_policies::list)
    names.append("|").append(to_string(policy));
  return names;
}

/// CLI11 takes -1 for an unsigned number as 2^64 - 1.
std::string check_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, status] = std::from_chars(text.data(), end, seed);
  if (status == std::errc{} && parsed == end) return {};
  return "'" + text + "' is not a whole number from 0 to 18446744073709551615";
}

std::string check_policy(const std::string& name) {
  if (peerfold::parse_policy(name)) return {};
  return "'" + name + "' is not one of " + policy_names();
}

}  // namespace

std::variant<options, exit_code> parse_options(int argc, char** argv) {
  options chosen;
  chosen.data = PEERFOLD_DEMO_DATA;
  std::string place = "auto";
  std::string policy{to_string(chosen.policy)};
  const std::map<std::string, place_choice> places{{"auto", place_choice::automatic},
                                                   {"threads", place_choice::threads},
                                                   {"gpu", place_choice::gpu}};

  CLI::App app{
      "Trains a small network on handwritten digits, data-parallel: each rank computes the "
      "gradients of its share of every batch, and peerfold sums them over the ranks.",
      "train_digits"};
  app.add_option("--ranks", chosen.ranks,
                 "1 to 8 ranks (default: one a GPU and at least 2; 2 on threads)")
      ->check(CLI::Range(1, 8).description(""))
      ->type_name("N");
  app.add_option("--place", place, "where ranks run: GPUs if there are any, else CPU threads")
      ->check(CLI::IsMember(places).description(""))
      ->type_name("auto|threads|gpu")
      ->capture_default_str();
  app.add_option("--policy", policy,
                 "how the gradients are reduced; no bit of the result depends on it")
      ->check(check_policy)
      ->type_name(policy_names())
      ->capture_default_str();
  app.add_option("--epochs", chosen.epochs, "passes over the training data, 1 to 10000")
      ->check(CLI::Range(1, 10'000).description(""))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--seed", chosen.seed, "seed of the split, the first weights and the batches")
      ->check(check_seed)
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--data", chosen.data, "lines of 64 pixels (0 to 16) and a label; may be gzipped")
      ->type_name("FILE")
      ->capture_default_str();

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success&) {
    std::fputs(app.help().c_str(), stdout);
    return exit_code::success;
  } catch (const CLI::ParseError& error) {
    std::string reason = error.what();
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    std::fprintf(stderr, "train_digits: %s (--help lists the options)\n", reason.c_str());
    return exit_code::bad_input;
  }
  chosen.place = places.at(place);
  chosen.policy = *peerfold::parse_policy(policy);
  return chosen;
}

}  // namespace digits
