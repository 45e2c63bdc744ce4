// A scalar that counts: what a functor says it reads, writes and computes is compared with what it
// does. Comparisons, square roots, exp and log1p count as one flop; a change of sign as none.
#pragma once

#include <array>
#include <cmath>
#include <set>
#include <type_traits>

#include "kernels/map.h"

namespace basin::test {

class Counted {
 public:
  // What has been done since the last reset.
  struct Tally {
    int flops = 0;
    std::set<int> inputs_used;
  };
  static Tally& tally() {
    static thread_local Tally t;
    return t;
  }

  Counted() = default;
  explicit Counted(double value, int source = kComputed) : value_(value), source_(source) {}
  double value() const { return value_; }
  // Which input it is a copy of, kComputed or kUnwritten.
  int source() const { return source_; }
  static constexpr int kComputed = -1, kUnwritten = -2;

  friend Counted operator+(Counted a, Counted b) { return count(a.value_ + b.value_, a, b); }
  friend Counted operator-(Counted a, Counted b) { return count(a.value_ - b.value_, a, b); }
  friend Counted operator*(Counted a, Counted b) { return count(a.value_ * b.value_, a, b); }
  friend Counted operator/(Counted a, Counted b) { return count(a.value_ / b.value_, a, b); }
  friend Counted operator-(Counted a) {
    use(a);
    return Counted(-a.value_);
  }
  Counted& operator+=(Counted b) { return *this = *this + b; }
  Counted& operator-=(Counted b) { return *this = *this - b; }
  Counted& operator*=(Counted b) { return *this = *this * b; }
  friend bool operator<(Counted a, Counted b) { return compare(a.value_ < b.value_, a, b); }
  friend bool operator>(Counted a, Counted b) { return compare(a.value_ > b.value_, a, b); }
  friend bool operator<=(Counted a, Counted b) { return compare(a.value_ <= b.value_, a, b); }
  friend bool operator>=(Counted a, Counted b) { return compare(a.value_ >= b.value_, a, b); }
  friend Counted exp(Counted a) { return count(std::exp(a.value_), a, a); }
  friend Counted log1p(Counted a) { return count(std::log1p(a.value_), a, a); }
  friend Counted sqrt(Counted a) { return count(std::sqrt(a.value_), a, a); }
  friend Counted abs(Counted a) {
    use(a);
    return Counted(std::abs(a.value_));
  }

  // To be called for what ends up in an output: a plain copy reads its input as well.
  static void use(Counted a) {
    if (a.source_ >= 0) tally().inputs_used.insert(a.source_);
  }

 private:
  static Counted count(double value, Counted a, Counted b) {
    ++tally().flops;
    use(a);
    use(b);
    return Counted(value);
  }
  static bool compare(bool result, Counted a, Counted b) {
    ++tally().flops;
    use(a);
    use(b);
    return result;
  }

  double value_ = 0;
  int source_ = kUnwritten;
};

struct Counts {
  int reads, writes, flops;
  bool operator==(const Counts&) const = default;
};

// What F declares.
template <class F>
constexpr Counts declared() {
  return {F::reads, F::writes, F::flops};
}

// What F (bound) does for one element: over inputs of both signs, the inputs that any run used, the
// outputs that every run wrote, the most flops of a run.
template <class F>
Counts counted(const F& functor) {
  std::set<int> used;
  int writes = F::writes, flops = 0;
  for (const double sign : {-1.0, 1.0}) {
    Operands<Counted, F> in;
    for (int i = 0; i < F::reads; ++i) in[i] = Counted(sign * (0.5 + i), i);
    Counted out[F::writes];
    Counted::tally() = {};
    apply<Counted>(functor, in, out);
    int written = 0;
    for (const Counted& o : out) {
      Counted::use(o);
      written += o.source() != Counted::kUnwritten ? 1 : 0;
    }
    used.insert(Counted::tally().inputs_used.begin(), Counted::tally().inputs_used.end());
    writes = std::min(writes, written);
    flops = std::max(flops, Counted::tally().flops);
  }
  return {static_cast<int>(used.size()), writes, flops};
}

}  // namespace basin::test
