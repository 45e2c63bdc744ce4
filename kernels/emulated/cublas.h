// What a test can ask of the emulated cuBLASLt.
#pragma once

#include <cstddef>

namespace basin::emulated {

// Handles, descriptors and preferences that were made and not destroyed.
size_t live_cublas_objects();

}  // namespace basin::emulated
