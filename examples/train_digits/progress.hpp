/// \file
/// Tells how far the training is: a bar on a terminal, now and then a line elsewhere.
#pragma once

namespace digits {

class progress {
 public:
  explicit progress(int epochs);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// `epoch` epochs are over; `correct` of `held_out` images are recognised.
  void show(int epoch, int correct, int held_out);

 private:
  int epochs_;
  bool is_terminal_;
  bool is_line_open_ = false;  // the bar stands on a line that has not ended
};

}  // namespace digits
