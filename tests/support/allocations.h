// Counts the heap allocations of the test program's own code. oneDNN's are its own affair: its
// execution context is a map on the heap, whoever calls it.
#pragma once

#include <cstdint>

namespace basin::test {

// Since the program began, by operator new called from this executable (not from a library).
int64_t own_allocations();

}  // namespace basin::test
