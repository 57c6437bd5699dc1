/// \file
/// Catch2, whichever of 2.13 and 3 is installed.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

namespace peerfold::test {
/// What a listener to a test run derives from.
using listener = Catch::EventListenerBase;
}  // namespace peerfold::test
#else
// PEERFOLD_TEST_LISTENER: set where a listener is written, the only place that needs these.
#if defined(PEERFOLD_TEST_LISTENER)
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#endif
#include <catch2/catch.hpp>

#if defined(PEERFOLD_TEST_LISTENER)
namespace peerfold::test {
/// What a listener to a test run derives from.
using listener = Catch::TestEventListenerBase;
}  // namespace peerfold::test
#endif
#endif
