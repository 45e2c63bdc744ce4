// Convolution: weights packed once per point, its gradient summed in the library's layout. T is the
// type of the images.
#include "kernels/conv.h"

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/fork.h"

namespace basin {
namespace {

template <class T>
struct ConvState final : OpState {
  Conv<T> conv;
  Fork fork;  // both gradients at once, where the stream has two lanes
  ConvState(const Stream& stream, const ConvShape& shape, ConvPasses passes,
            ConvAlgorithm algorithm)
      : conv(stream, shape, passes, algorithm), fork(stream) {}
};

template <class T>
struct ConvOp final : Op {
  ConvShape shape;
  ConvPasses passes;
  ConvAlgorithm algorithm;
  int64_t scratch, lanes, packed, packed_gradient;  // scratch: of each lane

  ConvOp(const ConvShape& shape, ConvPasses passes, ConvAlgorithm algorithm, const Stream* stream)
      : shape(shape), passes(passes), algorithm(algorithm) {
    const Conv<T> conv(*stream, shape, passes, algorithm);
    scratch = round_up<int64_t>(conv.scratch_bytes(), 256);
    lanes = stream->is_cuda() ? 2 : 1;
    packed = conv.packed_bytes();
    packed_gradient = conv.packed_gradient_size() * int64_t{sizeof(Wide<T>)};
  }
  std::string_view name() const override { return "conv2d"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true, false},
            .output_in_backward = {false},
            .scratch = lanes * scratch,
            .packed = packed,
            .packed_gradient = packed_gradient};
  }
  std::unique_ptr<OpState> make_state(const Stream& stream) const override {
    return std::make_unique<ConvState<T>>(stream, shape, passes, algorithm);
  }
  void pack(OpRun& r) const override {
    r.state<ConvState<T>>().conv.pack(r.stream, r.in<Wide<T>>(1), r.packed());
  }
  void forward(OpRun& r) const override {
    r.state<ConvState<T>>().conv.forward(r.stream, r.in<T>(0), r.in<Wide<T>>(1), r.packed(),
                                         r.out<T>(), r.scratch());
  }
  void backward(OpRun& r) const override {
    const auto& [conv, fork] = r.state<ConvState<T>>();
    const T* dy = r.d_out<T>();
    fork.open();
    if (r.wants(1)) {
      conv.backward_filter(fork.side(), r.in<T>(0), dy, r.d_in<Wide<T>>(1), r.write(1),
                           r.scratch());
    }
    if (r.wants(0)) {
      conv.backward_data(r.stream, dy, r.in<Wide<T>>(1), r.packed(), r.d_in<T>(0), r.write(0),
                         r.scratch() + (lanes - 1) * scratch);
    }
    fork.join();
  }
  void unpack(OpRun& r) const override {
    r.state<ConvState<T>>().conv.unpack_gradient(r.stream, r.d_in<Wide<T>>(1),
                                                 r.unpacked<Wide<T>>(1), r.unpack_write());
  }
};

}  // namespace

Variable conv2d(const Variable& x, const Variable& w, const ConvOptions& options) {
  Recording& tape = Recording::of("conv2d", {&x, &w});
  const Shape& xs = x.shape();
  const Shape& ws = w.shape();
  BASIN_CHECK(xs.rank() == 4, "[conv2d] x", "found {}, expected [n,h,w,in]", xs);
  BASIN_CHECK(ws.rank() == 4 && ws[1] == ws[2] && ws[3] == xs[3], "[conv2d] w",
              "found {}, expected [out,k,k,{}] for x {}", ws, xs[3], xs);
  BASIN_CHECK(tape.program->slots[w.slot()].kind == SlotKind::Parameter, "[conv2d] w",
              "found '{}', which is computed, expected a parameter", w.name());
  const ConvShape shape{xs[0], xs[1], xs[2], xs[3], ws[0], ws[1], options.stride, options.padding};
  const ConvPasses passes = tape.program->mode == Mode::Inference ? ConvPasses::Forward
                            : tape.program->slots[x.slot()].has_parameters
                                ? ConvPasses::All
                                : ConvPasses::ForwardAndFilter;
  BASIN_CHECK(options.stride >= 1 && options.padding >= 0, "[conv2d]",
              "found stride {} and padding {}, expected >= 1 and >= 0", options.stride,
              options.padding);
  BASIN_CHECK(xs[1] + 2 * options.padding >= ws[1] && xs[2] + 2 * options.padding >= ws[1],
              "[conv2d] w", "found a kernel of {}, expected at most the padded image of x {}",
              ws[1], xs);
  const Stream* stream = &tape.stream;
  const Shape y{xs[0], shape.h_out(), shape.w_out(), ws[0]};
  return record_activations<ConvOp>(tape, {x, w}, {y}, shape, passes, tape.program->convolution,
                                    stream)[0];
}

}  // namespace basin
