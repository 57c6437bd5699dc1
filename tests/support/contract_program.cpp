#include <support/contract_program.hpp>
#include <support/records.hpp>

#include <peerfold/core/reduction_op.hpp>

#include <algorithm>
#include <array>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <set>
#include <sstream>

namespace peerfold::test {

bool short_run() {
  const char* value = std::getenv("PEERFOLD_TEST_SHORT");
  return value != nullptr && *value != '\0' && std::string{value} != "0";
}

std::vector<contract_case>& contract_cases() {
  static std::vector<contract_case> cases;
  return cases;
}

std::string step::to_string() const {
  std::ostringstream text;
  text << peerfold::to_string(which) << ' ' << count << " elements, " << peerfold::to_string(policy)
       << (in_place ? ", in place" : "") << ", shifted by " << in_shift << " and " << out_shift
       << ", channel " << channel << ", max_blocks " << max_blocks;
  if (is_rooted(which)) text << ", root " << root;
  if (!to.empty()) text << ", to";
  for (const int rank : to) text << ' ' << rank;
  return text.str();
}

namespace {

std::uint64_t hash(std::uint64_t x) {
  x += 0x9e37'79b9'7f4a'7c15u;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
  return x ^ (x >> 31);
}

/// Adds c and its neighbours.
void add_border(std::set<std::size_t>& counts, std::size_t c) {
  if (c > 0) counts.insert({c - 1, c, c + 1});
}

std::vector<std::size_t> make_counts(const geometry& where) {
  const std::size_t bytes = where.element_bytes;
  const auto ranks = static_cast<std::size_t>(where.ranks);
  const auto blocks = static_cast<std::size_t>(where.shape.blocks);
  std::set<std::size_t> counts{0, 1, 2, 3, 5, 7, 31, 129, 1000};
  add_border(counts, 8 / std::min<std::size_t>(bytes, 4));
  add_border(counts, 16 / bytes);
  add_border(counts, 128 / bytes);
  add_border(counts, 128 / bytes * ranks);
  for (const std::size_t slot :
       {std::size_t{where.shape.packet_lines} * 8, std::size_t{where.shape.store_bytes}}) {
    const std::size_t capacity = slot / bytes;
    add_border(counts, capacity);
    add_border(counts, capacity * ranks);
    add_border(counts, capacity * ranks * blocks);
  }
  // Several laps of the larger ring, for every block.
  const std::size_t tile = where.shape.store_bytes / bytes * blocks;
  counts.insert(tile * (sync::store_slots + 3) + 5);
  counts.insert(tile * ranks * (sync::store_slots + 1) + 13);
  std::vector<std::size_t> kept;
  for (const std::size_t count : counts) {
    if (count * bytes <= where.most_bytes) kept.push_back(count);
  }
  return kept;
}

}  // namespace

bool can_be_in_place(collective which, const std::vector<peerfold::policy>& policies) {
  const bool direct = std::any_of(policies.begin(), policies.end(), [](const auto& p) {
    return p.algorithm == algorithm_id::direct;
  });
  return which != collective::all_to_all || !direct;
}

namespace {

/// Who sends to whom: shifts by some ranks, swaps, single pairs, a copy, nothing.
std::vector<int> destinations(int ranks, unsigned pattern) {
  std::vector<int> to(static_cast<std::size_t>(ranks), -1);
  const auto shift = static_cast<int>(pattern / 4) % ranks;
  for (int r = 0; r < ranks; ++r) {
    int& receiver = to[static_cast<std::size_t>(r)];
    switch (pattern % 4) {
      case 0: receiver = (r + shift) % ranks; break;
      case 1: receiver = (r ^ 1) < ranks ? r ^ 1 : -1; break;
      case 2:
        if (r == shift) receiver = ranks - 1 - shift;
        break;
      default:
        if (r != shift && (r + 1) % ranks != shift) receiver = (r + 1) % ranks;
    }
  }
  return to;
}

/// How many parts of a step's count the larger of its buffers holds.
int most_parts(collective which, int ranks) {
  return std::max(parts_given(which, ranks), parts_got(which, ranks));
}

}  // namespace

std::vector<step> make_steps(const geometry& where, collective which,
                             const std::vector<peerfold::policy>& policies) {
  std::vector<step> steps;
  const bool in_place = can_be_in_place(which, policies);
  const auto add = [&](std::size_t count, const peerfold::policy& policy) {
    const auto i = static_cast<unsigned>(steps.size());
    const auto shifts = static_cast<unsigned>(16 / where.element_bytes) + 1;
    step next;
    next.count = which == collective::barrier ? 0 : count;
    next.policy = policy;
    next.in_place = in_place && i % 3 == 1;
    next.in_shift = i % 2 == 0 ? i / 2 % shifts : 0;
    next.out_shift = i % 5 < 3 ? i * 5 % shifts : 0;
    next.channel = static_cast<int>(i / 2) % where.channels;
    next.max_blocks = i % 4 == 3 ? 1 + static_cast<int>(i / 4 % 2) : 0;
    next.which = which;
    next.root = is_rooted(which) ? static_cast<int>(i) % where.ranks : 0;
    if (which == collective::send_recv) next.to = destinations(where.ranks, i);
    steps.push_back(std::move(next));
  };
  geometry one_part = where;
  one_part.most_bytes /= static_cast<std::size_t>(most_parts(which, where.ranks));
  const auto counts = make_counts(one_part);
  for (std::size_t c = 0; c < counts.size(); ++c) {
    // Policies follow each other in changing order.
    for (std::size_t p = 0; p < policies.size(); ++p) {
      const auto& policy = policies[(p + c) % policies.size()];
      add(counts[(c * 7 + p) % counts.size()], policy);
    }
  }
  // Sizes at which `automatic` changes its mind.
  for (const std::size_t bytes :
       {std::size_t{80'000}, std::size_t{600'000}, std::size_t{1'200'000}}) {
    if (bytes <= one_part.most_bytes) add(bytes / where.element_bytes + 1, automatic);
  }
  return steps;
}

namespace {

template <class T>
T from_bits(std::uint64_t bits) {
  return __builtin_bit_cast(T, static_cast<oracle::bits_t<T>>(bits));
}

/// The widths of a floating type's fields.
template <class T>
constexpr int mantissa_bits() {
  if (std::is_same_v<T, double>) return 52;
  if (std::is_same_v<T, float>) return 23;
#if PEERFOLD_ORACLE_HAS_FLOAT16
  if (std::is_same_v<T, __half>) return 10;
#endif
  return 7;
}

template <class T>
T special_value(std::uint64_t random) {
  constexpr int mantissa = mantissa_bits<T>();
  constexpr std::uint64_t one = 1;
  constexpr std::uint64_t sign = one << (8 * sizeof(T) - 1);
  constexpr std::uint64_t infinity = sign - (one << mantissa);
  constexpr std::uint64_t quiet = one << (mantissa - 1);
  const std::array<std::uint64_t, 12> values{
      0,
      sign,
      infinity,
      sign | infinity,
      1,                               // the smallest subnormal
      sign | ((one << mantissa) - 1),  // the largest
      one << mantissa,                 // the smallest normal
      infinity - 1,                    // the largest of all
      sign | (infinity - 1),
      infinity | quiet,
      sign | infinity | quiet | 5,
      infinity | 3,  // signalling
  };
  return from_bits<T>(values[random % values.size()]);
}

template <class T>
inline constexpr bool is_record = false;
template <int Bytes>
inline constexpr bool is_record<record<Bytes>> = true;
template <>
inline constexpr bool is_record<colour> = true;

template <class T>
T any_value(std::uint64_t random) {
  if constexpr (complex_number<T>) {
    using R = typename T::value_type;
    return {any_value<R>(random), any_value<R>(hash(random))};
  } else if constexpr (std::is_same_v<T, particle>) {
    const auto quarters = [&](int bit) {
      return static_cast<float>(static_cast<int>(random >> bit & 0xfffu) - 0x800) / 4;
    };
    return {quarters(0), quarters(12), static_cast<std::int32_t>(random >> 24)};
  } else if constexpr (requires(T pair) { pair.index; }) {  // many values the same
    using V = typename T::value_type;
    using I = typename T::index_type;
    return {any_value<V>(random % 4 == 0 ? random : random % 16),
            static_cast<I>(hash(random) % 64)};
  } else if constexpr (is_record<T>) {
    oracle::bytes_of_value<T> bytes{};
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes.at[i] = static_cast<unsigned char>(random >> 8 * (i % 8));
      if (i % 8 == 7) random = hash(random);
    }
    return __builtin_bit_cast(T, bytes);
  } else if constexpr (std::is_same_v<T, bool>) {
    return random % 2 != 0;
  } else if constexpr (sizeof(T) == 1 && !std::is_integral_v<T>) {
    return from_bits<T>(random);
  } else if constexpr (std::is_integral_v<T>) {
    switch (random % 4) {
      case 0: return static_cast<T>(random >> 60);
      case 1: return std::numeric_limits<T>::max();
      case 2: return std::numeric_limits<T>::min();
      default: return from_bits<T>(random >> 2);
    }
  } else {
    constexpr int mantissa = mantissa_bits<T>();
    constexpr int exponent = 8 * static_cast<int>(sizeof(T)) - 1 - mantissa;
    constexpr std::uint64_t bias = (std::uint64_t{1} << (exponent - 1)) - 1;
    const std::uint64_t rest = random >> 8;
    switch (random % 8) {
      case 0: return special_value<T>(rest);
      case 1: return from_bits<T>(rest ^ random << 40);  // any bits
      default: {  // magnitudes from 1/16 to 16, where the order of a sum shows
        const std::uint64_t field = bias - 4 + rest % 8;
        const std::uint64_t digits = (rest >> 3) & ((std::uint64_t{1} << mantissa) - 1);
        return from_bits<T>(random >> 63 << (8 * sizeof(T) - 1) | field << mantissa | digits);
      }
    }
  }
}

}  // namespace

