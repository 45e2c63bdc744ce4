// What the norms mean: plain two-pass loops in float64, and one harness that runs a kernel against
// them in every combination of activation, residual, write mode and device.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/norm_act.h"
#include "kernels/simd.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {

using Doubles = std::vector<double>;

inline double largest(const Doubles& values) {
  double m = 0;
  for (const double v : values) m = std::max(m, std::abs(v));
  return m;
}
template <class T>
Doubles doubles(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

// Which statistic normalises element (image, channel): group norm [n, groups], batch norm [c].
inline int64_t statistic_of(NormKind kind, const NormShape& s, int64_t image, int64_t channel) {
  return kind == NormKind::Group ? image * s.groups + channel / (s.c / s.groups) : channel;
}
inline int64_t statistics_of(NormKind kind, const NormShape& s) {
  return kind == NormKind::Group ? s.n * s.groups : s.c;
}
// body(index of the element, its statistic, its channel) in the order of memory.
template <class Body>
void each_element(NormKind kind, const NormShape& s, const Body& body) {
  for (int64_t i = 0; i < s.size(); ++i) {
    const int64_t image = i / (s.positions * s.c), channel = i % s.c;
    body(i, statistic_of(kind, s, image, channel), channel);
  }
}

struct NormForward {
  Doubles mean, variance, rstd, y;  // variance is the biased one
  double count = 0;                 // elements of a statistic
};

// mean and variance are read where kind is Fixed. The statistics are summed in long double, as
// those of a float64 kernel are exact to float64 where the mean is large.
inline NormForward reference_forward(NormKind kind, const NormShape& shape, const Doubles& s,
                                     const Doubles& gamma, const Doubles& beta, double eps,
                                     Activation act, const Doubles& mean, const Doubles& variance) {
  const int64_t statistics = statistics_of(kind, shape);
  NormForward f{.mean = mean, .variance = variance, .rstd = Doubles(statistics), .y = s};
  f.count = static_cast<double>(shape.size()) / static_cast<double>(statistics);
  std::vector<long double> m(f.mean.begin(), f.mean.end()), v(variance.begin(), variance.end());
  if (kind != NormKind::Fixed) {
    m.assign(statistics, 0.0L);
    v.assign(statistics, 0.0L);
    each_element(kind, shape, [&](int64_t i, int64_t k, int64_t) { m[k] += s[i]; });
    for (long double& total : m) total /= f.count;
    each_element(kind, shape,
                 [&](int64_t i, int64_t k, int64_t) { v[k] += (s[i] - m[k]) * (s[i] - m[k]); });
    for (long double& total : v) total /= f.count;
    f.mean.assign(m.begin(), m.end());
    f.variance.assign(v.begin(), v.end());
  }
  for (int64_t k = 0; k < statistics; ++k) f.rstd[k] = 1 / std::sqrt(f.variance[k] + eps);
  each_element(kind, shape, [&](int64_t i, int64_t k, int64_t c) {
    f.y[i] = gamma[c] * static_cast<double>(s[i] - m[k]) * f.rstd[k] + beta[c];
    if (act == Activation::Relu) f.y[i] = std::max(f.y[i], 0.0);
  });
  return f;
}

struct NormBackward {
  Doubles ds, dgamma, dbeta;
  double gamma_terms = 0, beta_terms = 0;  // the largest sums of the terms' sizes
};

// `open`: where the activation let the value through.
inline NormBackward reference_backward(NormKind kind, const NormShape& shape, Doubles dy,
                                       const Doubles& s, const Doubles& gamma, const Doubles& mean,
                                       const Doubles& rstd, const std::vector<bool>& open) {
  const int64_t statistics = statistics_of(kind, shape);
  const double count = static_cast<double>(shape.size()) / static_cast<double>(statistics);
  NormBackward b{Doubles(shape.size()), Doubles(shape.c), Doubles(shape.c)};
  Doubles g_mean(statistics), gx_mean(statistics), gamma_terms(shape.c), beta_terms(shape.c);
  each_element(kind, shape, [&](int64_t i, int64_t k, int64_t c) {
    if (!open[i]) dy[i] = 0;
    const double xhat = (s[i] - mean[k]) * rstd[k];
    b.dgamma[c] += dy[i] * xhat;
    b.dbeta[c] += dy[i];
    gamma_terms[c] += std::abs(dy[i] * xhat);
    beta_terms[c] += std::abs(dy[i]);
    g_mean[k] += gamma[c] * dy[i] / count;
    gx_mean[k] += gamma[c] * dy[i] * xhat / count;
  });
  const double depends = kind == NormKind::Fixed ? 0 : 1;
  each_element(kind, shape, [&](int64_t i, int64_t k, int64_t c) {
    const double xhat = (s[i] - mean[k]) * rstd[k];
    b.ds[i] = rstd[k] * (gamma[c] * dy[i] - depends * (g_mean[k] + xhat * gx_mean[k]));
  });
  b.gamma_terms = largest(gamma_terms);
  b.beta_terms = largest(beta_terms);
  return b;
}

// Inputs of one case; the statistics that Fixed uses are drawn too.
template <class T>
struct NormCase {
  NormShape shape;
  std::vector<T> x, residual, dy, ds_before;
  std::vector<Wide<T>> gamma, beta, mean, variance;
  explicit NormCase(const NormShape& s, uint64_t seed = 1)
      : shape(s),
        x(random_values<T>(s.size(), seed, 2.0)),
        residual(random_values<T>(s.size(), seed + 1)),
        dy(random_values<T>(s.size(), seed + 2)),
        ds_before(random_values<T>(s.size(), seed + 3)),
        gamma(random_values<Wide<T>>(s.c, seed + 4)),
        beta(random_values<Wide<T>>(s.c, seed + 5, 0.5)),
        mean(random_values<Wide<T>>(s.c, seed + 6)),
        variance(random_values<Wide<T>>(s.c, seed + 7)) {
    for (Wide<T>& v : variance) v = v * v + Wide<T>(0.1);
  }
};

struct NormOptions {
  NormKind kind;
  Activation act;
  bool residual;
  Write mode;
  Stream stream = Stream::cpu(1);
  int64_t offset = 0;  // of every array from a 64-byte boundary, in elements
  double eps = 1e-5;
};

// What a forward and a backward pass wrote.
template <class T>
struct NormResult {
  std::vector<T> sum, y, ds;
  std::vector<Wide<T>> mean, rstd, unbiased, dgamma, dbeta;
  bool same_bytes_as(const NormResult& o) const {
    return same_bytes(sum, o.sum) && same_bytes(y, o.y) && same_bytes(mean, o.mean) &&
           same_bytes(rstd, o.rstd) && same_bytes(unbiased, o.unbiased) && same_bytes(ds, o.ds) &&
           same_bytes(dgamma, o.dgamma) && same_bytes(dbeta, o.dbeta);
  }
};

// One forward and one backward pass of the kernels into poisoned and guarded arrays.
template <class T>
struct NormRun : NormResult<T> {
  NormRun(const NormCase<T>& c, const NormOptions& o) {
    using F = Wide<T>;
    const Stream& stream = o.stream;
    const auto placed = [&](const auto& values) {
      using Value = typename std::remove_cvref_t<decltype(values)>::value_type;
      return Placed<Value>(stream, values, o.offset);
    };
    const auto empty = [&]<class Value>(Value, int64_t n) {
      return Placed<Value>(stream, n, o.offset);
    };
    const bool group = o.kind == NormKind::Group, add = o.mode == Write::Accumulate;
    const int64_t size = c.shape.size(), statistics = statistics_of(o.kind, c.shape);
    const auto x = placed(c.x), added = placed(c.residual), dys = placed(c.dy);
    const auto gamma = placed(c.gamma), beta = placed(c.beta), variance = placed(c.variance);
    auto s_out = empty(T(), size), y_out = empty(T(), size);
    auto ds_out = add ? placed(c.ds_before) : empty(T(), size);
    auto means = o.kind == NormKind::Fixed ? placed(c.mean) : empty(F(), statistics);
    auto rstds = empty(F(), statistics), variances = empty(F(), c.shape.c);
    const std::vector<F> halves(c.shape.c, F(0.5));
    auto dgammas = add ? placed(halves) : empty(F(), c.shape.c);
    auto dbetas = add ? placed(halves) : empty(F(), c.shape.c);
    Placed<char> scratch(stream, group ? group_norm_act_scratch<T>(stream, c.shape)
                                       : batch_norm_act_scratch<T>(stream, c.shape));
    const T* r = o.residual ? added.data() : nullptr;
    T* s = o.residual ? s_out.data() : nullptr;
    if (group) {
      group_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), o.eps, o.act,
                             s, y_out.data(), means.data(), rstds.data(), scratch.data());
    } else if (o.kind == NormKind::Batch) {
      batch_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), o.eps, o.act,
                             s, y_out.data(), means.data(), rstds.data(), variances.data(),
                             scratch.data());
    } else {
      fixed_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), means.data(),
                             variance.data(), o.eps, o.act, s, y_out.data(), rstds.data());
    }
    const auto backward = [&](auto... arguments) {
      if (group) return group_norm_act_backward<T>(stream, c.shape, arguments...);
      return o.kind == NormKind::Batch ? batch_norm_act_backward<T>(stream, c.shape, arguments...)
                                       : fixed_norm_act_backward<T>(stream, c.shape, arguments...);
    };
    const T* read = o.residual ? s_out.data() : x.data();
    backward(dys.data(), read, gamma.data(), beta.data(), means.data(), rstds.data(), o.act,
             ds_out.data(), o.mode, dgammas.data(), dbetas.data(), o.mode, scratch.data());
    const auto taken = [](const auto& array) {
      EXPECT_TRUE(array.intact());
      return array.values();
    };
    NormResult<T>::operator=({taken(s_out), taken(y_out), taken(ds_out), taken(means), taken(rstds),
                              taken(variances), taken(dgammas), taken(dbetas)});
    EXPECT_TRUE(scratch.intact());
    // Without ds, the same dgamma and dbeta.
    if (add) return;
    auto dgamma_alone = empty(F(), c.shape.c), dbeta_alone = empty(F(), c.shape.c);
    backward(dys.data(), read, gamma.data(), beta.data(), means.data(), rstds.data(), o.act,
             static_cast<T*>(nullptr), o.mode, dgamma_alone.data(), dbeta_alone.data(), o.mode,
             scratch.data());
    EXPECT_TRUE(same_bytes(taken(dgamma_alone), this->dgamma));
    EXPECT_TRUE(same_bytes(taken(dbeta_alone), this->dbeta));
  }
};

