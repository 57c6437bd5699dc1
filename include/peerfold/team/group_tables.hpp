/// \file
/// What groups keep on the ranks: how segments are laid out as a message, and tables in memory that
/// a rank reaches.
#pragma once

#include <peerfold/algorithm/segments.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/text.hpp>
#include <peerfold/memory/provider.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peerfold::detail {

/// Segments one behind the other, and the pages by which they are found (see segment_table).
template <element T>
class segment_layout {
 public:
  std::vector<algorithm::segment<T>> segments;
  std::vector<std::uint32_t> pages;

  /// Elements of the message so far. Behind the last segment there is no padding.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Makes the message end where a segment may begin.
  void pad() noexcept {
    constexpr std::size_t grain = algorithm::segment_grain<T>;
    size_ = (size_ + grain - 1) / grain * grain;
  }
  /// Adds a segment of `count` elements, at least one.
  void add(std::size_t count, const T* in, T* out) {
    pad();
    segments.push_back({size_, count, in, out});
    size_ += count;
  }
  /// Behind the last.
  void finish() {
    segments.push_back({size_, 1, nullptr, nullptr});
    constexpr std::size_t page = algorithm::segment_table<T>::page;
    pages.reserve((size_ + page - 1) / page);
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < size_; i += page) {
      while (segments[at + 1].begin <= i) ++at;
      pages.push_back(at);
    }
  }

 private:
  std::size_t size_ = 0;
};

/// The bytes of a table before they are where a rank reaches them.
class table_image {
 public:
  /// Adds values at the next multiple of 16 bytes, and says where.
  template <class T>
  std::size_t append(const T* values, std::size_t count) {
    const std::size_t begin = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(begin + count * sizeof(T));
    if (count != 0) std::memcpy(bytes_.data() + begin, values, count * sizeof(T));
    return begin;
  }
  template <class T>
  std::size_t append(const std::vector<T>& values) {
    return append(values.data(), values.size());
  }
  /// Writes over what append() put at `begin`.
  template <class T>
  void replace(std::size_t begin, const T& value) {
    std::memcpy(bytes_.data() + begin, &value, sizeof(value));
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Owns the tables of a group.
class group_tables {
 public:
  group_tables() = default;
  group_tables(group_tables&& other) noexcept
      : provider_{std::move(other.provider_)}, memory_{std::exchange(other.memory_, {})} {}
  group_tables& operator=(group_tables&& other) noexcept {
    group_tables taken{std::move(other)};
    std::swap(provider_, taken.provider_);
    std::swap(memory_, taken.memory_);
    return *this;
  }
  ~group_tables() {
    for (const auto& [rank, memory] : memory_) provider_->deallocate(rank, memory);
  }

  /// Before the first table; errc::team_empty where the team has no provider any more.
  [[nodiscard]] error open(std::shared_ptr<memory::provider> provider) {
    provider_ = std::move(provider);
    if (provider_ != nullptr) return {};
    return {errc::team_empty, "team: it was moved from; use the team it was moved to"};
  }
  /// Memory of rank r for a table; `what` the group is of begins the message of an error.
  [[nodiscard]] error allocate(int r, std::size_t bytes, const char* what, std::byte*& table) {
    memory_.reserve(memory_.size() + 1);  // what throws, throws before
    table = static_cast<std::byte*>(provider_->allocate(r, bytes));
    if (table == nullptr) {
      return {errc::out_of_resources,
              text_of({what, ": no memory for tables of ", bytes, " bytes on rank ", r})};
    }
    memory_.emplace_back(r, table);
    return {};
  }
  /// Fills it.
  [[nodiscard]] error write(int r, std::byte* table, const table_image& image, const char* what) {
    if (provider_->write(r, table, image.bytes().data(), image.bytes().size())) return {};
    return {errc::cuda_failure,
            text_of({what, ": the tables of rank ", r, " could not be written"})};
  }

 private:
  std::shared_ptr<memory::provider> provider_;
  std::vector<std::pair<int, void*>> memory_;  ///< by rank
};

/// The table of segments that lie, with their pages, so many bytes behind `table`.
template <element T>
[[nodiscard]] algorithm::segment_table<T> segments_at(const std::byte* table, std::size_t segments,
                                                      std::size_t pages) noexcept {
  return {reinterpret_cast<const algorithm::segment<T>*>(table + segments),
          reinterpret_cast<const std::uint32_t*>(table + pages)};
}

}  // namespace peerfold::detail
