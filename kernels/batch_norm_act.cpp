// Batch norm on a CPU, in training and with given statistics: each thread its own rows, partial
// statistics joined in the order of the threads.
#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/map_cpu.h"
#include "kernels/norm_act.h"
#include "kernels/norm_act_cpu.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// Two sums of each channel for every thread, then two coefficients of each channel, in the type F
// of the statistics.
template <class F>
struct BatchScratch {
  char* start;
  int64_t c;
  int parts;

  static int64_t part_bytes(int64_t c) {
    return round_up<int64_t>(c * 2 * int64_t{sizeof(double)}, kLineBytes);
  }
  static int64_t bytes(int64_t c, int parts) {
    return parts * part_bytes(c) + round_up<int64_t>(c * 2 * int64_t{sizeof(F)}, kLineBytes);
  }
  double* first(int part) const { return reinterpret_cast<double*>(start + part * part_bytes(c)); }
  double* second(int part) const { return first(part) + c; }
  F* offset() const { return reinterpret_cast<F*>(start + parts * part_bytes(c)); }
  F* slope() const { return offset() + c; }
};

int64_t rows_of(const NormShape& shape) {
  return shape.n * shape.positions;
}

template <With kWith, class T>
void normalise_all(const Stream& stream, const NormShape& shape, const Operand<kWith, T>& in,
                   const ChannelParameters<Wide<T>>& p, T* y) {
  const int64_t bytes =
      norm_act_forward_cost<T>(NormKind::Fixed, shape, kWith == With::Residual).bytes();
  for_parts(parts_of(stream, rows_of(shape), bytes), rows_of(shape),
            [=](int, int64_t begin, int64_t end) {
              vectorised_for<T>([=]() {
                normalise(end - begin, shape.c, in.from(begin * shape.c), p, y + begin * shape.c);
              });
            });
}

// mean, rstd, unbiased variance, and the sum.
template <With kWith, class T>
void statistics(const Stream& stream, const NormShape& shape, const Operand<kWith, T>& in,
                double eps, Wide<T>* mean, Wide<T>* rstd, Wide<T>* unbiased_variance,
                void* scratch) {
  const int64_t rows = rows_of(shape), c = shape.c;
  const int parts = parts_of(stream, rows, rows * c * int64_t{sizeof(T)});
  const BatchScratch<Wide<T>> w{static_cast<char*>(scratch), c, parts};
  for_parts(parts, rows, [=](int part, int64_t begin, int64_t end) {
    vectorised_for<T>([=]() {
      channel_moments(end - begin, c, in.from(begin * c), w.first(part), w.second(part));
    });
  });
  for (int64_t j = 0; j < c; ++j) {
    double m = w.first(0)[j], m2 = w.second(0)[j];
    for (int part = 1; part < parts; ++part) {
      const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
      const auto before = static_cast<double>(begin), after = static_cast<double>(end);
      const double delta = w.first(part)[j] - m, weight = (after - before) / after;
      m += delta * weight;
      m2 += w.second(part)[j] + delta * delta * before * weight;
    }
    m2 = std::max(m2, 0.0);
    mean[j] = static_cast<Wide<T>>(m);
    rstd[j] = static_cast<Wide<T>>(1 / std::sqrt(m2 / static_cast<double>(rows) + eps));
    unbiased_variance[j] = static_cast<Wide<T>>(m2 / static_cast<double>(rows - 1));
  }
}

template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            Wide<T>* unbiased_variance, void* scratch) {
  if (residual == nullptr) {
    const Operand<With::Nothing, T> in{x, nullptr, nullptr};
    statistics(stream, shape, in, eps, mean, rstd, unbiased_variance, scratch);
  } else {
    const Operand<With::Residual, T> in{x, residual, sum};
    statistics(stream, shape, in, eps, mean, rstd, unbiased_variance, scratch);
  }
  const Operand<With::Nothing, T> s{residual == nullptr ? x : sum, nullptr, nullptr};
  normalise_all(stream, shape, s, {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, y);
}

template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            const Wide<T>* mean, const Wide<T>* variance, double eps,
                            Activation act, T* sum, T* y, Wide<T>* rstd) {
  for (int64_t j = 0; j < shape.c; ++j) {
    rstd[j] = static_cast<Wide<T>>(1 / std::sqrt(static_cast<double>(variance[j]) + eps));
  }
  const ChannelParameters<Wide<T>> p{mean, rstd, gamma, beta, floor_of<Wide<T>>(act)};
  if (residual == nullptr) {
    normalise_all(stream, shape, Operand<With::Nothing, T>{x, nullptr, nullptr}, p, y);
  } else {
    normalise_all(stream, shape, Operand<With::Residual, T>{x, residual, sum}, p, y);
  }
}

// Statistics::Batch: mean and rstd depend on s; Fixed: they are constants.
enum class Depends { Yes, No };

