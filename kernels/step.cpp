#include "kernels/step.h"

#include "kernels/has_cuda.h"

namespace basin {
namespace {

template <class Act>
void once(const Stream& stream, const char* name, const Act& act) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::once(stream, name, act);
  }
  act();
}

}  // namespace

template <class T>
void pass_result(const Stream& stream, const PassParts<T>& parts, PassResult* result) {
  once(stream, "pass_result", PassResultOf<T>{parts, result});
}

void begin_step(const Stream& stream, const StepCursor* cursor, const double* rates, double* rate) {
  once(stream, "begin_step", BeginStep{cursor, rates, rate});
}

void next_batch(const Stream& stream, StepCursor* cursor) {
  once(stream, "next_batch", NextBatch{cursor});
}

void end_step(const Stream& stream, StepCursor* cursor, const PassResult* first,
              const PassResult* last, StepResult* rows) {
  once(stream, "end_step", EndStep{cursor, first, last, rows});
}

template void pass_result(const Stream&, const PassParts<float>&, PassResult*);
template void pass_result(const Stream&, const PassParts<double>&, PassResult*);

}  // namespace basin
