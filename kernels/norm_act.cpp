// Group norm on a CPU: image by image, both passes while the image is in cache.
#include "kernels/norm_act.h"

#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/norm_act_cpu.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// A thread's scratch, in the type F of the statistics. In the forward pass first and second are
// each channel's mean and sum of squared deviations; in the backward pass the sums of dy and of
// dy * (s - mean).
template <class F>
struct GroupScratch {
  double *first, *second;  // [c]
  double *dgamma, *dbeta;  // [c], over the images of the thread
  F *mean, *rstd;          // [c], the group's value for each of its channels
  F *offset, *slope;       // [c]

  static int64_t bytes(int64_t c) {
    return round_up<int64_t>(c * 4 * (sizeof(double) + sizeof(F)), kLineBytes);
  }
  GroupScratch(void* scratch, int part, int64_t c) {
    first = reinterpret_cast<double*>(static_cast<char*>(scratch) + part * bytes(c));
    second = first + c;
    dgamma = second + c;
    dbeta = dgamma + c;
    mean = reinterpret_cast<F*>(dbeta + c);
    rstd = mean + c;
    offset = rstd + c;
    slope = offset + c;
  }
};

// mean[groups], rstd[groups] of one image from its channels' moments.
template <class F>
inline void join_groups(const NormShape& shape, double eps, const GroupScratch<F>& w, F* mean,
                        F* rstd) {
  const int64_t width = shape.c / shape.groups;
  const double positions = static_cast<double>(shape.positions);
  const double reciprocal = 1 / static_cast<double>(width);
  for (int64_t g = 0; g < shape.groups; ++g) {
    const int64_t begin = g * width, end = begin + width;
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t j = begin; j < end; ++j) total += w.first[j];
    const double group_mean = total * reciprocal;
    double within = 0, between = 0;
#pragma omp simd reduction(+ : within, between)
    for (int64_t j = begin; j < end; ++j) {
      const double d = w.first[j] - group_mean;
      within += w.second[j];
      between += d * d;
    }
    const double variance = std::max((within / positions + between) * reciprocal, 0.0);
    mean[g] = static_cast<F>(group_mean);
    rstd[g] = static_cast<F>(1 / std::sqrt(variance + eps));
  }
}

// The groups' mean and rstd of one image, spread over their channels.
template <class F>
inline void spread_groups(const NormShape& shape, const F* mean, const F* rstd,
                          const GroupScratch<F>& w) {
  const int64_t width = shape.c / shape.groups;
  for (int64_t g = 0; g < shape.groups; ++g) {
    for (int64_t j = g * width; j < (g + 1) * width; ++j) {
      w.mean[j] = mean[g];
      w.rstd[j] = rstd[g];
    }
  }
}

// y, mean, rstd (and sum) of images [begin, end).
template <With kWith, class T>
inline void forward_images(const NormShape& shape, const Operand<kWith, T>& in,
                           const Wide<T>* gamma, const Wide<T>* beta, ParameterGroups parameters,
                           double eps, Wide<T> floor, int64_t begin, int64_t end, T* y,
                           Wide<T>* mean, Wide<T>* rstd, const GroupScratch<Wide<T>>& w) {
  const int64_t p = shape.positions, c = shape.c;
  for (int64_t image = begin; image < end; ++image) {
    const int64_t offset = image * p * c, group = image * shape.groups;
    const Operand<kWith, T> one = in.from(offset);
    channel_moments(p, c, one, w.first, w.second);
    join_groups(shape, eps, w, mean + group, rstd + group);
    spread_groups(shape, mean + group, rstd + group, w);
    const Operand<With::Nothing, T> s{one.values(), nullptr, nullptr};
    const int64_t own = parameters.offset_of(image, shape.n);
    normalise(p, c, s, {w.mean, w.rstd, gamma + own, beta + own, floor}, y + offset);
  }
}

