/// \file
/// The arithmetic of a 64 -> 128 -> 10 network, written once for both places. Each step is a
/// functor of an index: a CPU rank calls it in a loop, a GPU rank launches it as a kernel. An index
/// writes only what belongs to it and sums in a fixed order, so a step gives the same bits on every
/// run.
#pragma once

#include <peerfold/core/config.hpp>

#include <cmath>

#include "data.hpp"

namespace digits {

inline constexpr int hidden_count = 128;

/// Where the parameters (and, alike, their gradients) lie in one array.
struct layout {
  static constexpr int hidden_weights = 0;  ///< [pixel][hidden unit]
  static constexpr int hidden_biases = hidden_weights + pixel_count * hidden_count;
  static constexpr int output_weights = hidden_biases + hidden_count;  ///< [hidden unit][class]
  static constexpr int output_biases = output_weights + hidden_count * class_count;
  static constexpr int size = output_biases + class_count;
};

/// Some images: rows `first`, `first + 1`, ... of an order of the data set's images.
struct rows {
  const float* pixels;
  const int* labels;
  const int* order;
  int first;

  PEERFOLD_HD const float* image(int row) const {
    return pixels + order[first + row] * pixel_count;
  }
  PEERFOLD_HD int label(int row) const { return labels[order[first + row]]; }
};

/// Index: a row and a hidden unit. Forward through the first layer, with ReLU.
struct activate_hidden {
  rows in;
  const float* weights;
  float* hidden;

  PEERFOLD_HD void operator()(int index) const {
    const int unit = index % hidden_count;
    const float* image = in.image(index / hidden_count);
    const float* column = weights + layout::hidden_weights + unit;
    float sum = weights[layout::hidden_biases + unit];
    for (int pixel = 0; pixel < pixel_count; ++pixel) {
      sum += image[pixel] * column[pixel * hidden_count];
    }
    hidden[index] = sum > 0.0f ? sum : 0.0f;
  }
};

/// Index: a row and a class. Forward through the second layer.
struct score_classes {
  const float* hidden;
  const float* weights;
  float* scores;

  PEERFOLD_HD void operator()(int index) const {
    const int digit = index % class_count;
    const float* input = hidden + index / class_count * hidden_count;
    const float* column = weights + layout::output_weights + digit;
    float sum = weights[layout::output_biases + digit];
    for (int unit = 0; unit < hidden_count; ++unit) sum += input[unit] * column[unit * class_count];
    scores[index] = sum;
  }
};

/// Index: a row. Turns its scores into the derivative of the softmax cross-entropy by them.
struct differentiate_loss {
  rows in;
  float* scores;

  PEERFOLD_HD void operator()(int row) const {
    float* score = scores + row * class_count;
    float highest = score[0];
    for (int digit = 1; digit < class_count; ++digit) {
      highest = score[digit] > highest ? score[digit] : highest;
    }
    float sum = 0.0f;
    for (int digit = 0; digit < class_count; ++digit) {
      score[digit] = expf(score[digit] - highest);
      sum += score[digit];
    }
    for (int digit = 0; digit < class_count; ++digit) score[digit] /= sum;
    score[in.label(row)] -= 1.0f;
  }
};

/// Index: a row and a hidden unit. Back through the second layer.
struct differentiate_hidden {
  const float* hidden;
  const float* weights;
  const float* by_scores;
  float* by_hidden;

  PEERFOLD_HD void operator()(int index) const {
    const float* row = by_scores + index / hidden_count * class_count;
    const float* outgoing = weights + layout::output_weights + index % hidden_count * class_count;
    float sum = 0.0f;
    for (int digit = 0; digit < class_count; ++digit) sum += row[digit] * outgoing[digit];
    by_hidden[index] = hidden[index] > 0.0f ? sum : 0.0f;
  }
};

/// Index: a parameter. The sum over `count` rows (none is fine) of the loss's derivative by it.
struct sum_gradient {
  rows in;
  int count;
  const float* hidden;
  const float* by_scores;
  const float* by_hidden;
  float* gradient;

  PEERFOLD_HD void operator()(int parameter) const {
    float sum = 0.0f;
    if (parameter < layout::hidden_biases) {
      const int pixel = parameter / hidden_count;
      const float* by_unit = by_hidden + parameter % hidden_count;
      for (int row = 0; row < count; ++row)
        sum += in.image(row)[pixel] * by_unit[row * hidden_count];
    } else if (parameter < layout::output_weights) {
      const float* by_unit = by_hidden + (parameter - layout::hidden_biases);
      for (int row = 0; row < count; ++row) sum += by_unit[row * hidden_count];
    } else if (parameter < layout::output_biases) {
      const float* unit = hidden + (parameter - layout::output_weights) / class_count;
      const float* by_score = by_scores + (parameter - layout::output_weights) % class_count;
      for (int row = 0; row < count; ++row)
        sum += unit[row * hidden_count] * by_score[row * class_count];
    } else {
      const float* by_score = by_scores + (parameter - layout::output_biases);
      for (int row = 0; row < count; ++row) sum += by_score[row * class_count];
    }
    gradient[parameter] = sum;
  }
};

/// Index: a parameter. A step of gradient descent with momentum.
struct descend {
  const float* gradient;  ///< summed over the batch
  float batch_size;
  float rate;
  float momentum;
  float* velocity;
  float* weights;

  PEERFOLD_HD void operator()(int parameter) const {
    const float speed = momentum * velocity[parameter] + gradient[parameter] / batch_size;
    velocity[parameter] = speed;
    weights[parameter] -= rate * speed;
  }
};

/// Index: a held-out image. 1 where it lies in this rank's share and its highest score is its
/// label's, else 0, so that the sum over the ranks tells which images are recognised.
struct recognise {
  rows in;  ///< row 0 is the share's first image
  int share_first;
  int share_count;
  const float* scores;
  float* hits;

  PEERFOLD_HD void operator()(int image) const {
    const int row = image - share_first;
    hits[image] = 0.0f;
    if (row < 0 || row >= share_count) return;
    const float* score = scores + row * class_count;
    int best = 0;
    for (int digit = 1; digit < class_count; ++digit) {
      if (score[digit] > score[best]) best = digit;
    }
    hits[image] = best == in.label(row) ? 1.0f : 0.0f;
  }
};

}  // namespace digits