template <class T>
T input_value(oracle::operation op, std::uint64_t seed, int rank, std::size_t index) {
  std::uint64_t random = hash(hash(seed + static_cast<std::uint64_t>(rank) * 1'000'003u) + index);
  T value = any_value<T>(random);
  // Runs of the NaN whose bits are all ones, which words of sentinels must not be.
  constexpr bool floating =
      std::is_floating_point_v<T> || (sizeof(T) <= 2 && !std::is_integral_v<T> && !is_record<T>);
  if constexpr (floating) {
    const std::uint64_t run = index * sizeof(T) / 16;
    if (op != oracle::operation::mix &&
        hash(seed + run * 977 + static_cast<unsigned>(rank)) % 64 == 0)
      return from_bits<T>(~std::uint64_t{0});
  }
  while (op == oracle::operation::mix && oracle::is_nan(value)) {
    random = hash(random);
    value = any_value<T>(random);
  }
  return value;
}

template <class T>
oracle::request program<T>::request_of(std::size_t i) const {
  const step& s = steps_[i];
  const bool as_tree = s.policy.algorithm == algorithm_id::tree && is_reduction(s.which);
  oracle::request call{s.which, op_, ranks_, s.count, s.root, s.to, as_tree};
  if (links_.ranks != 0) call.tree.assign(links_.tree, links_.tree + ranks_);
  return call;
}

