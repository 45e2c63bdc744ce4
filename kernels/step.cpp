#include "kernels/step.h"

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
void pass_result(const Stream& stream, const T* loss, const T* correct, double l2,
                 const double* squared_norm, PassResult* result) {
  once(stream, "pass_result", PassResultOf<T>{loss, correct, l2, squared_norm, result});
}

void begin_step(const Stream& stream, const StepCursor* cursor, const double* rates, double* rate) {
  once(stream, "begin_step", BeginStep{cursor, rates, rate});
}

void end_step(const Stream& stream, StepCursor* cursor, const PassResult* first,
              const PassResult* last, StepResult* rows) {
  once(stream, "end_step", EndStep{cursor, first, last, rows});
}

template void pass_result(const Stream&, const float*, const float*, double, const double*,
                          PassResult*);
template void pass_result(const Stream&, const double*, const double*, double, const double*,
                          PassResult*);

}  // namespace basin
