// Average pooling over windows, and over the whole image.
#include "kernels/pool.h"

#include "engine/ops.h"
#include "engine/record.h"

namespace basin {
namespace {

template <class T>
struct AveragePoolOp final : Op {
  PoolShape shape;
  explicit AveragePoolOp(const PoolShape& shape) : shape(shape) {}
  std::string_view name() const override { return "average_pool"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    average_pool_forward(r.stream, shape, r.in<T>(0), r.out<T>());
  }
  void backward(OpRun& r) const override {
    average_pool_backward(r.stream, shape, r.d_out<T>(), r.d_in<T>(0), r.write(0));
  }
};

template <class T>
struct GlobalPoolOp final : Op {
  int64_t n, positions, c;
  GlobalPoolOp(int64_t n, int64_t positions, int64_t c) : n(n), positions(positions), c(c) {}
  std::string_view name() const override { return "global_pool"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    global_pool_forward(r.stream, n, positions, c, r.in<T>(0), r.out<Wide<T>>());
  }
  void backward(OpRun& r) const override {
    global_pool_backward(r.stream, n, positions, c, r.d_out<Wide<T>>(), r.d_in<T>(0), r.write(0));
  }
};

}  // namespace

Variable average_pool(const Variable& x, int64_t window, int64_t stride) {
  Recording& tape = Recording::of("average_pool", {&x});
  const Shape& s = x.shape();
  BASIN_CHECK(s.rank() == 4, "[average_pool] x", "found {}, expected [n,h,w,c]", s);
  BASIN_CHECK(window >= 1 && stride >= 1 && window <= s[1] && window <= s[2],
              "[average_pool] window", "found {} with stride {}, expected 1 to the image of {}",
              window, stride, s);
  const PoolShape shape{s[0], s[1], s[2], s[3], window, stride};
  return record<AveragePoolOp>(tape, {x}, {Shape{s[0], shape.h_out(), shape.w_out(), s[3]}},
                               shape)[0];
}

Variable global_pool(const Variable& x) {
  Recording& tape = Recording::of("global_pool", {&x});
  const Shape& s = x.shape();
  BASIN_CHECK(s.rank() == 4, "[global_pool] x", "found {}, expected [n,h,w,c]", s);
  return record_activations<GlobalPoolOp>(tape, tape.program->dtype, {x}, {Shape{s[0], s[3]}}, s[0],
                                          s[1] * s[2], s[3])[0];
}

}  // namespace basin
