// Whether this build has a CUDA backend. An absent one is one `if constexpr (kHasCuda)`: the
// discarded branch needs no symbol. Apart from platform.h, so that all that does not ask compiles
// to the same object in either build (and a compiler's cache has it).
#pragma once

#ifndef BASIN_HAS_CUDA
#define BASIN_HAS_CUDA 0
#endif

namespace basin {

inline constexpr bool kHasCuda = BASIN_HAS_CUDA != 0;

}  // namespace basin
