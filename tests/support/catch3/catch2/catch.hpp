/// \file
/// The header of Catch2 2, for those who ask for it where Catch2 3 is installed.
#pragma once

#include <catch2/catch_all.hpp>
