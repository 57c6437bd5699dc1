// A step of an optimiser whose state is divided among the ranks, as one kernel: the gradients are
// summed and scattered, every rank moves its own part of the parameters by its own part of the
// momentum, and all ranks gather the parameters. Two collectives and what lies between them, in one
// launch, without a pass over memory for any of them.
#pragma once

#include <peerfold/device.hpp>

namespace pf = peerfold;

// What becomes of an element of the summed gradient: the store functor of the reduce-scatter.
struct descend {
  float* momentum;    // of this rank's part
  float* parameters;  // likewise
  float rate;

  PEERFOLD_HD void operator()(pf::size_t i, float gradient) const {
    momentum[i] = 0.5f * momentum[i] + gradient;
    parameters[i] -= rate * momentum[i];
  }
};

template <int N>
struct sharded_step {
  template <class Context>
  using transport_type = pf::transport::store_flag<float, Context>;

  pf::transport::tiling tiles;  // of one part
  pf::size_t part;              // elements of it
  const float* gradients;       // of all parts
  float* parameters;            // likewise
  float* momentum;              // of this rank's part
  int rank;

  template <class Context>
  PEERFOLD_HD bool operator()(Context& c) const {
    using pf::algorithm::route_of;
    float* const own = parameters + static_cast<pf::size_t>(rank) * part;
    bool done;
    {
      transport_type<Context> t{c};
      const route_of<pf::collective::reduce_scatter> route{part};
      done = pf::algorithm::reduce_exchange(c, t, tiles, route, true,
                                            pf::load_from<float>{gradients}, pf::sum{},
                                            pf::round_to<float>{}, descend{momentum, own, 0.25f});
      t.close();
    }
    if (c.group().any(!done)) return false;  // lanes may differ; and a barrier
    transport_type<Context> t{c};
    const route_of<pf::collective::all_gather> route{part};
    done = pf::algorithm::exchange(c, t, tiles, route, /*keeps=*/false, pf::load_from<float>{own},
                                   pf::store_to<float>{parameters});
    t.close();
    return done;
  }
};
