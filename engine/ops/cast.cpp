// cast: between the parameters' type and a narrower one of activations; its gradient is cast back.
#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/convert.h"

namespace basin {
namespace {

template <class From, class To>
struct CastOp final : Op {
  int64_t n;
  explicit CastOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "cast"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    convert(r.stream, n, r.in<From>(0), r.out<To>(), Write::Overwrite);
  }
  void backward(OpRun& r) const override {
    if (r.wants(0)) convert(r.stream, n, r.d_out<To>(), r.d_in<From>(0), r.write(0));
  }
};

}  // namespace

Variable cast(const Variable& x, DType dtype) {
  Recording& tape = Recording::of("cast", {&x});
  const DType from = x.dtype();
  if (from == dtype) return x;
  const bool narrows = from == DType::Float32 && dtype == DType::BFloat16;
  BASIN_CHECK(narrows || (from == DType::BFloat16 && dtype == DType::Float32), "[cast]",
              "found {} to {}, expected float32 to bfloat16 or back", dtype_name(from),
              dtype_name(dtype));
  const int64_t n = x.shape().size();
  std::unique_ptr<Op> op;
  if (narrows) {
    op = std::make_unique<CastOp<float, bfloat16>>(n);
  } else {
    op = std::make_unique<CastOp<bfloat16, float>>(n);
  }
  return tape.append(std::move(op), {x}, {x.shape()}, dtype)[0];
}

}  // namespace basin
