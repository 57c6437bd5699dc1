/// \file
/// Everything but the adapters.
#pragma once

#include <peerfold/all_gather.hpp>
#include <peerfold/all_gather_v.hpp>
#include <peerfold/all_reduce.hpp>
#include <peerfold/all_to_all.hpp>
#include <peerfold/all_to_all_v.hpp>
#include <peerfold/barrier.hpp>
#include <peerfold/broadcast.hpp>
#include <peerfold/core/version.hpp>
#include <peerfold/custom.hpp>
#include <peerfold/device.hpp>
#include <peerfold/gather.hpp>
#include <peerfold/gather_v.hpp>
#include <peerfold/group.hpp>
#include <peerfold/reduce.hpp>
#include <peerfold/reduce_scatter.hpp>
#include <peerfold/reduce_scatter_v.hpp>
#include <peerfold/rows.hpp>
#include <peerfold/scan.hpp>
#include <peerfold/scatter.hpp>
#include <peerfold/scatter_v.hpp>
#include <peerfold/send_recv.hpp>
#include <peerfold/transfer_group.hpp>
#include <peerfold/with_rank_count.hpp>
