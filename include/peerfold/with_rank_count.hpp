/// \file
/// From a rank count that is known at run time to one of those that a program was compiled for.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace peerfold {

/// Calls f.template operator()<N>() for the N of Counts that equals `ranks`; only those are
/// instantiated. errc::invalid_argument if there is none.
///
///   with_rank_count<2, 4, 8>(devices.size(), [&]<int N>() {
///     auto team = gpu_team<N>::on_devices(devices);
///     …
///   });
template <int... Counts, class F>
  requires(sizeof...(Counts) > 0 && (rank_count<Counts> && ...))
outcome<> with_rank_count(std::size_t ranks, F&& f) {
  const bool found = ((ranks == static_cast<std::size_t>(Counts)
                           ? (static_cast<void>(f.template operator()<Counts>()), true)
                           : false) ||
                      ...);
  if (found) return detail::accept();
  std::string known;
  ((known += (known.empty() ? "" : ", ") + std::to_string(Counts)), ...);
  return detail::refuse({errc::invalid_argument, "ranks: " + std::to_string(ranks) +
                                                     "; this call was compiled for " + known});
}

}  // namespace peerfold
