// Segments: every element of a message of many tensors is found, by tiles and by itself.
#include <peerfold/algorithm/segments.hpp>
#include <peerfold/transport/fragment.hpp>

#include <support/catch.hpp>

#include <rapidcheck/catch.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pf = peerfold;

namespace {

/// Random tensors of T, laid out as one message.
template <class T>
struct laid_out {
  static constexpr std::size_t grain = pf::algorithm::segment_grain<T>;
  using table_type = pf::algorithm::segment_table<T>;

  std::vector<std::vector<T>> in;
  std::vector<std::vector<T>> out;
  std::vector<pf::algorithm::segment<T>> segments;
  std::vector<std::uint32_t> pages;
  std::size_t count = 0;

  laid_out() {
    const auto counts = *rc::gen::nonEmpty(
        rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 700)));
    for (const std::size_t size : counts) {
      // From any element of a vector on, so that packs need not be aligned.
      const auto skew = *rc::gen::inRange<std::size_t>(0, 4);
      in.emplace_back(skew + size);
      out.emplace_back(skew + size);
      for (std::size_t i = 0; i < size; ++i) {
        in.back()[skew + i] = static_cast<T>(37 * in.size() + i);
      }
      count = (count + grain - 1) / grain * grain;
      segments.push_back({count, size, in.back().data() + skew, out.back().data() + skew});
      count += size;
    }
    segments.push_back({count, 1, nullptr, nullptr});
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < count; i += table_type::page) {
      while (segments[at + 1].begin <= i) ++at;
      pages.push_back(at);
    }
  }
  [[nodiscard]] table_type table() const { return {segments.data(), pages.data()}; }
};

struct only_lane {
  static int lane() { return 0; }
  static int width() { return 1; }
};

template <class T>
void passes_through(const laid_out<T>& tensors, std::size_t offset) {
  using pack = pf::arch::pack<T, pf::arch::pack_bytes<T, 16>>;
  using fragment = pf::transport::fragment<pack, 64>;
  const auto load =
      pf::algorithm::load_at(pf::algorithm::load_segments<T>{{}, tensors.table()}, offset);
  const auto store =
      pf::algorithm::store_at(pf::algorithm::store_segments<T>{{}, tensors.table()}, offset);
  constexpr std::size_t most = std::size_t{fragment::packs} * pack::size;
  for (std::size_t begin = 0; offset + begin < tensors.count; begin += most) {
    const std::size_t left = tensors.count - offset - begin;
    const pf::transport::tile x{begin, static_cast<std::uint32_t>(left < most ? left : most)};
    const auto held = pf::transport::load_fragment<fragment>(only_lane{}, x, load);
    pf::transport::store_fragment(only_lane{}, x, held,
                                  pf::transport::destination_of<pack>(only_lane{}, x, store));
  }
}

}  // namespace

TEST_CASE("tensors pass through fragments of their message element by element") {
  rc::prop("elements of four bytes", [] {
    const laid_out<std::uint32_t> tensors;
    passes_through(tensors, 0);
    RC_ASSERT(tensors.in == tensors.out);
  });
  rc::prop("elements of one byte", [] {
    const laid_out<std::uint8_t> tensors;
    passes_through(tensors, 0);
    RC_ASSERT(tensors.in == tensors.out);
  });
  rc::prop("from a tensor on", [] {
    const laid_out<std::uint16_t> tensors;
    const auto first = *rc::gen::inRange<std::size_t>(0, tensors.in.size());
    passes_through(tensors, tensors.segments[first].begin);
    for (std::size_t i = 0; i < tensors.in.size(); ++i) {
      if (i < first) {
        RC_ASSERT(tensors.out[i] == std::vector<std::uint16_t>(tensors.out[i].size()));
      } else {
        RC_ASSERT(tensors.out[i] == tensors.in[i]);
      }
    }
  });
}

TEST_CASE("a range of elements is one tensor's or nobody's") {
  rc::prop("any range", [] {
    const laid_out<float> tensors;
    const auto begin = *rc::gen::inRange<std::size_t>(0, tensors.count);
    const auto count = *rc::gen::inRange<std::uint32_t>(0, 300);
    const auto* found = tensors.table().around(begin, count);
    const pf::algorithm::segment<float>* wanted = nullptr;
    for (const auto& s : tensors.segments) {
      if (count != 0 && &s != &tensors.segments.back() && s.begin <= begin &&
          begin + count <= s.begin + s.count) {
        wanted = &s;
      }
    }
    RC_ASSERT(found == wanted);
  });
}
