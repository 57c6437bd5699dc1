#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace digits {

progress::progress(int epochs) : epochs_{epochs}, is_terminal_{isatty(STDOUT_FILENO) == 1} {}

progress::~progress() {
  if (is_line_open_) std::puts("");
}

void progress::show(int epoch, int correct, int held_out) {
  constexpr int width = 40;
  constexpr int most_lines = 10;
  const double percent = 100.0 * correct / held_out;
  if (is_terminal_) {
    std::string bar(width, '.');
    std::fill_n(bar.begin(), width * epoch / epochs_, '#');
    std::printf("\r[%s] epoch %d/%d  held out: %5.1f %%", bar.c_str(), epoch, epochs_, percent);
    is_line_open_ = epoch < epochs_;
    if (!is_line_open_) std::puts("");
  } else if (epoch % std::max(1, epochs_ / most_lines) == 0 || epoch == epochs_) {
    std::printf("epoch     %d/%d  held out: %.1f %%\n", epoch, epochs_, percent);
  }
  std::fflush(stdout);
}

}  // namespace digits