template <class T>
std::vector<std::vector<int>> program<T>::paths() const {
  std::vector<std::vector<int>> all;
  for (int first = 0; first < ranks_; ++first) {
    for (const int way : {1, ranks_ - 1}) {
      auto& path = all.emplace_back();
      for (int k = 0; k < ranks_; ++k) {
        const int position = (first + k * way) % ranks_;
        path.push_back(links_.ranks == 0 ? position : int{links_.ring[position]});
      }
    }
  }
  return all;
}

template <class T>
program<T>::program(oracle::operation op, int ranks, std::vector<step> steps, std::uint64_t seed,
                    const link_routes& links)
    : steps_{std::move(steps)}, op_{op}, ranks_{ranks}, seed_{seed}, links_{links} {
  constexpr std::size_t line = 128;
  const auto region = [&](std::size_t elements, unsigned shift) {
    const std::size_t begin = bytes_ + line + shift * sizeof(T);
    bytes_ = (begin + elements * sizeof(T) + line) / line * line;
    return begin;
  };
  for (const step& s : steps_) {
    const std::size_t given = s.count * static_cast<std::size_t>(parts_given(s.which, ranks));
    const std::size_t got = s.count * static_cast<std::size_t>(parts_got(s.which, ranks));
    if (s.in_place) {
      in_.push_back(region(std::max(given, got), s.in_shift));
      out_.push_back(in_.back());
    } else {
      in_.push_back(region(given, s.in_shift));
      out_.push_back(region(got, s.out_shift));
    }
  }
  bytes_ += line;

  for (int r = 0; r < ranks_; ++r) {
    auto& image = images_.emplace_back(bytes_);
    for (std::size_t i = 0; i < bytes_; ++i) {
      image[i] = static_cast<std::byte>(i * 37 + static_cast<std::size_t>(r) * 11 + 0xa5);
    }
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    oracle::request call = request_of(i);
    std::vector<std::vector<boxed<T>>> values(static_cast<std::size_t>(ranks));
    for (int r = 0; r < ranks_; ++r) {
      auto& mine = values[static_cast<std::size_t>(r)];
      for (std::size_t e = 0; e < oracle::given(call, r); ++e) {
        mine.push_back({input_value<T>(op, seed + i, r, e)});
      }
      if (mine.empty()) continue;
      std::memcpy(images_[static_cast<std::size_t>(r)].data() + in_at(i, r), mine.data(),
                  mine.size() * sizeof(T));
    }
    const bool same_for_all = call.which == collective::all_reduce ||
                              call.which == collective::all_gather ||
                              call.which == collective::broadcast;
    const auto ways = is_ring(i) ? paths() : std::vector<std::vector<int>>{};
    auto& expected = expected_.emplace_back(is_ring(i)     ? ways.size()
                                            : same_for_all ? 1
                                                           : static_cast<std::size_t>(ranks));
    for (std::size_t r = 0; r < expected.size(); ++r) {
      const auto rank = is_ring(i) ? 0 : static_cast<int>(r);
      if (is_ring(i)) call.path = ways[r];
      for (std::size_t e = 0; e < oracle::got(call, rank); ++e) {
        expected[r].push_back(
            {oracle::result<T>(call, rank, e, initial(i), [&](int q, std::size_t j) {
              return values[static_cast<std::size_t>(q)][j].value;
            })});
      }
    }
  }
}

