/// \file
/// The contract suite's cases. A case is a function that a translation unit registers and that
/// writes what it finds into a report; the main thread asserts on it (Catch2's assertions are not
/// for several threads, and its header costs every translation unit seconds).
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace peerfold::test {

/// What a case found. Members may be called from several threads.
class report {
 public:
  void fail(std::string what) {
    const std::lock_guard lock{mutex_};
    if (failures_.size() < most_failures) failures_.push_back(std::move(what));
  }
  void check(bool right, const std::string& what) {
    if (!right) fail(what);
  }
  /// Says that the place has not what the case needs.
  void skip() { skipped_ = true; }
  /// Counts what was done.
  void count(std::size_t calls, std::size_t elements) {
    const std::lock_guard lock{mutex_};
    calls_ += calls;
    elements_ += elements;
  }

  [[nodiscard]] std::size_t calls() const { return calls_; }        ///< collectives, a rank each
  [[nodiscard]] std::size_t elements() const { return elements_; }  ///< compared with the oracle
  [[nodiscard]] bool skipped() const { return skipped_; }
  [[nodiscard]] bool ok() const { return failures_.empty(); }
  [[nodiscard]] std::string to_string() const {
    std::string text;
    for (const std::string& failure : failures_) text += failure + '\n';
    return text;
  }

 private:
  static constexpr std::size_t most_failures = 20;

  std::mutex mutex_;
  std::vector<std::string> failures_;
  std::size_t calls_ = 0;
  std::size_t elements_ = 0;
  bool skipped_ = false;
};

/// Whether the environment asks for a short run (PEERFOLD_TEST_SHORT=1): for compute-sanitizer.
bool short_run();

/// One case of a group.
struct contract_case {
  std::string group;
  std::string name;
  void (*run)(report&);
};

/// All cases of the program, in no particular order.
std::vector<contract_case>& contract_cases();

/// Adds a case before main().
struct registration {
  registration(std::string group, std::string name, void (*run)(report&)) {
    contract_cases().push_back({std::move(group), std::move(name), run});
  }
};

}  // namespace peerfold::test
