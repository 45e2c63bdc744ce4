#include "kernels/relu1d.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// Everything is padded to whole cache lines, and sums that run over lanes are taken in a line's
// worth of partial sums: in one order, whatever a vector's width is.
template <class T>
inline constexpr int kLine = kLineBytes / sizeof(T);
template <class T>
int64_t padded(int64_t count) {
  return round_up<int64_t>(count, kLine<T>);
}

template <class T>
struct Units {
  T *w, *b, *a;  // [padded units]; those behind the last are 0
};

// One network on its points. Forward, a vector's lanes are points, and the sum over units stays in
// registers; backward they are units, and the sums over points do. So there is no sum across lanes
// but those of the loss and of the norm.
template <class T, int W>
class Relu1dTrainer {
 public:
  using V = Vector<T, W>;

  static int64_t scratch(int64_t units, int64_t n) {
    return 9 * padded<T>(units) + 5 * padded<T>(n);
  }

  Relu1dTrainer(const Relu1dPoints<T>& points, int64_t units, const Relu1dRule& rule, T* scratch)
      : n_(points.n),
        units_(units),
        point_vectors_(padded<T>(n_) / W),
        unit_vectors_(padded<T>(units) / W),
        rule_(rule) {
    const auto take = [&](int64_t count) {
      T* piece = scratch;
      scratch += padded<T>(count);
      return piece;
    };
    for (Units<T>* of : {&at_, &gradient_, &moved_}) {
      of->w = take(units), of->b = take(units), of->a = take(units);
    }
    for (T** of : {&x_, &y_, &counts_, &r_, &rx_}) *of = take(n_);
    for (int64_t k = 0; k < padded<T>(n_); ++k) {  // the last point again, without a loss
      x_[k] = points.x[std::min(k, n_ - 1)], y_[k] = points.y[std::min(k, n_ - 1)];
      counts_[k] = k < n_ ? T(1) : T(0);
    }
  }

  // weights: [3, units].
  void run(int64_t until, T* weights, Relu1dProgress& progress) {
    T* const arrays[] = {at_.w, at_.b, at_.a};
    for (int i = 0; i < 3; ++i) {
      std::fill(std::copy_n(weights + i * units_, units_, arrays[i]), arrays[i] + padded<T>(units_),
                T(0));
    }
    Relu1dProgress own = progress;  // its neighbours belong to other threads
    while (own.steps < until && own.end == Relu1dEnd::None) {
      ++own.steps;
      step(own);
    }
    progress = own;
    for (int i = 0; i < 3; ++i) std::copy_n(arrays[i], units_, weights + i * units_);
  }

 private:
  static constexpr int kParts = kLine<T> / W;  // vectors of a line
  static V& vec(T* array, int64_t o) { return *reinterpret_cast<V*>(array + o * W); }

