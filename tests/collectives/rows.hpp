/// \file
/// Strided memory: all-reduce over rows of all shapes, with what lies between them, and what is
/// refused.
#pragma once

#include <peerfold/peerfold.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>
#include <support/oracle.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if __has_include(<cuda/std/mdspan>)
#include <cuda/std/mdspan>
#endif

namespace peerfold::test {
namespace detail {

/// What rows_of() takes, where there is no mdspan.
template <class T, std::size_t Rank>
struct plain_view {
  T* data;
  std::array<std::size_t, Rank> extents;
  std::array<std::size_t, Rank> strides;

  static constexpr std::size_t rank() { return Rank; }
  [[nodiscard]] T* data_handle() const { return data; }
  [[nodiscard]] std::size_t extent(std::size_t d) const { return extents[d]; }
  [[nodiscard]] std::size_t stride(std::size_t d) const { return strides[d]; }
};

/// Rows in a slab, of so many elements in all.
template <class T>
rows<T> rows_for(T* slab, std::size_t size, std::size_t columns, std::size_t gap) {
  return {slab, size / columns, columns, columns + gap};
}

template <class Place, class T, class Op, int N>
void run_rows(report& result) {
  if (!Place::has(N)) return result.skip();
  constexpr oracle::operation op = operation_of<Op>();
  struct shape {
    std::size_t size, in_columns, in_gap, out_columns, out_gap, shift;
  };
  for (const setting& chosen : Place::settings(N, false)) {
    const std::string name = std::to_string(N) + " ranks, " + chosen.name;
    recording(result, name, [&] {
      auto team = Place::template make_team<N>(chosen.options, N);
      Place place{team};
      const std::size_t most = chosen.most_bytes / sizeof(T) / 240 * 240;
      for (const shape& s :
           {shape{240, 240, 0, 240, 0, 0}, shape{240, 16, 16, 48, 16, 0}, shape{240, 1, 2, 5, 1, 0},
            shape{most, 48, 16, 80, 48, 0}, shape{most, 15, 3, 240, 0, 1}, shape{0, 7, 1, 3, 0, 0},
            shape{most, 120, 8, 120, 8, 3}}) {
        const bool in_place = s.in_columns == s.out_columns && s.in_gap == s.out_gap;
        const std::size_t in_size = s.size / s.in_columns * (s.in_columns + s.in_gap) + 64;
        const std::size_t out_size = s.size / s.out_columns * (s.out_columns + s.out_gap) + 64;
        std::array<T*, N> in_memory{};
        std::array<T*, N> out_memory{};
        std::array<rows<const T>, N> in;
        std::array<rows<T>, N> out;
        std::vector<std::vector<std::byte>> images;
        for (int r = 0; r < N; ++r) {
          const auto at = static_cast<std::size_t>(r);
          out_memory[at] = reinterpret_cast<T*>(place.allocate(team, r, out_size * sizeof(T)));
          in_memory[at] = in_place
                              ? out_memory[at]
                              : reinterpret_cast<T*>(place.allocate(team, r, in_size * sizeof(T)));
          in[at] = rows_for<const T>(in_memory[at] + s.shift, s.size, s.in_columns, s.in_gap);
          out[at] = rows_for(out_memory[at] + s.shift, s.size, s.out_columns, s.out_gap);
          std::vector<T> values(in_size);
          for (std::size_t i = 0; i < in_size; ++i) values[i] = input_value<T>(op, 3, r, i);
          images.push_back(std::vector<std::byte>(out_size * sizeof(T), std::byte{0x3c}));
          if (in_place) images.back() = bytes_of(values);
          place.upload(r, reinterpret_cast<std::byte*>(out_memory[at]), images.back());
          place.upload(r, reinterpret_cast<std::byte*>(in_memory[at]), bytes_of(values));
        }
        for (const peerfold::policy& policy : all_policies) {
          if (in_place && policy != two_shot_store) continue;  // once: it changes its input
          place.wait();
          call_options options;
          options.policy = policy;
          if (chosen.who == caller::team) {
            all_reduce<every_policy>(team, in, out, Op{}, options);
          } else {
            std::vector<std::thread> threads;
            for (int r = 0; r < N; ++r) {
              threads.emplace_back([&, r] {
                recording(result, name, [&] {
                  const auto at = static_cast<std::size_t>(r);
                  all_reduce<every_policy>(team.rank(r), in[at], out[at], Op{},
                                           place.rank_options(options, r));
                  place.after_rank_call(r, 0);
                });
              });
            }
            for (std::thread& thread : threads) thread.join();
          }
          const std::string where = name + ", " + std::to_string(s.size) + " elements in rows of " +
                                    std::to_string(s.in_columns) + " and " +
                                    std::to_string(s.out_columns);
          const std::string failure = place.wait();
          result.check(failure.empty() && team.status().ok(),
                       where + ": " + failure + team.status().to_string());
          for (int r = 0; r < N && result.ok(); ++r) {
            const auto at = static_cast<std::size_t>(r);
            auto wanted = images[at];
            auto found = place.download(r, reinterpret_cast<std::byte*>(out_memory[at]),
                                        out_size * sizeof(T));
            for (std::size_t i = 0; i < s.size; ++i) {
              const std::size_t from =
                  s.shift + i / s.in_columns * (s.in_columns + s.in_gap) + i % s.in_columns;
              const std::size_t to =
                  s.shift + i / s.out_columns * (s.out_columns + s.out_gap) + i % s.out_columns;
              std::vector<T> values;
              for (int q = 0; q < N; ++q) values.push_back(input_value<T>(op, 3, q, from));
              const T value = oracle::all_reduce<T>(op, values);
              T got;
              std::memcpy(&got, found.data() + to * sizeof(T), sizeof(T));
              if (!oracle::same(got, value)) {
                result.fail(where + ": element " + std::to_string(i) + " is wrong");
                break;
              }
              std::memcpy(found.data() + to * sizeof(T), wanted.data() + to * sizeof(T), sizeof(T));
            }
            result.check(found == wanted, where + ": changed a byte beside its rows");
            result.count(1, s.size);
          }
          if (!result.ok()) return;
        }
      }
    });
    if (!result.ok()) return;
  }
}

/// Views that are rows and views that are none; what calls refuse.
template <class Place, int N>
void rows_refused(report& result) {
  if (!Place::has(N)) return result.skip();
  auto team = Place::template make_team<N>({}, N);
  Place place{team};
  std::array<rows<const float>, N> in;
  std::array<rows<float>, N> out;
  for (int r = 0; r < N; ++r) {
    auto* memory = reinterpret_cast<float*>(place.allocate(team, r, 4096));
    in[static_cast<std::size_t>(r)] = {memory, 4, 8, 10};
    out[static_cast<std::size_t>(r)] = {memory + 512, 8, 4, 4};
  }
  const auto refused = [&](const std::string& words, auto&& call) {
    check_refused(result, words, call);
  };
  float data[64] = {};
  const auto good = rows_of(plain_view<float, 2>{data, {3, 5}, {7, 1}});
  result.check(good.count == 3 && good.columns == 5 && good.stride == 7 && good.extent() == 19,
               "rows of a matrix");
  const auto one = rows_of(plain_view<const float, 1>{data, {9}, {1}});
  result.check(one.count == 1 && one.columns == 9 && one.size() == 9, "a row");
  result.check(rows_of(plain_view<float, 2>{data, {4, 0}, {1, 1}}).size() == 0, "no element");
  refused("elements of a row are 3 apart", [&] {
    static_cast<void>(rows_of(plain_view<float, 2>{data, {3, 5}, {1, 3}}));
  });
  refused("rows of 5 elements are 4 apart", [&] {
    static_cast<void>(rows_of(plain_view<float, 2>{data, {3, 5}, {4, 1}}));
  });
#if __has_include(<cuda/std/mdspan>)
  using extents = ::cuda::std::dextents<std::size_t, 2>;
  const ::cuda::std::mdspan<float, extents, ::cuda::std::layout_stride> strided{
      data, {extents{4, 3}, ::cuda::std::array<std::size_t, 2>{6, 1}}};
  const auto of_mdspan = rows_of(strided);
  result.check(of_mdspan.count == 4 && of_mdspan.columns == 3 && of_mdspan.stride == 6,
               "rows of an mdspan");
  refused("the last dimension has to lie together", [&] {
    static_cast<void>(rows_of(
        ::cuda::std::mdspan<float, extents, ::cuda::std::layout_left>{data, extents{4, 3}}));
  });
#endif
  auto fewer = out;
  fewer[1].count = 7;
  refused("out[1]: 28 elements, where in[0] has 32", [&] { all_reduce(team, in, fewer, sum{}); });
  auto overlapping = out;
  overlapping[0].data = const_cast<float*>(in[0].data) + 20;
  refused("overlaps in", [&] { all_reduce(team, in, overlapping, sum{}); });
  overlapping = out;
  overlapping[0].data = const_cast<float*>(in[1].data);  // another rank's
  refused("out[0]: 0x", [&] { all_reduce(team, in, overlapping, sum{}); });
  auto folded = out;
  folded[0].stride = 3;
  refused("out[0]: rows of 4 elements, 3 apart", [&] { all_reduce(team, in, folded, sum{}); });
  folded[0].stride = SIZE_MAX / 8;
  refused("overflow the address space", [&] { all_reduce(team, in, folded, sum{}); });
  auto null = in;
  null[0].data = nullptr;
  refused("in[0]: null", [&] { all_reduce(team, null, out, sum{}); });
  refused("out: 28 elements, where in has 32",
          [&] { all_reduce(team.rank(1), in[1], fewer[1], sum{}); });
  result.check(team.status().ok(), "the team is not as it was");
}

template <class Place, int N>
void add_rows_of() {
  const std::string ranks = std::to_string(N) + " ranks";
  registration("rows", ranks + ", float", &run_rows<Place, float, sum, N>);
  if constexpr (N == 3) {
    registration("rows", ranks + ", int16", &run_rows<Place, std::int16_t, mix, N>);
    registration("rows", ranks + ", refused", &rows_refused<Place, N>);
  }
}

}  // namespace detail

/// Teams of First to Last ranks.
template <class Place, int First, int Last>
bool add_rows() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_rows_of<Place, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
  return true;
}

}  // namespace peerfold::test
