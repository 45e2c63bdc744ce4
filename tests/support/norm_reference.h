// What the norms mean: plain two-pass loops in float64, and one harness that runs a kernel against
// them in every combination of activation, residual, write mode and threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/norm_act.h"
#include "tests/support/compare.h"
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
  int threads;
  int64_t offset = 0;  // of every array from a 64-byte boundary, in elements
  double eps = 1e-5;
};

// One forward and one backward pass of the kernels into poisoned and guarded arrays.
template <class T>
struct NormRun {
  Guarded<T> sum, y, ds;
  Guarded<Wide<T>> mean, rstd, unbiased, dgamma, dbeta;
  NormRun(const NormCase<T>& c, const NormOptions& o)
      : sum(c.shape.size(), o.offset),
        y(c.shape.size(), o.offset),
        ds(c.shape.size(), o.offset),
        mean(statistics_of(o.kind, c.shape), o.offset),
        rstd(statistics_of(o.kind, c.shape), o.offset),
        unbiased(c.shape.c, o.offset),
        dgamma(c.shape.c, o.offset),
        dbeta(c.shape.c, o.offset) {
    const Stream stream = Stream::cpu(o.threads);
    const Guarded<T> x(c.x, o.offset), residual(c.residual, o.offset), dy(c.dy, o.offset);
    const Guarded<Wide<T>> gamma(c.gamma, o.offset), beta(c.beta, o.offset),
        var(c.variance, o.offset);
    const bool group = o.kind == NormKind::Group;
    Guarded<char> scratch(group ? group_norm_act_scratch<T>(c.shape, o.threads)
                                : batch_norm_act_scratch<T>(c.shape, o.threads));
    const T* r = o.residual ? residual.data() : nullptr;
    T* s_out = o.residual ? sum.data() : nullptr;
    if (group) {
      group_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), o.eps, o.act,
                             s_out, y.data(), mean.data(), rstd.data(), scratch.data());
    } else if (o.kind == NormKind::Batch) {
      batch_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), o.eps, o.act,
                             s_out, y.data(), mean.data(), rstd.data(), unbiased.data(),
                             scratch.data());
    } else {
      std::copy(c.mean.begin(), c.mean.end(), mean.data());
      fixed_norm_act_forward(stream, c.shape, x.data(), r, gamma.data(), beta.data(), mean.data(),
                             var.data(), o.eps, o.act, s_out, y.data(), rstd.data());
    }
    if (o.mode == Write::Accumulate) {
      std::copy(c.ds_before.begin(), c.ds_before.end(), ds.data());
      for (int64_t j = 0; j < c.shape.c; ++j) dgamma[j] = dbeta[j] = Wide<T>(0.5);
    }
    const auto backward = group                       ? group_norm_act_backward<T>
                          : o.kind == NormKind::Batch ? batch_norm_act_backward<T>
                                                      : fixed_norm_act_backward<T>;
    backward(stream, c.shape, dy.data(), o.residual ? sum.data() : x.data(), gamma.data(),
             beta.data(), mean.data(), rstd.data(), o.act, ds.data(), o.mode, dgamma.data(),
             dbeta.data(), o.mode, scratch.data());
    EXPECT_TRUE(scratch.intact());
    EXPECT_TRUE(sum.intact() && y.intact() && ds.intact());
    for (const auto* g : {&mean, &rstd, &unbiased, &dgamma, &dbeta}) EXPECT_TRUE(g->intact());
  }
  bool same_bytes_as(const NormRun& o) const {
    return same_bytes(sum.span(), o.sum.span()) && same_bytes(y.span(), o.y.span()) &&
           same_bytes(mean.span(), o.mean.span()) && same_bytes(rstd.span(), o.rstd.span()) &&
           same_bytes(ds.span(), o.ds.span()) && same_bytes(dgamma.span(), o.dgamma.span()) &&
           same_bytes(dbeta.span(), o.dbeta.span());
  }
};

