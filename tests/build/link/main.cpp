// Several translation units of one program include everything: nothing is defined twice, and they
// agree on what they share, whichever compiler they came from.
#include <support/catch.hpp>

#include "sum.hpp"

TEST_CASE("two .cpp files share the library") {
  CHECK(sum_of_ranks() == 3);
  CHECK(sum_in_other() == 3);
  CHECK(layout_in_other() == layout_seen());
}

#if defined(PEERFOLD_TEST_WITH_CU)
TEST_CASE("a .cpp and a .cu file share the library") { CHECK(layout_in_device() == layout_seen()); }
#endif
