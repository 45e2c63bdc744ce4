// flatten: the same memory under another shape; nothing is copied in either direction.
#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/elementwise.h"

namespace basin {
namespace {

template <class T>
struct FlattenOp final : Op {
  int64_t n;
  explicit FlattenOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "flatten"; }
  OpNeeds needs() const override {
    return {
        .input_in_backward = {false}, .output_in_backward = {false}, .passes = {0}, .view = true};
  }
  void forward(OpRun&) const override {}
  void backward(OpRun& r) const override {  // where the adjoints could not share memory
    if (r.wants(0)) map<T>(r.stream, Copy<T>{}, n, {r.d_out<T>()}, {r.d_in<T>(0)}, r.write(0));
  }
};

}  // namespace

Variable flatten(const Variable& x) {
  Recording& tape = Recording::of("flatten", {&x});
  const Shape& s = x.shape();
  BASIN_CHECK(s.rank() >= 1, "[flatten] x", "found a scalar, expected [n,...]");
  return record<FlattenOp>(tape, {x}, {Shape{s[0], s.size() / s[0]}}, s.size())[0];
}

}  // namespace basin