// Compares everything. The backward pass is compared at the kernel's own mean and rstd and with the
// signs of its own y, which both passes must agree on.
template <class T>
void expect_result(const NormCase<T>& c, const NormOptions& o, const NormResult<T>& run) {
  SCOPED_TRACE(testing::Message() << "n " << c.shape.n << " positions " << c.shape.positions
                                  << " c " << c.shape.c << " groups " << c.shape.groups << " kind "
                                  << static_cast<int>(o.kind) << " relu "
                                  << (o.act == Activation::Relu) << " residual " << o.residual
                                  << " accumulate " << (o.mode == Write::Accumulate) << ", "
                                  << name(o.stream) << ", eps of T " << eps_of<T>());
  const Doubles gamma = doubles(c.gamma), beta = doubles(c.beta);
  Doubles s = doubles(c.x);
  if (o.residual) {
    for (size_t i = 0; i < s.size(); ++i) s[i] += static_cast<double>(c.residual[i]);
    EXPECT_TRUE(all_close(run.sum, s, 1));
    s = doubles(run.sum);
  }
  const NormForward f = reference_forward(o.kind, c.shape, s, gamma, beta, o.eps, o.act,
                                          doubles(c.mean), doubles(c.variance));
  const double s_size = largest(s), scale = largest(f.rstd) * largest(gamma);
  if (o.kind != NormKind::Fixed) {
    EXPECT_TRUE(all_close(run.mean, f.mean, 4, s_size));
  }
  // Means are joined in float64: its rounding of them is seen in units of the deviation.
  const double joined = s_size * largest(f.rstd) * eps_of<double>() / eps_of<Wide<T>>();
  EXPECT_TRUE(all_close(run.rstd, f.rstd, 16 + joined));
  EXPECT_TRUE(all_close(run.y, f.y, 8, 2 * s_size * scale + largest(beta)));
  if (o.kind == NormKind::Batch) {
    Doubles unbiased = f.variance;
    for (double& v : unbiased) v *= f.count / (f.count - 1);
    EXPECT_TRUE(all_close(run.unbiased, unbiased, 32 + 2 * joined));
  }

  std::vector<bool> open(c.shape.size(), true);
  for (int64_t i = 0; i < c.shape.size(); ++i) {
    if (o.act == Activation::Relu) open[i] = run.y[i] > T(0);
  }
  const Doubles mean = doubles(run.mean), rstd = doubles(run.rstd);
  NormBackward b = reference_backward(o.kind, c.shape, doubles(c.dy), s, gamma, mean, rstd, open);
  double before = 0, before_parameters = 0;
  if (o.mode == Write::Accumulate) {
    before = largest(doubles(c.ds_before));
    before_parameters = 0.5;
    for (size_t i = 0; i < b.ds.size(); ++i) b.ds[i] += static_cast<double>(c.ds_before[i]);
    for (double& v : b.dgamma) v += 0.5;
    for (double& v : b.dbeta) v += 0.5;
  }
  double xhat = 0;
  each_element(o.kind, c.shape, [&](int64_t i, int64_t k, int64_t) {
    xhat = std::max(xhat, std::abs((s[i] - mean[k]) * rstd[k]));
  });
  EXPECT_TRUE(all_close(run.ds, b.ds, 16, before + scale * largest(doubles(c.dy)) * (2 + xhat)));
  EXPECT_TRUE(all_close(run.dgamma, b.dgamma, 16, before_parameters + b.gamma_terms));
  EXPECT_TRUE(all_close(run.dbeta, b.dbeta, 16, before_parameters + b.beta_terms));
}

