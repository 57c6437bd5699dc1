/// \file
/// One rank's copy of the network, with the arrays it works in. `Place` says where the arrays lie
/// (`Place::template array<T>`) and how a functor runs over indices (`place.apply(count,
/// functor)`).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "network.hpp"
#include "random.hpp"

namespace digits {

/// The numbers from begin to end - 1.
struct range {
  int begin;
  int end;

  [[nodiscard]] constexpr int size() const noexcept { return end - begin; }

  /// The part of one of `ranks` ranks. Parts differ by one at most where ranks do not divide size.
  [[nodiscard]] constexpr range share(int rank, int ranks) const noexcept {
    return {begin + size() * rank / ranks, begin + size() * (rank + 1) / ranks};
  }
};

inline constexpr int batch_size = 64;
/// The rows 0 to count - 1 in batches; the last one may be smaller.
inline std::vector<range> batches(int count) {
  std::vector<range> result;
  for (int begin = 0; begin < count; begin += batch_size) {
    result.push_back({begin, std::min(begin + batch_size, count)});
  }
  return result;
}

inline constexpr float learning_rate = 0.2f;
inline constexpr float momentum = 0.9f;

/// The parameters that every rank starts from.
inline std::vector<float> initial_weights(std::uint64_t seed) {
  generator random{~seed};                   // another stream than the split's
  std::vector<float> weights(layout::size);  // biases start at 0
  const auto fill = [&](int first, int last, int inputs) {
    const float limit = std::sqrt(6.0f / static_cast<float>(inputs));  // He's, for ReLU
    for (int i = first; i < last; ++i) weights[static_cast<std::size_t>(i)] = random.within(limit);
  };
  fill(layout::hidden_weights, layout::hidden_biases, pixel_count);
  fill(layout::output_weights, layout::output_biases, hidden_count);
  return weights;
}

/// The order of an epoch's rows: the images to train on, shuffled; after them the held-out ones.
inline std::vector<int> epoch_order(const data_set& data, std::uint64_t seed, int epoch) {
  generator random{seed};
  generator of_epoch{random.next() + static_cast<std::uint64_t>(epoch)};
  std::vector<int> order = indices(data.size());
  shuffle(std::span{order}.first(static_cast<std::size_t>(data.train)), of_epoch);
  return order;
}

template <class Place>
class replica {
 public:
  /// `gradient` holds layout::size elements where the place can reach them; not owned.
  replica(Place place, const data_set& data, std::span<const float> weights, float* gradient)
      : place_{std::move(place)},
        train_{data.train},
        held_out_{data.held_out()},
        pixels_{place_, data.pixels.size()},
        labels_{place_, data.labels.size()},
        order_{place_, data.labels.size()},
        weights_{place_, weights.size()},
        velocity_{place_, weights.size()},
        hidden_{place_, row_capacity() * hidden_count},
        by_hidden_{place_, row_capacity() * hidden_count},
        scores_{place_, row_capacity() * class_count},
        hits_{place_, static_cast<std::size_t>(held_out_)},
        gradient_{gradient} {
    pixels_.copy_from(data.pixels);
    labels_.copy_from(data.labels);
    weights_.copy_from(weights);
    velocity_.copy_from(std::vector<float>(weights.size()));
  }

  void set_order(std::span<const int> order) { order_.copy_from(order); }

  /// Sums the gradient over rows of the order, which may be none.
  void compute_gradient(range part) {
    const rows in = forward(part);
    place_.apply(part.size(), differentiate_loss{in, scores_.data()});
    place_.apply(
        part.size() * hidden_count,
        differentiate_hidden{hidden_.data(), weights_.data(), scores_.data(), by_hidden_.data()});
    place_.apply(layout::size, sum_gradient{in, part.size(), hidden_.data(), scores_.data(),
                                            by_hidden_.data(), gradient_});
  }

  /// Takes a step along the gradient, which holds the sum over a whole batch of `rows` rows.
  void update(int rows) {
    place_.apply(layout::size, descend{gradient_, static_cast<float>(rows), learning_rate, momentum,
                                       velocity_.data(), weights_.data()});
  }

  /// Marks in hits() which held-out images of this rank's share are recognised.
  void judge(int rank, int ranks) {
    const range share = range{0, held_out_}.share(rank, ranks);
    const rows in = forward({train_ + share.begin, train_ + share.end});
    place_.apply(held_out_, recognise{in, share.begin, share.size(), scores_.data(), hits_.data()});
  }

  [[nodiscard]] float* hits() { return hits_.data(); }
  [[nodiscard]] int count_hits() const {
    const std::vector<float> hits = hits_.to_host();
    return static_cast<int>(std::count(hits.begin(), hits.end(), 1.0f));
  }
  [[nodiscard]] std::vector<float> weights() const { return weights_.to_host(); }

 private:
  rows forward(range part) {
    const rows in{pixels_.data(), labels_.data(), order_.data(), part.begin};
    place_.apply(part.size() * hidden_count, activate_hidden{in, weights_.data(), hidden_.data()});
    place_.apply(part.size() * class_count,
                 score_classes{hidden_.data(), weights_.data(), scores_.data()});
    return in;
  }

  /// The most rows that go forward at once.
  [[nodiscard]] std::size_t row_capacity() const {
    return static_cast<std::size_t>(std::max(batch_size, held_out_));
  }

  template <class T>
  using array = typename Place::template array<T>;

  Place place_;
  int train_;
  int held_out_;
  array<float> pixels_;
  array<int> labels_;
  array<int> order_;
  array<float> weights_;
  array<float> velocity_;
  array<float> hidden_;
  array<float> by_hidden_;
  array<float> scores_;  // and the derivatives by them
  array<float> hits_;
  float* gradient_;
};

}  // namespace digits
