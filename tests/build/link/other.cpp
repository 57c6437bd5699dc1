#include "sum.hpp"

int sum_in_other() { return sum_of_ranks(); }
layout layout_in_other() { return layout_seen(); }
