// expect: trivially_copyable|element<.*string
// Elements that cannot travel as bytes.
#include <peerfold/all_reduce.hpp>

#include <string>

#if defined(PEERFOLD_FIXED)
using value = float;
#else
using value = std::string;
#endif

void use(peerfold::symmetric_buffer<value, 4>&);
