/// \file
/// The handwritten digits: read, checked, shuffled and split.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace digits {

inline constexpr int pixel_count = 64;  ///< pixels of an image (8 x 8)
inline constexpr int class_count = 10;  ///< the digits 0 to 9

/// All images, shuffled once. The first `train` are for training, the rest is held out.
struct data_set {
  std::vector<float> pixels;  ///< pixel_count an image, row by row, each from 0 to 1
  std::vector<int> labels;    ///< one an image
  int train = 0;              ///< images to train on

  [[nodiscard]] int size() const noexcept { return static_cast<int>(labels.size()); }
  [[nodiscard]] int held_out() const noexcept { return size() - train; }
};

/// A data file that cannot be used; the message names the file and the line.
class data_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads a file of lines "64 pixels from 0 to 16, label", plain or compressed by gzip. The shuffle,
/// and so which fifth is held out, depends on the seed alone. Throws data_error.
[[nodiscard]] data_set load(const std::string& path, std::uint64_t seed);

}  // namespace digits
