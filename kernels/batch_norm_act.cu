// The CUDA side of batch norm, in training and with given statistics.
#include "kernels/batch_norm_act.cuh"

#include "kernels/launch.cuh"
#include "kernels/map_cuda.cuh"
#include "kernels/norm_act_join.cuh"

namespace basin::cuda {
namespace {

int64_t rows_of(const NormShape& shape) {
  return shape.n * shape.positions;
}

// Two values of each channel for every part (float64 in the forward pass, F in the backward pass),
// then two coefficients of each channel.
template <class F>
struct BatchScratch {
  char* start;
  int64_t values, c;  // of the parts; of the channels

  static int64_t part_bytes(int64_t values) {
    return round_up<int64_t>(2 * values * int64_t{sizeof(double)}, 16);
  }
  static int64_t bytes(const NormShape& shape) {
    return part_bytes(batch_parts(shape) * shape.c) + 2 * shape.c * int64_t{sizeof(F)};
  }
  BatchScratch(const NormShape& shape, void* scratch)
      : start(static_cast<char*>(scratch)), values(batch_parts(shape) * shape.c), c(shape.c) {}
  double* means() const { return reinterpret_cast<double*>(start); }
  double* m2s() const { return means() + values; }
  F* dgammas() const { return reinterpret_cast<F*>(start); }
  F* dbetas() const { return dgammas() + values; }
  F* offset() const { return reinterpret_cast<F*>(start + part_bytes(values)); }
  F* slope() const { return offset() + c; }
};

// Blocks of kTileThreads: one for each strip of each part; for each chunk; for the joins.
template <int W>
Grid grid_of_parts(const Stream& stream, const NormShape& shape) {
  const int64_t strips = ceil_div<int64_t>(shape.c, W * kTileAcross<W>);
  return grid_of_blocks(stream, batch_parts(shape) * strips, kTileThreads);
}
template <int W>
Grid grid_of_chunks(const Stream& stream, const NormShape& shape) {
  const int64_t chunk = kTileThreads * kPassRows * W;
  return grid_of_blocks(stream, ceil_div(shape.size(), chunk), kTileThreads);
}
Grid grid_of_joins(const Stream& stream, int64_t c) {
  return grid_of_blocks(stream, ceil_div<int64_t>(c, kJoinChannels), kJoinThreads);
}

template <class T>
void normalise(const Stream& stream, const char* name, const NormShape& shape,
               const NormInput<T>& in, const ChannelArrays<Wide<T>>& p, T* y) {
  const auto run = [&](auto width) {
    launch<NormaliseRows<T, width>>(stream, name, grid_of_chunks<width>(stream, shape),
                                    rows_of(shape), shape.c, in.x, in.residual, in.sum, p, y);
  };
  by_width<T, kPackSize<T>>(shape.c, run, in.x, in.residual, in.sum, p.mean, p.rstd, p.gamma,
                            p.beta, y);
}

// share: 1 / rows where mean and rstd depend on s, 0 where they are constants.
template <class T>
void backward(const Stream& stream, const char* name, const NormShape& shape, double share,
              const T* dy, const T* s, const ChannelArrays<Wide<T>>& p, T* ds, Write ds_mode,
              Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  using F = Wide<T>;
  const BatchScratch<F> w(shape, scratch);
  const auto sums = [&](auto width) {
    launch<GradientSums<T, width>>(stream, name, grid_of_parts<width>(stream, shape),
                                   rows_of(shape), batch_part_rows(shape), shape.c, dy, s, p,
                                   w.dgammas(), w.dbetas());
  };
  by_width<T, kSumWidth>(shape.c, sums, dy, s, p.mean, p.rstd, p.gamma, p.beta);
  launch<GradientJoin<F>>(stream, name, grid_of_joins(stream, shape.c), batch_parts(shape), shape.c,
                          w.dgammas(), w.dbetas(), dgamma, dbeta, parameter_mode, p.gamma, p.rstd,
                          share, w.offset(), w.slope());
  if (ds == nullptr) return;
  const auto rows = [&](auto width) {
    launch<BackwardRows<T, width>>(stream, name, grid_of_chunks<width>(stream, shape),
                                   rows_of(shape), shape.c, dy, s, p, w.offset(), w.slope(), ds,
                                   ds_mode);
  };
  by_width<T, kPackSize<T>>(shape.c, rows, dy, s, p.mean, p.rstd, p.gamma, p.beta, w.offset(),
                            w.slope(), ds);
}

}  // namespace

template <class T>
int64_t batch_norm_act_scratch(const NormShape& shape) {
  return BatchScratch<Wide<T>>::bytes(shape);
}

template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            Wide<T>* unbiased_variance, void* scratch) {
  using F = Wide<T>;
  constexpr const char* kName = "batch_norm_act_forward";
  const BatchScratch<F> w(shape, scratch);
  const int64_t part_rows = batch_part_rows(shape);
  const auto moments = [&](auto width) {
    launch<BatchMoments<T, width>>(stream, kName, grid_of_parts<width>(stream, shape),
                                   rows_of(shape), part_rows, shape.c, x, residual, sum, w.means(),
                                   w.m2s());
  };
  by_width<T, kSumWidth>(shape.c, moments, x, residual, sum);
  launch<MomentJoin<F>>(stream, kName, grid_of_joins(stream, shape.c), rows_of(shape), part_rows,
                        shape.c, w.means(), w.m2s(), eps, mean, rstd, unbiased_variance);
  const NormInput<T> s{residual == nullptr ? x : sum, nullptr, nullptr};
  normalise(stream, kName, shape, s, {mean, rstd, gamma, beta, floor_of<F>(act)}, y);
}