// Runs a case and compares everything; a second run gives the same bytes.
template <class T>
void expect_norm(const NormCase<T>& c, const NormOptions& o) {
  const NormRun<T> run(c, o);
  expect_result(c, o, run);
  EXPECT_TRUE(NormRun<T>(c, o).same_bytes_as(run)) << name(o.stream);
}

// A CPU of one and of two threads, where it takes T (for bfloat16 it needs instructions), and the
// CUDA device, where there is one.
template <class T>
std::vector<Stream> norm_streams() {
  std::vector<Stream> all;
  if (std::is_same_v<T, Wide<T>> || cpu::has_bfloat16()) all = {Stream::cpu(1), Stream::cpu(2)};
  if (cuda_device_count() > 0) all.push_back(Stream::cuda(0));
  return all;
}

// The case on every device; twice on each, which on the emulated one are two orders of threads.
template <class T>
void expect_norm_on_each(const NormCase<T>& c, NormOptions o) {
  for (const Stream& stream : norm_streams<T>()) {
    o.stream = stream;
    expect_norm(c, o);
  }
}

// Every combination of activation, residual and write mode.
template <class T>
void expect_all_norms(NormKind kind, const NormShape& shape, int64_t offset = 0) {
  const NormCase<T> c(shape);
  for (const Activation act : {Activation::None, Activation::Relu}) {
    for (const bool residual : {false, true}) {
      for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
        expect_norm_on_each(
            c, {.kind = kind, .act = act, .residual = residual, .mode = mode, .offset = offset});
      }
    }
  }
}

