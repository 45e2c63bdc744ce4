// The CUDA side of unfolding and folding.
#include "kernels/patches.cuh"

#include "kernels/launch.cuh"

namespace basin::cuda {
namespace {

template <class T>
Access channel_access(const ConvShape& s, const T* a, const T* b) {
  return s.c_in % kPackSize<T> == 0 ? access_of(a, b) : Access::Single;
}

int64_t tasks(int64_t elements, Access access, int64_t width) {
  return access == Access::Packed ? elements / width : elements;
}

}  // namespace

template <class T>
void unfold(const Stream& stream, const ConvShape& s, const T* x, T* patches) {
  const Access access = channel_access(s, x, patches);
  const int64_t work = tasks(patch_count(s) * patch_size(s), access, kPackSize<T>);
  launch<UnfoldBody<T>>(stream, "unfold", grid_for(stream, work), s, access, x, patches);
}

template <class T>
void fold(const Stream& stream, const ConvShape& s, const T* patches, T* x, Write mode) {
  const Access access = channel_access(s, patches, x);
  const int64_t work = tasks(s.input_size(), access, kPackSize<T>);
  launch<FoldBody<T>>(stream, "fold", grid_for(stream, work), s, access, patches, x, mode);
}

#define BASIN_INSTANTIATE_PATCHES(T)                                   \
  template void unfold(const Stream&, const ConvShape&, const T*, T*); \
  template void fold(const Stream&, const ConvShape&, const T*, T*, Write);

BASIN_INSTANTIATE_PATCHES(float)
BASIN_INSTANTIATE_PATCHES(double)

}  // namespace basin::cuda