template <class T>
void batch_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  backward(stream, "batch_norm_act_backward", shape, 1 / static_cast<double>(rows_of(shape)), dy, s,
           {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, ds, ds_mode, dgamma, dbeta,
           parameter_mode, scratch);
}

template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            const Wide<T>* mean, const Wide<T>* variance, double eps,
                            Activation act, T* sum, T* y, Wide<T>* rstd) {
  constexpr const char* kName = "fixed_norm_act_forward";
  launch<FixedDeviations<Wide<T>>>(stream, kName, grid_for(stream, shape.c), shape.c, variance, eps,
                                   rstd);
  normalise(stream, kName, shape, NormInput<T>{x, residual, sum},
            {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, y);
}

template <class T>
void fixed_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  backward(stream, "fixed_norm_act_backward", shape, 0.0, dy, s,
           {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, ds, ds_mode, dgamma, dbeta,
           parameter_mode, scratch);
}

#define BASIN_INSTANTIATE_BATCH_NORM(T)                                                            \
  template int64_t batch_norm_act_scratch<T>(const NormShape&);                                    \
  template void batch_norm_act_forward(const Stream&, const NormShape&, const T*, const T*,        \
                                       const Wide<T>*, const Wide<T>*, double, Activation, T*, T*, \
                                       Wide<T>*, Wide<T>*, Wide<T>*, void*);                       \
  template void batch_norm_act_backward(                                                           \
      const Stream&, const NormShape&, const T*, const T*, const Wide<T>*, const Wide<T>*,         \
      const Wide<T>*, const Wide<T>*, Activation, T*, Write, Wide<T>*, Wide<T>*, Write, void*);    \
  template void fixed_norm_act_forward(const Stream&, const NormShape&, const T*, const T*,        \
                                       const Wide<T>*, const Wide<T>*, const Wide<T>*,             \
                                       const Wide<T>*, double, Activation, T*, T*, Wide<T>*);      \
  template void fixed_norm_act_backward(                                                           \
      const Stream&, const NormShape&, const T*, const T*, const Wide<T>*, const Wide<T>*,         \
      const Wide<T>*, const Wide<T>*, Activation, T*, Write, Wide<T>*, Wide<T>*, Write, void*);

BASIN_INSTANTIATE_BATCH_NORM(float)
BASIN_INSTANTIATE_BATCH_NORM(double)
BASIN_INSTANTIATE_BATCH_NORM(bfloat16)
BASIN_INSTANTIATE_MAP(float, RunningStatistics<float>)
BASIN_INSTANTIATE_MAP(double, RunningStatistics<double>)

}  // namespace basin::cuda
