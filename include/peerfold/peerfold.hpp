/// \file
/// Everything but the adapters.
#pragma once

#include <peerfold/all_reduce.hpp>
#include <peerfold/core/version.hpp>
#include <peerfold/device.hpp>
