// Built as a library of its own, so that no options of a test reach it (all_reduce/CMakeLists.txt).
#include <support/oracle.hpp>

#if defined(__FAST_MATH__)
#error "the oracle is exact: build it without -ffast-math"
#endif

namespace peerfold::test::oracle {

float add(float a, float b) { return a + b; }
float multiply(float a, float b) { return a * b; }
float divide(float a, float b) { return a / b; }
double add(double a, double b) { return a + b; }
double multiply(double a, double b) { return a * b; }
double divide(double a, double b) { return a / b; }

}  // namespace peerfold::test::oracle
