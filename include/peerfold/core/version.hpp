/// \file
/// The version of the library, in one place: the build reads it from here.
#pragma once

#define PEERFOLD_VERSION_MAJOR 0
#define PEERFOLD_VERSION_MINOR 1
#define PEERFOLD_VERSION_PATCH 0

/// One number that preprocessor conditions can compare: 0.1.0 is 100, 1.2.3 is 10203.
#define PEERFOLD_VERSION \
  (PEERFOLD_VERSION_MAJOR * 10000 + PEERFOLD_VERSION_MINOR * 100 + PEERFOLD_VERSION_PATCH)
