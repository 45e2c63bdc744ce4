// The CUDA side of average pooling.
#include <type_traits>

#include "kernels/launch.cuh"
#include "kernels/pool.cuh"

namespace basin::cuda {
namespace {

// run(width): a group of channels is 16 bytes of T where c and the arrays allow it, else one.
template <class T, class Run, class... Pointers>
void with_width(int64_t c, const Run& run, const Pointers*... pointers) {
  constexpr int kWidth = kPackSize<T>;
  if (c % kWidth == 0 && access_of(pointers...) == Access::Packed) {
    run(std::integral_constant<int, kWidth>{});
  } else {
    run(std::integral_constant<int, 1>{});
  }
}

}  // namespace

template <class T>
void average_pool_forward(const Stream& stream, const PoolShape& s, const T* x, T* y) {
  const int64_t size = s.n * s.h_out() * s.w_out() * s.c;
  const auto run = [&](auto width) {
    launch<AveragePoolForward<width(), T>>(stream, "average_pool_forward",
                                           grid_for(stream, size / width()), s, x, y);
  };
  with_width<T>(s.c, run, x, y);
}

template <class T>
void average_pool_backward(const Stream& stream, const PoolShape& s, const T* dy, T* dx,
                           Write mode) {
  const int64_t size = s.n * s.h * s.w * s.c;
  const auto run = [&](auto width) {
    launch<AveragePoolBackward<width(), T>>(stream, "average_pool_backward",
                                            grid_for(stream, size / width()), s, dy, dx, mode);
  };
  with_width<T>(s.c, run, dy, dx);
}

template <class T>
void global_pool_forward(const Stream& stream, int64_t n, int64_t positions, int64_t c, const T* x,
                         Wide<T>* y) {
  const auto run = [&](auto width) {
    using Body = GlobalPoolForward<width(), T>;
    const int64_t tasks = n * ceil_div<int64_t>(c / width(), Body::kTile);
    launch<Body>(stream, "global_pool_forward", grid_of_blocks(stream, tasks, Body::kThreads), n,
                 positions, c, x, y);
  };
  with_width<T>(c, run, x, y);
}

template <class T>
void global_pool_backward(const Stream& stream, int64_t n, int64_t positions, int64_t c,
                          const Wide<T>* dy, T* dx, Write mode) {
  const auto run = [&](auto width) {
    launch<GlobalPoolBackward<width(), T>>(stream, "global_pool_backward",
                                           grid_for(stream, n * positions * c / width()), n,
                                           positions, c, dy, dx, mode);
  };
  with_width<T>(c, run, dy, dx);
}

#define BASIN_INSTANTIATE(T)                                                         \
  template void average_pool_forward(const Stream&, const PoolShape&, const T*, T*); \
  template void average_pool_backward(const Stream&, const PoolShape&, const T*, T*, Write);
#define BASIN_INSTANTIATE_GLOBAL(T)                                                                \
  template void global_pool_forward(const Stream&, int64_t, int64_t, int64_t, const T*, Wide<T>*); \
  template void global_pool_backward(const Stream&, int64_t, int64_t, int64_t, const Wide<T>*, T*, \
                                     Write);
BASIN_INSTANTIATE(float)
BASIN_INSTANTIATE(double)
BASIN_INSTANTIATE_GLOBAL(float)
BASIN_INSTANTIATE_GLOBAL(double)
BASIN_INSTANTIATE_GLOBAL(bfloat16)

}  // namespace basin::cuda