  static T total(const V (&parts)[kParts]) {
    T lanes[kLine<T>];
    for (int p = 0; p < kParts; ++p) vec(lanes, p) = parts[p];
    for (int half = kLine<T> / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
  }

  // r and r x of all points; returns the loss.
  T residuals(const Units<T>& at) {
    V squares[kParts] = {};
    for (int64_t o = 0; o < point_vectors_; ++o) {
      const V x = vec(x_, o);
      V sums[4] = {};  // four, for a multiply-add's latency
      for (int64_t j = 0; j < padded<T>(units_); j += 4) {
        for (int i = 0; i < 4; ++i) {
          const V z = at.w[j + i] * x + at.b[j + i];
          sums[i] += at.a[j + i] * (z < V{} ? V{} : z);  // a NaN stays one
        }
      }
      const V f = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      const V r = vec(counts_, o) * (f - vec(y_, o));
      vec(r_, o) = r;
      vec(rx_, o) = r * x;
      squares[o % kParts] += r * r;
    }
    return T(0.5) * total(squares);
  }

  // use(o, dw, db, da) for each vector o of units, from the residuals.
  template <class Use>
  void differentiate(const Units<T>& at, const Use& use) {
    for (int64_t o = 0; o < unit_vectors_; ++o) {
      const V w = vec(at.w, o), b = vec(at.b, o), a = vec(at.a, o);
      V s{}, q{};
      for (int64_t k = 0; k < n_; ++k) {
        const auto active = w * x_[k] + b > V{};
        s += active ? r_[k] - V{} : V{};
        q += active ? rx_[k] - V{} : V{};
      }
      use(o, a * q, a * s, w * q + b * s);
    }
  }

  void step(Relu1dProgress& progress) {
    const auto t = static_cast<double>(progress.steps);
    const double left = rule_.decay_steps == 0 ? 1 : 1 - t / static_cast<double>(rule_.decay_steps);
    const T gamma = static_cast<T>(rule_.gamma * std::max(0.0, left));
    const T loss = residuals(at_);
    T perturbed = loss;
    const auto descend = [&](int64_t o, const V& dw, const V& db, const V& da) {
      vec(at_.w, o) -= gamma * dw;
      vec(at_.b, o) -= gamma * db;
      vec(at_.a, o) -= gamma * da;
    };
    if (rule_.rho == 0) {
      differentiate(at_, descend);
    } else {
      ascend();
      perturbed = residuals(moved_);
      differentiate(moved_, descend);
    }
    progress.loss = loss, progress.loss_perturbed = perturbed;
    if (!std::isfinite(loss) || !std::isfinite(perturbed)) {
      progress.end = Relu1dEnd::Diverged;
    } else if ((rule_.watched == WatchedLoss::Plain ? loss : perturbed) <= rule_.enough) {
      progress.end = Relu1dEnd::Fitted;
    }
  }

  // From the residuals at at_; a gradient of 0 moves nothing.
  void ascend() {
    V squares[kParts] = {};
    differentiate(at_, [&](int64_t o, const V& dw, const V& db, const V& da) {
      vec(gradient_.w, o) = dw, vec(gradient_.b, o) = db, vec(gradient_.a, o) = da;
      squares[o % kParts] += dw * dw + db * db + da * da;
    });
    T scale = static_cast<T>(rule_.rho);
    if (rule_.normalise == Normalise::Yes) {
      const T norm = std::sqrt(total(squares));
      scale = norm == 0 ? T(0) : scale / norm;
    }
    for (int64_t o = 0; o < unit_vectors_; ++o) {
      vec(moved_.w, o) = vec(at_.w, o) + scale * vec(gradient_.w, o);
      vec(moved_.b, o) = vec(at_.b, o) + scale * vec(gradient_.b, o);
      vec(moved_.a, o) = vec(at_.a, o) + scale * vec(gradient_.a, o);
    }
  }

  int64_t n_, units_, point_vectors_, unit_vectors_;
  Relu1dRule rule_;
  Units<T> at_{}, gradient_{}, moved_{};
  T *x_ = nullptr, *y_ = nullptr;  // [padded n]
  T* counts_ = nullptr;            // 1 for a point, 0 behind the last
  T *r_ = nullptr, *rx_ = nullptr;
};

template <class T>
void run_one(const Relu1dPoints<T>& points, int64_t units, const Relu1dRule& rule, int64_t until,
             T* weights, Relu1dProgress& progress, T* scratch) {
  vectorised_by_width([&](auto floats) {
    constexpr int W = decltype(floats)::value * 4 / static_cast<int>(sizeof(T));
    Relu1dTrainer<T, W>(points, units, rule, scratch).run(until, weights, progress);
  });
}

template <class T>
int64_t worker_scratch(int64_t units, int64_t n) {
  return Relu1dTrainer<T, kLine<T>>::scratch(units, n);
}

}  // namespace
}  // namespace cpu

template <class T>
int64_t relu1d_scratch(const Stream& stream, int64_t units, int64_t n, int64_t m) {
  return std::min<int64_t>(stream.threads(), m) * cpu::worker_scratch<T>(units, n) + cpu::kLine<T>;
}

template <class T>
void relu1d_run(const Stream& stream, const Relu1dPoints<T>& points, int64_t units, int64_t m,
                const Relu1dRule& rule, int64_t until, T* weights, Relu1dProgress* progress,
                T* scratch) {
  while (reinterpret_cast<uintptr_t>(scratch) % cpu::kLineBytes != 0) ++scratch;
  const auto run = [&](int64_t i, int worker) {
    cpu::run_one(points, units, rule, until, weights + i * 3 * units, progress[i],
                 scratch + worker * cpu::worker_scratch<T>(units, points.n));
  };
  const int workers = static_cast<int>(std::min<int64_t>(stream.threads(), m));
  if (workers <= 1) {
    for (int64_t i = 0; i < m; ++i) run(i, 0);
    return;
  }
#pragma omp parallel for num_threads(workers) schedule(dynamic, 1)
  for (int64_t i = 0; i < m; ++i) run(i, omp_get_thread_num());
}

template int64_t relu1d_scratch<float>(const Stream&, int64_t, int64_t, int64_t);
template int64_t relu1d_scratch<double>(const Stream&, int64_t, int64_t, int64_t);
template void relu1d_run(const Stream&, const Relu1dPoints<float>&, int64_t, int64_t,
                         const Relu1dRule&, int64_t, float*, Relu1dProgress*, float*);
template void relu1d_run(const Stream&, const Relu1dPoints<double>&, int64_t, int64_t,
                         const Relu1dRule&, int64_t, double*, Relu1dProgress*, double*);

}  // namespace basin
