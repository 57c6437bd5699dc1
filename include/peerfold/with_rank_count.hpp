/// \file
/// From a rank count that is known at run time to one of those that a program was compiled for.
#pragma once

#include <peerfold/core/config.hpp>
#include <peerfold/core/error.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/text.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace peerfold {

/// Calls f.template operator()<N>() for the N of Counts that equals `ranks`; only those are
/// instantiated. If there is none, and run_time_ranks is among them, that stands for 1 to 72 ranks;
/// otherwise errc::invalid_argument.
///
///   with_rank_count<2, 4, 8>(devices.size(), [&]<int N>() {
///     auto team = gpu_team<N>::on_devices(devices);
///     …
///   });
template <int... Counts, class F>
  requires(sizeof...(Counts) > 0 && (rank_count<Counts> && ...))
outcome<> with_rank_count(std::size_t ranks, F&& f) {
  const auto call_if = [&]<int N>(bool chosen) {
    if (chosen) static_cast<void>(f.template operator()<N>());
    return chosen;
  };
  const bool found =
      (call_if.template operator()<Counts>(ranks == static_cast<std::size_t>(Counts)) || ...);
  const bool counted = ranks >= 1 && ranks <= static_cast<std::size_t>(run_time_ranks);
  if (found || (call_if.template operator()<Counts>(counted && !counts_ranks_early<Counts>) || ...))
    return detail::accept();
  std::string known;
  ((known += detail::text_of({(known.empty() ? "" : ", "),
                              (counts_ranks_early<Counts> ? "" : std::string{"1 to "}), Counts})),
   ...);
  return detail::refuse(
      {errc::invalid_argument,
       detail::text_of({"ranks: ", ranks, "; this call was compiled for ", known})});
}

}  // namespace peerfold