template <With kWith, class T>
void forward(const Stream& stream, const NormShape& shape, const Operand<kWith, T>& in,
             const Wide<T>* gamma, const Wide<T>* beta, double eps, Activation act, T* y,
             Wide<T>* mean, Wide<T>* rstd, void* scratch, ParameterGroups parameters) {
  const int64_t bytes =
      norm_act_forward_cost<T>(NormKind::Group, shape, kWith == With::Residual).bytes();
  const Wide<T> floor = floor_of<Wide<T>>(act);
  const int parts = parts_of(stream, shape.n, bytes);
  for_parts(parts, shape.n, [=](int part, int64_t begin, int64_t end) {
    const GroupScratch<Wide<T>> w(scratch, part, shape.c);
    vectorised_for<T>([=]() {
      forward_images(shape, in, gamma, beta, parameters, eps, floor, begin, end, y, mean, rstd, w);
    });
  });
}

template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            void* scratch, ParameterGroups parameters) {
  if (residual == nullptr) {
    const Operand<With::Nothing, T> in{x, nullptr, nullptr};
    forward(stream, shape, in, gamma, beta, eps, act, y, mean, rstd, scratch, parameters);
  } else {
    const Operand<With::Residual, T> in{x, residual, sum};
    forward(stream, shape, in, gamma, beta, eps, act, y, mean, rstd, scratch, parameters);
  }
}

// offset[c], slope[c] of one image from its channels' sums, and its part of dgamma and dbeta. With
// xhat = (s - mean) rstd, g = gamma dy and <.> the mean over the group:
//   ds = rstd (g - <g> - xhat <g xhat>).
template <class F>
inline void join_gradients(const NormShape& shape, const F* gamma, const F* rstd,
                           const GroupScratch<F>& w) {
  const int64_t width = shape.c / shape.groups;
  const double reciprocal = 1 / static_cast<double>(width * shape.positions);
  for (int64_t g = 0; g < shape.groups; ++g) {
    const int64_t begin = g * width, end = begin + width;
    const double r = static_cast<double>(rstd[g]);
    double a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
    for (int64_t j = begin; j < end; ++j) {
      a += static_cast<double>(gamma[j]) * w.first[j];
      b += static_cast<double>(gamma[j]) * w.second[j];
      w.dbeta[j] += w.first[j];
      w.dgamma[j] += r * w.second[j];
    }
    const F offset = static_cast<F>(r * a * reciprocal);
    const F slope = static_cast<F>(r * r * r * b * reciprocal);
    for (int64_t j = begin; j < end; ++j) {
      w.offset[j] = offset;
      w.slope[j] = slope;
    }
  }
}

// ds of images [begin, end), and their part of dgamma and dbeta.
template <class T>
inline void backward_images(const NormShape& shape, const T* dy, const T* s, const Wide<T>* gamma,
                            const Wide<T>* beta, ParameterGroups groups, const Wide<T>* mean,
                            const Wide<T>* rstd, Wide<T> floor, int64_t begin, int64_t end, T* ds,
                            Write ds_mode, const GroupScratch<Wide<T>>& w) {
  const int64_t p = shape.positions, c = shape.c;
  for (int64_t j = 0; j < c; ++j) w.dgamma[j] = w.dbeta[j] = 0;
  for (int64_t image = begin; image < end; ++image) {
    const int64_t offset = image * p * c, group = image * shape.groups;
    const int64_t own = groups.offset_of(image, shape.n);
    const ChannelParameters<Wide<T>> parameters{w.mean, w.rstd, gamma + own, beta + own, floor};
    spread_groups(shape, mean + group, rstd + group, w);
    gradient_sums(p, c, dy + offset, s + offset, parameters, w.first, w.second);
    join_gradients(shape, parameters.gamma, rstd + group, w);
    if (ds == nullptr) continue;
    backward_rows(p, c, dy + offset, s + offset, parameters, w.offset, w.slope, ds + offset,
                  ds_mode);
  }
}

