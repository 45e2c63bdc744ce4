#include "kernels/ghost_conv.h"

namespace basin {

template <class T>
GhostConv<T>::GhostConv(const Stream& stream, const ConvShape& shape, int64_t groups)
    : shape_(shape),
      plain_(shape.kernel == 1 && shape.stride == 1 && shape.padding == 0),
      product_(stream, ghost_shape(shape, groups)) {}

template <class T>
int64_t GhostConv<T>::patch_bytes() const {
  if (plain_) return 0;
  return round_up<int64_t>(patch_count(shape_) * patch_size(shape_) * int64_t{sizeof(T)}, 64);
}

template <class T>
void GhostConv<T>::keep(const Stream& stream, const T* x, const T* dy, void* kept,
                        double* squared_norms, void* scratch) const {
  T* patches = product_.kept_x(kept);
  if (!plain_) unfold(stream, shape_, x, patches);
  product_.keep(stream, plain_ ? x : patches, dy, kept, squared_norms, behind_patches(scratch));
}

template <class T>
void GhostConv<T>::add_to_output(const Stream& stream, const T* x, const void* kept,
                                 const double* scales, T* y, void* scratch) const {
  T* patches = static_cast<T*>(scratch);
  if (!plain_) unfold(stream, shape_, x, patches);
  product_.add_to_output(stream, plain_ ? x : patches, kept, scales, y, behind_patches(scratch));
}

template <class T>
void GhostConv<T>::data_gradient(const Stream& stream, const T* dy, const void* kept,
                                 const double* scales, T* dx, Write mode, void* scratch) const {
  if (plain_) return product_.data_gradient(stream, dy, kept, scales, dx, mode, scratch);
  T* patches = static_cast<T*>(scratch);
  product_.data_gradient(stream, dy, kept, scales, patches, Write::Overwrite,
                         behind_patches(scratch));
  fold(stream, shape_, patches, dx, mode);
}

template class GhostConv<float>;
template class GhostConv<double>;

}  // namespace basin