namespace {

/// The bytes of a value, the last first, as one writes numbers.
template <class T>
std::string digits_of(const T& value) {
  const auto bytes = oracle::bytes_in(value);
  std::ostringstream text;
  text << std::hex << std::setfill('0');
  for (std::size_t i = sizeof(T); i-- > 0;) text << std::setw(2) << int{bytes.at[i]};
  return text.str();
}

}  // namespace

template <class T>
void program<T>::check(int rank, std::vector<std::byte> found, report& result) const {
  const auto describe = [&](std::size_t i) {
    return "rank " + std::to_string(rank) + " of " + std::to_string(ranks_) + ", call " +
           std::to_string(i) + " (" + steps_[i].to_string() + ")";
  };
  const std::vector<std::byte>& before = image(rank);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::vector<boxed<T>>& wanted = expected(i, rank);
    const std::size_t begin = out_at(i, rank);
    // What is only copied keeps every bit; a NaN that is folded may become another.
    const bool folded = is_reduction(steps_[i].which);
    for (std::size_t e = 0; e < wanted.size(); ++e) {
      oracle::bytes_of_value<T> bytes;
      std::memcpy(&bytes, found.data() + begin + e * sizeof(T), sizeof(T));
      const T value = __builtin_bit_cast(T, bytes);
      if (folded ? oracle::same(value, wanted[e].value)
                 : bytes == oracle::bytes_in(wanted[e].value)) {
        continue;
      }
      const auto is_along = [&](const auto& path) { return oracle::same(value, path[e].value); };
      if (is_ring(i) && std::ranges::any_of(expected_[i], is_along)) continue;
      std::ostringstream text;
      text << describe(i) << ": element " << e << " is " << digits_of(value) << ", the oracle has "
           << digits_of(wanted[e].value);
      result.fail(text.str());
      break;
    }
    if (is_ring(i)) {
      const auto from = found.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto end = from + static_cast<std::ptrdiff_t>(wanted.size() * sizeof(T));
      found_.resize(steps_.size());
      if (rank == 0) {
        found_[i].assign(from, end);
      } else if (!std::equal(from, end, found_[i].begin(), found_[i].end())) {
        result.fail(describe(i) + ": other bits than on rank 0");
      }
    }
    compared += wanted.size();
    // What remains is to be as it was.
    std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(begin), wanted.size() * sizeof(T),
                found.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  result.count(steps_.size(), compared);
  const auto [changed, was] = std::mismatch(found.begin(), found.end(), before.begin());
  if (changed == found.end()) return;
  const auto at = static_cast<std::size_t>(changed - found.begin());
  std::size_t near = 0;
  while (near + 1 < in_.size() && in_[near + 1] <= at) ++near;
  result.fail(describe(near) + ": changed a byte beside its output, " + std::to_string(at) +
              " in the slab; its input is at " + std::to_string(in_at(near, rank)) +
              ", its output at " + std::to_string(out_at(near, rank)));
}