template <class T>
void backward(const Stream& stream, const NormShape& shape, Depends depends, const T* dy,
              const T* s, const ChannelParameters<Wide<T>>& p, T* ds, Write ds_mode,
              Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  const int64_t rows = rows_of(shape), c = shape.c;
  const int parts =
      parts_of(stream, rows, norm_act_backward_cost<T>(NormKind::Batch, shape, ds_mode).bytes());
  const BatchScratch<Wide<T>> w{static_cast<char*>(scratch), c, parts};
  for_parts(parts, rows, [=](int part, int64_t begin, int64_t end) {
    vectorised_for<T>([=]() {
      gradient_sums(end - begin, c, dy + begin * c, s + begin * c, p, w.first(part),
                    w.second(part));
    });
  });
  // ds = scale (dy - <dy> - xhat <dy xhat>), xhat = (s - mean) rstd, <.> the mean over the rows.
  const double reciprocal = depends == Depends::Yes ? 1 / static_cast<double>(rows) : 0.0;
  for (int64_t j = 0; j < c; ++j) {
    double a = 0, b = 0;
    for (int part = 0; part < parts; ++part) {
      a += w.first(part)[j];
      b += w.second(part)[j];
    }
    const double r = static_cast<double>(p.rstd[j]);
    const double scale = static_cast<double>(p.gamma[j]) * r * reciprocal;
    store(dgamma[j], static_cast<Wide<T>>(b * r), parameter_mode);
    store(dbeta[j], static_cast<Wide<T>>(a), parameter_mode);
    w.offset()[j] = static_cast<Wide<T>>(scale * a);
    w.slope()[j] = static_cast<Wide<T>>(scale * r * r * b);
  }
  if (ds == nullptr) return;
  for_parts(parts, rows, [=](int, int64_t begin, int64_t end) {
    vectorised_for<T>([=]() {
      backward_rows(end - begin, c, dy + begin * c, s + begin * c, p, w.offset(), w.slope(),
                    ds + begin * c, ds_mode);
    });
  });
}

}  // namespace
}  // namespace cpu

BASIN_INSTANTIATE_MAP(float, RunningStatistics<float>)
BASIN_INSTANTIATE_MAP(double, RunningStatistics<double>)

template <class T>
int64_t batch_norm_act_scratch(const Stream& stream, const NormShape& shape) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::batch_norm_act_scratch<T>(shape);
  }
  return cpu::BatchScratch<Wide<T>>::bytes(shape.c, stream.threads());
}

template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            Wide<T>* unbiased_variance, void* scratch) {
  BASIN_CHECK(shape.n * shape.positions >= 2, "[batch_norm_act] x",
              "found {} values per channel, expected at least 2 in training",
              shape.n * shape.positions);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::batch_norm_act_forward(stream, shape, x, residual, gamma, beta, eps, act, sum, y,
                                          mean, rstd, unbiased_variance, scratch);
    }
  }
  cpu::require_type<T>();
  cpu::batch_norm_act_forward(stream, shape, x, residual, gamma, beta, eps, act, sum, y, mean, rstd,
                              unbiased_variance, scratch);
}

template <class T>
void batch_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::batch_norm_act_backward(stream, shape, dy, s, gamma, beta, mean, rstd, act, ds,
                                           ds_mode, dgamma, dbeta, parameter_mode, scratch);
    }
  }
  cpu::require_type<T>();
  cpu::backward(stream, shape, cpu::Depends::Yes, dy, s,
                {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, ds, ds_mode, dgamma, dbeta,
                parameter_mode, scratch);
}

template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            const Wide<T>* mean, const Wide<T>* variance, double eps,
                            Activation act, T* sum, T* y, Wide<T>* rstd) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::fixed_norm_act_forward(stream, shape, x, residual, gamma, beta, mean, variance,
                                          eps, act, sum, y, rstd);
    }
  }
  cpu::require_type<T>();
  cpu::fixed_norm_act_forward(stream, shape, x, residual, gamma, beta, mean, variance, eps, act,
                              sum, y, rstd);
}

template <class T>
void fixed_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::fixed_norm_act_backward(stream, shape, dy, s, gamma, beta, mean, rstd, act, ds,
                                           ds_mode, dgamma, dbeta, parameter_mode, scratch);
    }
  }
  cpu::require_type<T>();
  cpu::backward(stream, shape, cpu::Depends::No, dy, s,
                {mean, rstd, gamma, beta, floor_of<Wide<T>>(act)}, ds, ds_mode, dgamma, dbeta,
                parameter_mode, scratch);
}

template <class T>
void update_running_statistics(const Stream& stream, int64_t c, double momentum, const T* mean,
                               const T* unbiased_variance, T* running_mean, T* running_variance) {
  const RunningStatistics<T> functor{static_cast<T>(momentum), static_cast<T>(1 - momentum)};
  map<T>(stream, functor, c, {mean, unbiased_variance, running_mean, running_variance},
         {running_mean, running_variance});
}

#define BASIN_INSTANTIATE_BATCH_NORM(T)                                                            \
  template int64_t batch_norm_act_scratch<T>(const Stream&, const NormShape&);                     \
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
#define BASIN_INSTANTIATE_RUNNING(T)                                                              \
  template void update_running_statistics(const Stream&, int64_t, double, const T*, const T*, T*, \
                                          T*);

BASIN_INSTANTIATE_BATCH_NORM(float)
BASIN_INSTANTIATE_BATCH_NORM(double)
BASIN_INSTANTIATE_BATCH_NORM(bfloat16)
BASIN_INSTANTIATE_RUNNING(float)
BASIN_INSTANTIATE_RUNNING(double)

}  // namespace basin
