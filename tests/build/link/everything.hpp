/// \file
/// What the translation units of one program tell each other: that they see the same library.
#pragma once

#include <peerfold/peerfold.hpp>

#include <array>
#include <cstddef>

/// Facts that must not depend on the compiler of a translation unit.
using layout = std::array<std::size_t, 8>;

inline layout layout_seen() {
  return {sizeof(peerfold::team_options),        sizeof(peerfold::call_options),
          sizeof(peerfold::team_status),         sizeof(peerfold::error),
          sizeof(peerfold::thread_team<4>),      sizeof(peerfold::symmetric_buffer<float, 4>),
          sizeof(peerfold::peer_span<float, 4>), sizeof(peerfold::policy)};
}

/// From other.cpp: the sum 0 + 1 + 2 between three threads, and its layout.
int sum_in_other();
layout layout_in_other();
/// From device.cu, compiled by nvcc: the layout that it sees.
layout layout_in_device();