#define PEERFOLD_TEST_ELEMENT(T)                                                 \
  template T input_value<T>(oracle::operation, std::uint64_t, int, std::size_t); \
  template class program<T>;
PEERFOLD_TEST_ELEMENT(float)
PEERFOLD_TEST_ELEMENT(double)
PEERFOLD_TEST_ELEMENT(std::int32_t)
PEERFOLD_TEST_ELEMENT(std::uint32_t)
PEERFOLD_TEST_ELEMENT(std::int64_t)
PEERFOLD_TEST_ELEMENT(std::uint64_t)
PEERFOLD_TEST_ELEMENT(std::int8_t)
PEERFOLD_TEST_ELEMENT(std::uint8_t)
PEERFOLD_TEST_ELEMENT(std::int16_t)
PEERFOLD_TEST_ELEMENT(std::uint16_t)
PEERFOLD_TEST_ELEMENT(bool)
PEERFOLD_TEST_ELEMENT(std::complex<float>)
PEERFOLD_TEST_ELEMENT(std::complex<double>)
PEERFOLD_TEST_ELEMENT(complex_like<float>)
PEERFOLD_TEST_ELEMENT(complex_like<double>)
using float_at = value_index<float>;
using double_at = value_index<double, std::int64_t>;
PEERFOLD_TEST_ELEMENT(float_at)
PEERFOLD_TEST_ELEMENT(double_at)
PEERFOLD_TEST_ELEMENT(colour)
PEERFOLD_TEST_ELEMENT(particle)
PEERFOLD_TEST_ELEMENT(record<7>)
PEERFOLD_TEST_ELEMENT(record<20>)
PEERFOLD_TEST_ELEMENT(record<100>)
PEERFOLD_TEST_ELEMENT(record<128>)
#if PEERFOLD_ORACLE_HAS_FLOAT16
PEERFOLD_TEST_ELEMENT(__half)
PEERFOLD_TEST_ELEMENT(__nv_bfloat16)
PEERFOLD_TEST_ELEMENT(__nv_fp8_e4m3)
PEERFOLD_TEST_ELEMENT(__nv_fp8_e5m2)
#endif

}  // namespace peerfold::test
