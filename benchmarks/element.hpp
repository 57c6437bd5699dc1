// The element types and operators that the runner knows, with the names nccl-tests prints.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace bench {

enum class element { float32, float64, float16, bfloat16, int32, fp8_e4m3, fp8_e5m2 };
enum class reduction { sum, max, average };

struct element_info {
  element type;
  std::string_view name;
  std::size_t bytes;
};
struct reduction_info {
  reduction op;
  std::string_view name;
};

inline constexpr std::array<element_info, 7> element_table{{
    {element::float32, "float", 4},
    {element::float64, "double", 8},
    {element::float16, "half", 2},
    {element::bfloat16, "bfloat16", 2},
    {element::int32, "int32", 4},
    {element::fp8_e4m3, "fp8_e4m3", 1},
    {element::fp8_e5m2, "fp8_e5m2", 1},
}};

inline constexpr std::array<reduction_info, 3> reduction_table{{
    {reduction::sum, "sum"},
    {reduction::max, "max"},
    {reduction::average, "avg"},
}};

constexpr std::string_view name_of(element type) {
  return element_table[static_cast<std::size_t>(type)].name;
}
constexpr std::size_t bytes_of(element type) {
  return element_table[static_cast<std::size_t>(type)].bytes;
}
constexpr bool is_floating(element type) { return type != element::int32; }
constexpr std::string_view name_of(reduction op) {
  return reduction_table[static_cast<std::size_t>(op)].name;
}

constexpr std::optional<element> parse_element(std::string_view name) {
  for (const element_info& e : element_table) {
    if (e.name == name) return e.type;
  }
  return std::nullopt;
}
constexpr std::optional<reduction> parse_reduction(std::string_view name) {
  for (const reduction_info& r : reduction_table) {
    if (r.name == name) return r.op;
  }
  return std::nullopt;
}

}  // namespace bench
