/// \file
/// Load, fold, finish and store functors of the caller's: what they are given, and how often.
#pragma once

#include <peerfold/all_reduce.hpp>

#include <support/contract.hpp>
#include <support/contract_run.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if !defined(__CUDACC__)
#include <atomic>
#endif

namespace peerfold::test {

/// An element that depends on memory, on the rank and on the position. Right for this rank's own
/// contribution, too, only if that goes through it.
struct varied_load {
  const std::uint32_t* data;
  std::uint32_t rank;

  PEERFOLD_HD std::uint32_t operator()(std::size_t i) const {
    return data[i] * 3 + static_cast<std::uint32_t>(i) * 7 + rank;
  }
};

/// Applied twice, or to a part of a fold, it shows.
struct varied_finish {
  PEERFOLD_HD std::uint32_t operator()(const std::uint32_t& value) const { return value * 5 + 1; }
};

/// Half the sum, where folding and halving are in float.
template <class T>
struct halve {
  PEERFOLD_HD T operator()(const accumulator_t<T>& value) const {
    return element_traits<T>::narrow(peerfold::prod{}(value, 0.5f));
  }
};

/// Stores something else than it is given, and counts how often each element comes.
template <class T>
struct counting_store {
  T* data;
  std::uint32_t* times;

  PEERFOLD_HD void operator()(std::size_t i, const T& value) const {
    if constexpr (std::is_integral_v<T>) {
      data[i] = value ^ static_cast<T>(i);
    } else {
      data[i] = value;
    }
#if PEERFOLD_DEVICE_PASS
    atomicAdd(times + i, 1u);
#elif !defined(__CUDACC__)
    std::atomic_ref<std::uint32_t>(times[i]).fetch_add(1, std::memory_order_relaxed);
#endif
  }
};

namespace detail {

/// The functors of one test, and what must come out of them.
struct integer_functors {
  using element = std::uint32_t;
  using op = mix;
  using finish = varied_finish;
  static constexpr const char* name = "integers";
  static varied_load load(const element* data, int rank) {
    return {data, static_cast<std::uint32_t>(rank)};
  }
  static element expected(const std::vector<element>& inputs, std::size_t i) {
    std::vector<element> loaded;
    for (std::size_t r = 0; r < inputs.size(); ++r) {
      loaded.push_back(inputs[r] * 3 + static_cast<element>(i) * 7 + static_cast<element>(r));
    }
    const auto folded = oracle::all_reduce<element>(oracle::operation::mix, loaded);
    return (folded * 5 + 1) ^ static_cast<element>(i);
  }
};

#if PEERFOLD_ORACLE_HAS_FLOAT16
struct half_functors {
  using element = __half;
  using op = peerfold::sum;
  using finish = halve<__half>;
  static constexpr const char* name = "half, halved in float";
  static load_from<element> load(const element* data, int /*rank*/) { return {data}; }
  static element expected(const std::vector<element>& inputs, std::size_t /*i*/) {
    using format = oracle::binary16<10>;
    std::vector<float> wide;
    for (const element& value : inputs) {
      wide.push_back(__builtin_bit_cast(float, format::widen(oracle::bits_of(value))));
    }
    const float sum = oracle::all_reduce<float>(oracle::operation::sum, wide);
    return __builtin_bit_cast(element,
                              format::narrow(oracle::bits_of(oracle::multiply(sum, 0.5f))));
  }
};
#endif

template <class T>
std::vector<T> values_of(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <class Place, class Functors, int N>
void run_functors(typename Place::template team<N>& team, std::size_t count,
                  const peerfold::policy& chosen, caller who, bool in_place, report& result) {
  using T = typename Functors::element;
  using load_type = decltype(Functors::load(nullptr, 0));
  Place place{team};
  std::vector<std::vector<T>> inputs;
  std::array<T*, N> in{};
  std::array<T*, N> out{};
  std::array<std::uint32_t*, N> times{};
  const std::vector<std::byte> zeros(count * sizeof(std::uint32_t));
  for (int r = 0; r < N; ++r) {
    const auto i = static_cast<std::size_t>(r);
    auto& input = inputs.emplace_back();
    for (std::size_t e = 0; e < count; ++e) {
      input.push_back(input_value<T>(oracle::operation::sum, 5, r, e));
    }
    const auto room = [&](std::size_t bytes) { return place.allocate(team, r, bytes); };
    in[i] = reinterpret_cast<T*>(room(count * sizeof(T)));
    out[i] = in_place ? in[i] : reinterpret_cast<T*>(room(count * sizeof(T)));
    times[i] = reinterpret_cast<std::uint32_t*>(room(zeros.size()));
    place.upload(r, reinterpret_cast<std::byte*>(in[i]), bytes_of(input));
    place.upload(r, reinterpret_cast<std::byte*>(times[i]), zeros);
  }
  place.wait();

  call_options options;
  options.policy = chosen;
  const auto functors = [&]<std::size_t... R>(std::index_sequence<R...>) {
    return std::pair{std::array<load_type, N>{Functors::load(in[R], static_cast<int>(R))...},
                     std::array<counting_store<T>, N>{counting_store<T>{out[R], times[R]}...}};
  }(std::make_index_sequence<N>{});
  const typename Functors::op op{};
  const typename Functors::finish finish{};
  if (who == caller::team) {
    transform_all_reduce<every_policy>(team, count, functors.first, op, finish, functors.second,
                                       options);
  } else {
    std::vector<std::thread> threads;
    for (int r = 0; r < N; ++r) {
      threads.emplace_back([&, r] {
        recording(result, "a rank call", [&] {
          const auto i = static_cast<std::size_t>(r);
          transform_all_reduce<every_policy>(team.rank(r), count, functors.first[i], op, finish,
                                             functors.second[i], place.rank_options(options, r));
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  if (const std::string failure = place.wait(); !failure.empty()) return result.fail(failure);
  if (!team.status().ok()) return result.fail(team.status().to_string());

  const std::string where = std::string{to_string(chosen)} + ", " + std::to_string(count) +
                            " elements" + (in_place ? " in place: " : ": ");
  std::vector<T> column(N);
  for (int r = 0; r < N; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const auto stored = values_of<T>(
        place.download(r, reinterpret_cast<const std::byte*>(out[i]), count * sizeof(T)));
    const auto counted = values_of<std::uint32_t>(
        place.download(r, reinterpret_cast<const std::byte*>(times[i]), zeros.size()));
    for (std::size_t e = 0; e < count; ++e) {
      for (std::size_t q = 0; q < N; ++q) column[q] = inputs[q][e];
      const bool right = oracle::same(stored[e], Functors::expected(column, e));
      if (right && counted[e] == 1) continue;
      result.fail(where + "element " + std::to_string(e) + " of rank " + std::to_string(r) +
                  (right ? "" : " is wrong and") + " was stored " + std::to_string(counted[e]) +
                  " times");
      break;
    }
  }
  result.count(N, N * count);
}

template <class Place, class Functors, int N>
void run_all_functors(report& result) {
  if (!Place::has(N)) return result.skip();
  team_options options;
  options.wait_budget = std::chrono::seconds{60};
  options.channels = {{2}};
  options.workers = 2;
  options.staging_bytes = 1;
  auto team = Place::template make_team<N>(options);
  int turn = 0;
  for (const std::size_t count :
       std::initializer_list<std::size_t>{1, 33, 511, 513, 5'000, 40'000}) {
    if (count > 1000 && short_run()) continue;
    for (const auto& chosen : all_policies) {
      run_functors<Place, Functors, N>(
          team, count, chosen, turn % 2 == 0 ? caller::team : caller::ranks, turn % 3 == 0, result);
      ++turn;
    }
    ++turn;
  }
}

template <class Place, class Functors, int N>
void add_functors_of() {
  registration("functors", std::string{Functors::name} + ", " + std::to_string(N) + " ranks",
               &run_all_functors<Place, Functors, N>);
}

}  // namespace detail

/// Functors in teams of First to Last ranks, over every policy.
template <class Place, int First, int Last>
bool add_functors() {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (detail::add_functors_of<Place, detail::integer_functors, First + I>(), ...);
  }(std::make_integer_sequence<int, Last - First + 1>{});
#if PEERFOLD_ORACLE_HAS_FLOAT16
  if constexpr (First <= 3 && Last >= 3) {
    detail::add_functors_of<Place, detail::half_functors, 3>();
  }
#endif
  return true;
}

}  // namespace peerfold::test
