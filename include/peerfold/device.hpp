/// \file
/// All that a kernel of the caller's own needs: contexts, transports, algorithms and functors. No
/// host headers, so that it also compiles under NVRTC.
#pragma once

#include <peerfold/algorithm/all_reduce_one_shot.hpp>
#include <peerfold/algorithm/elements.hpp>
#include <peerfold/algorithm/exchange.hpp>
#include <peerfold/algorithm/reduce_exchange.hpp>
#include <peerfold/algorithm/route.hpp>
#include <peerfold/algorithm/spanning_tree.hpp>
#include <peerfold/algorithm/tree_exchange.hpp>
#include <peerfold/algorithm/two_shot.hpp>
#include <peerfold/core/config.hpp>
#include <peerfold/core/element.hpp>
#include <peerfold/core/fold_range.hpp>
#include <peerfold/core/rank.hpp>
#include <peerfold/core/reduction_op.hpp>
#include <peerfold/execution/context.hpp>
#include <peerfold/memory/peer_span.hpp>
#include <peerfold/sync/arena.hpp>
#include <peerfold/transport/movers.hpp>
#include <peerfold/transport/packet.hpp>
#include <peerfold/transport/peers.hpp>
#include <peerfold/transport/sentinel.hpp>
#include <peerfold/transport/store_flag.hpp>

#if defined(__CUDACC__)
#include <peerfold/execution/block_group.cuh>
#endif