// Runs a case and compares everything. The backward pass is compared at the kernel's own mean and
// rstd and with the signs of its own y, which both passes must agree on.
template <class T>
void expect_norm(const NormCase<T>& c, const NormOptions& o) {
  SCOPED_TRACE(testing::Message() << "n " << c.shape.n << " positions " << c.shape.positions
                                  << " c " << c.shape.c << " groups " << c.shape.groups << " kind "
                                  << static_cast<int>(o.kind) << " relu "
                                  << (o.act == Activation::Relu) << " residual " << o.residual
                                  << " accumulate " << (o.mode == Write::Accumulate) << " threads "
                                  << o.threads << " eps of T " << eps_of<T>());
  const NormRun<T> run(c, o);
  const Doubles gamma = doubles(c.gamma), beta = doubles(c.beta);
  Doubles s = doubles(c.x);
  if (o.residual) {
    for (size_t i = 0; i < s.size(); ++i) s[i] += static_cast<double>(c.residual[i]);
    EXPECT_TRUE(all_close(run.sum.span(), s, 1));
    s = doubles(run.sum.values());
  }
  const NormForward f = reference_forward(o.kind, c.shape, s, gamma, beta, o.eps, o.act,
                                          doubles(c.mean), doubles(c.variance));
  const double s_size = largest(s), scale = largest(f.rstd) * largest(gamma);
  if (o.kind != NormKind::Fixed) {
    EXPECT_TRUE(all_close(run.mean.span(), f.mean, 4, s_size));
  }
  // Means are joined in float64: its rounding of them is seen in units of the deviation.
  const double joined = s_size * largest(f.rstd) * eps_of<double>() / eps_of<Wide<T>>();
  EXPECT_TRUE(all_close(run.rstd.span(), f.rstd, 16 + joined));
  EXPECT_TRUE(all_close(run.y.span(), f.y, 8, 2 * s_size * scale + largest(beta)));
  if (o.kind == NormKind::Batch) {
    Doubles unbiased = f.variance;
    for (double& v : unbiased) v *= f.count / (f.count - 1);
    EXPECT_TRUE(all_close(run.unbiased.span(), unbiased, 32 + 2 * joined));
  }

  std::vector<bool> open(c.shape.size(), true);
  for (int64_t i = 0; i < c.shape.size(); ++i) {
    if (o.act == Activation::Relu) open[i] = run.y[i] > T(0);
  }
  const Doubles mean = doubles(run.mean.values()), rstd = doubles(run.rstd.values());
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
  EXPECT_TRUE(
      all_close(run.ds.span(), b.ds, 16, before + scale * largest(doubles(c.dy)) * (2 + xhat)));
  EXPECT_TRUE(all_close(run.dgamma.span(), b.dgamma, 16, before_parameters + b.gamma_terms));
  EXPECT_TRUE(all_close(run.dbeta.span(), b.dbeta, 16, before_parameters + b.beta_terms));
  EXPECT_TRUE(NormRun<T>(c, o).same_bytes_as(run));
}

// Every combination of activation, residual, write mode and one or two threads.
template <class T>
void expect_all_norms(NormKind kind, const NormShape& shape, int64_t offset = 0) {
  const NormCase<T> c(shape);
  for (const Activation act : {Activation::None, Activation::Relu}) {
    for (const bool residual : {false, true}) {
      for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
        for (const int threads : {1, 2}) {
          expect_norm(c, {kind, act, residual, mode, threads, offset});
        }
      }
    }
  }
}

// <dy, y> as a function of s, gamma and beta, against central differences in float64.
inline void expect_gradients(NormKind kind, const NormShape& shape, Activation act) {
  NormCase<double> c(shape);
  const NormOptions o{kind, act, false, Write::Overwrite, 1};
  const NormRun<double> run(c, o);
  if (act == Activation::Relu) {
    // Away from the kink: the outputs that are not cut off are larger than the step moves them.
    for (const double y : run.y.values()) ASSERT_TRUE(y == 0 || y > 1e-4);
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
