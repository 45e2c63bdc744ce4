#include "kernels/range.h"

#include "kernels/has_cuda.h"

namespace basin {

Range::Range([[maybe_unused]] const char* name) {
  if constexpr (kHasCuda) cuda::push_range(name);
}

Range::~Range() {
  if constexpr (kHasCuda) cuda::pop_range();
}

}  // namespace basin
