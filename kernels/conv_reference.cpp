// The loops of reference.h as a backend of Conv; on CUDA, in float64 alone, as bodies.
#include <type_traits>

#include "kernels/conv_backend.h"
#include "kernels/has_cuda.h"
#include "kernels/reference.h"

namespace basin {
namespace {

template <class T>
inline constexpr bool kHasCudaLoops = kHasCuda&& std::is_same_v<T, double>;

}  // namespace

template <class T>
void LoopConv<T>::forward(const Stream& stream, const T* x, const Wide<T>* w, const void*, T* y,
                          void*) const {
  if constexpr (kHasCudaLoops<T>) {
    if (stream.is_cuda()) return cuda::conv_forward(stream, shape_, x, w, y);
  }
  reference::conv_forward(stream, shape_, x, w, y);
}

template <class T>
void LoopConv<T>::backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void*,
                                T* dx, Write mode, void*) const {
  if constexpr (kHasCudaLoops<T>) {
    if (stream.is_cuda()) return cuda::conv_backward_data(stream, shape_, dy, w, dx, mode);
  }
  reference::conv_backward_data(stream, shape_, dy, w, dx, mode);
}

template <class T>
void LoopConv<T>::backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                                  Write mode, void*) const {
  if constexpr (kHasCudaLoops<T>) {
    if (stream.is_cuda()) return cuda::conv_backward_filter(stream, shape_, x, dy, dw, mode);
  }
  reference::conv_backward_filter(stream, shape_, x, dy, dw, mode);
}

template class LoopConv<float>;
template class LoopConv<double>;

}  // namespace basin