template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch,
                             ParameterGroups parameters, ParameterGroups gradients) {
  const int64_t bytes = norm_act_backward_cost<T>(NormKind::Group, shape, ds_mode).bytes();
  const int64_t each = shape.n / gradients.count;
  const Wide<T> floor = floor_of<Wide<T>>(act);
  const auto images = [=](int part, int64_t begin, int64_t end) {
    const GroupScratch<Wide<T>> w(scratch, part, shape.c);
    vectorised_for<T>([=]() {
      backward_images(shape, dy, s, gamma, beta, parameters, mean, rstd, floor, begin, end, ds,
                      ds_mode, w);
    });
  };
  const auto join = [=](int first, int last, int64_t group) {  // of the parts
    for (int64_t j = 0; j < shape.c; ++j) {
      double gamma_sum = 0, beta_sum = 0;
      for (int part = first; part < last; ++part) {
        const GroupScratch<Wide<T>> w(scratch, part, shape.c);
        gamma_sum += w.dgamma[j];
        beta_sum += w.dbeta[j];
      }
      const int64_t to = group * gradients.stride + j;
      store(dgamma[to], static_cast<Wide<T>>(gamma_sum), parameter_mode);
      store(dbeta[to], static_cast<Wide<T>>(beta_sum), parameter_mode);
    }
  };
  if (gradients.count > 1 && gradients.count >= stream.threads()) {  // a thread has whole groups
    const int parts = parts_of(stream, gradients.count, bytes);
    for_parts(parts, gradients.count, [=](int part, int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        images(part, group * each, (group + 1) * each);
        join(part, part + 1, group);
      }
    });
    return;
  }
  const int parts = parts_of(stream, each, bytes);
  for (int64_t group = 0; group < gradients.count; ++group) {
    for_parts(parts, each, [=](int part, int64_t begin, int64_t end) {
      images(part, group * each + begin, group * each + end);
    });
    join(0, parts, group);
  }
}

}  // namespace
}  // namespace cpu

namespace {

void check_groups(const NormShape& shape, ParameterGroups images) {
  BASIN_CHECK(shape.groups > 0 && shape.c % shape.groups == 0, "[group_norm_act] groups",
              "found {} groups of {} channels, expected a divisor", shape.groups, shape.c);
  BASIN_CHECK(images.count > 0 && shape.n % images.count == 0, "[group_norm_act] images",
              "found {} parameter groups of {} images, expected a divisor", images.count, shape.n);
}

}  // namespace

template <class T>
int64_t group_norm_act_scratch(const Stream& stream, const NormShape& shape) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::group_norm_act_scratch<T>(shape);
  }
  return cpu::GroupScratch<Wide<T>>::bytes(shape.c) * stream.threads();
}

template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            void* scratch, ParameterGroups parameters) {
  check_groups(shape, parameters);
  if (shape.size() == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::group_norm_act_forward(stream, shape, x, residual, gamma, beta, eps, act, sum, y,
                                          mean, rstd, scratch, parameters);
    }
  }
  cpu::require_type<T>();
  cpu::group_norm_act_forward(stream, shape, x, residual, gamma, beta, eps, act, sum, y, mean, rstd,
                              scratch, parameters);
}

template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch,
                             ParameterGroups parameters, ParameterGroups gradients) {
  check_groups(shape, parameters);
  check_groups(shape, gradients);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::group_norm_act_backward(stream, shape, dy, s, gamma, beta, mean, rstd, act, ds,
                                           ds_mode, dgamma, dbeta, parameter_mode, scratch,
                                           parameters, gradients);
    }
  }
  cpu::require_type<T>();
  cpu::group_norm_act_backward(stream, shape, dy, s, gamma, beta, mean, rstd, act, ds, ds_mode,
                               dgamma, dbeta, parameter_mode, scratch, parameters, gradients);
}

#define BASIN_INSTANTIATE_GROUP_NORM(T)                                                            \
  template int64_t group_norm_act_scratch<T>(const Stream&, const NormShape&);                     \
  template void group_norm_act_forward(const Stream&, const NormShape&, const T*, const T*,        \
                                       const Wide<T>*, const Wide<T>*, double, Activation, T*, T*, \
                                       Wide<T>*, Wide<T>*, void*, ParameterGroups);                \
  template void group_norm_act_backward(const Stream&, const NormShape&, const T*, const T*,       \
                                        const Wide<T>*, const Wide<T>*, const Wide<T>*,            \
                                        const Wide<T>*, Activation, T*, Write, Wide<T>*, Wide<T>*, \
                                        Write, void*, ParameterGroups, ParameterGroups);

BASIN_INSTANTIATE_GROUP_NORM(float)
BASIN_INSTANTIATE_GROUP_NORM(double)
BASIN_INSTANTIATE_GROUP_NORM(bfloat16)

}  // namespace basin