// <dy, y> as a function of s, gamma and beta, against central differences in float64.
inline void expect_gradients(NormKind kind, const NormShape& shape, Activation act) {
  NormCase<double> c(shape);
  const NormOptions o{kind, act, false, Write::Overwrite};
  const NormRun<double> run(c, o);
  if (act == Activation::Relu) {
    // Away from the kink: the outputs that are not cut off are larger than the step moves them.
    for (const double y : run.y) ASSERT_TRUE(y == 0 || y > 1e-4);
  }
  const auto loss = [&] {
    const NormRun<double> at(c, o);
    double total = 0;
    for (int64_t i = 0; i < shape.size(); ++i) total += c.dy[i] * at.y[i];
    return total;
  };
  const auto expect_slope = [&](double& value, double expected) {
    constexpr double h = 1e-5;
    const double at = value;
    value = at + h;
    const double above = loss();
    value = at - h;
    const double below = loss();
    value = at;
    // Two terms: the difference's third derivative, h^2, and rounding, eps / h.
    EXPECT_NEAR((above - below) / (2 * h), expected, 1e-7 * (1 + std::abs(expected)));
  };
  for (int64_t i = 0; i < shape.size(); ++i) expect_slope(c.x[i], run.ds[i]);
  for (int64_t j = 0; j < shape.c; ++j) expect_slope(c.gamma[j], run.dgamma[j]);
  for (int64_t j = 0; j < shape.c; ++j) expect_slope(c.beta[j], run.dbeta[j]);
}

}  // namespace basin::test
