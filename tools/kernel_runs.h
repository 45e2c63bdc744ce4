// A kernel with operands of its own, ready to be run again and again and timed: for what the
// machine can do at most, and for the kernels' benchmarks.
#pragma once

#include <string>
#include <vector>

#include "engine/buffer.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace basin {

// An element functor over float arrays of n, in the stream's memory. in_place[k] is the input that
// output k lies on, as an optimiser's weights do; outputs without one have their own array.
template <class F>
class MapRun {
 public:
  MapRun(const Stream& stream, const F& functor, int64_t n, const std::vector<int>& in_place = {})
      : functor_(functor), n_(n) {
    for (int k = 0; k < F::reads + F::writes; ++k) {
      arrays_.emplace_back(stream, n * int64_t{sizeof(float)});
      map<float>(stream, Fill<float>{0.5F}, n, {}, {array(k)});
    }
    for (int k = 0; k < F::reads; ++k) in_[k] = array(k);
    for (int k = 0; k < F::writes; ++k) {
      out_[k] = array(in_place.empty() ? F::reads + k : in_place[k]);
    }
  }
  MapRun(const MapRun&) = delete;
  MapRun& operator=(const MapRun&) = delete;
  void run(const Stream& stream) { map<float>(stream, functor_, n_, in_, out_); }
  Cost cost() const { return element_cost<F, float>(n_); }

 private:
  float* array(int k) { return reinterpret_cast<float*>(arrays_[k].data()); }

  F functor_;
  int64_t n_;
  std::vector<Buffer> arrays_;
  Inputs<float, F> in_{};
  Outputs<float, F> out_{};
};

// One matrix product; run() takes a stream of as many threads.
template <class T>
class GemmRun {
 public:
  GemmRun(const Stream& stream, const GemmShape& shape)
      : shape_(shape),
        gemm_(stream, shape),
        a_(shape.m * shape.k, 1),
        b_(shape.k * shape.n, 1),
        c_(shape.m * shape.n),
        memory_(gemm_.scratch_bytes() + 64) {}
  void run(const Stream& stream) {
    char* scratch = memory_.data() + 64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64;
    gemm_.run(stream, a_.data(), b_.data(), c_.data(), Write::Overwrite, scratch);
  }
  Cost cost() const { return gemm_cost<T>(shape_); }
  std::string description() const { return to_string(shape_) + " " + gemm_.description(); }

 private:
  GemmShape shape_;
  Gemm<T> gemm_;
  std::vector<T> a_, b_, c_;
  std::vector<char> memory_;
};

}  // namespace basin
