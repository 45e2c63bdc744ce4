// Convolution: weights packed once per point, its gradient summed in the library's layout. T is the
// type of the images.
#include "kernels/conv.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/fork.h"
#include "kernels/ghost_conv.h"
#include "kernels/group_conv.h"

namespace basin {
namespace {

// What a convolution is recorded with. `groups`: of the examples, on a tape of several.
struct ConvRecord {
  ConvShape shape;
  ConvPasses passes;
  ConvAlgorithm algorithm;
  int64_t groups;
  bool ghosts;  // may it have one?

  ConvShape group_shape() const {
    ConvShape each = shape;
    each.n /= groups;
    return each;
  }
};

template <class T>
struct ConvState final : OpState {
  Conv<T> conv;
  std::optional<GroupConv<T>> grouped;
  std::optional<GhostConv<Wide<T>>> ghost;  // none in bfloat16
  Fork fork;  // both gradients at once, where the stream has two lanes
  ConvState(const Stream& stream, const ConvRecord& r, int64_t stride)
      : conv(stream, r.shape, r.passes, r.algorithm), fork(stream) {
    if (r.groups == 1) return;
    constexpr bool wide = std::is_same_v<T, Wide<T>>;
    if (wide && r.ghosts && ghost_is_smaller(ghost_shape(r.shape, r.groups))) {
      ghost.emplace(stream, r.shape, r.groups);
    } else {
      grouped.emplace(stream, r.group_shape(), ParameterGroups{r.groups, stride}, r.passes,
                      r.algorithm);
    }
  }
};

template <class T>
struct ConvOp final : Op {
  ConvRecord record;
  int64_t scratch, lanes;  // scratch: of each lane
  int64_t packed, packed_gradient, packed_groups = 0, ghost = 0;

  ConvOp(const ConvRecord& record, const Program* program, const Stream* stream) : record(record) {
    const ConvState<T> state(*stream, record, program->parameters->size());
    scratch = state.conv.scratch_bytes();
    if (state.grouped) {
      scratch = std::max(scratch, state.grouped->scratch_bytes());
      packed_groups = state.grouped->packed_bytes();
    }
    if (state.ghost) {
      scratch = std::max(scratch, state.ghost->scratch_bytes());
      ghost = state.ghost->kept_bytes();
    }
    scratch = round_up<int64_t>(scratch, 256);
    lanes = stream->is_cuda() ? 2 : 1;
    packed = state.conv.packed_bytes();
    packed_gradient = state.conv.packed_gradient_size() * int64_t{sizeof(Wide<T>)};
  }
  std::string_view name() const override { return "conv2d"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true, false},
            .output_in_backward = {false},
            .scratch = lanes * scratch,
            .packed = packed,
            .packed_gradient = packed_gradient,
            .grouped = true,
            .packed_groups = packed_groups,
            .ghost = ghost};
  }
  std::unique_ptr<OpState> make_state(const Stream& stream, ParameterGroups groups) const override {
    return std::make_unique<ConvState<T>>(stream, record, groups.stride);
  }
  // body(the whole batch's convolution, or the groups').
  template <class Body>
  static void with(const ConvState<T>& state, ParameterGroups groups, const Body& body) {
    if (groups.count > 1 && state.grouped) return body(*state.grouped);
    body(state.conv);
  }
  void pack(OpRun& r) const override {
    with(r.state<ConvState<T>>(), r.parameters(),
         [&](const auto& conv) { conv.pack(r.stream, r.in<Wide<T>>(1), r.packed()); });
  }
  void forward(OpRun& r) const override {
    const ConvState<T>& state = r.state<ConvState<T>>();
    with(state, r.parameters(), [&](const auto& conv) {
      conv.forward(r.stream, r.in<T>(0), r.in<Wide<T>>(1), r.packed(), r.out<T>(), r.scratch());
    });
    if (const auto ghost = r.ghost(); ghost && r.parameters().count > 1) {
      state.ghost->add_to_output(r.stream, r.in<Wide<T>>(0), ghost->kept, ghost->scales,
                                 r.out<Wide<T>>(), r.scratch());
    }
  }
  void backward(OpRun& r) const override {
    const ConvState<T>& state = r.state<ConvState<T>>();
    const T* dy = r.d_out<T>();
    const auto ghost = r.ghost();
    state.fork.open();
    if (r.wants(1) && ghost && r.gradients().count > 1) {
      state.ghost->keep(state.fork.side(), r.in<Wide<T>>(0), r.d_out<Wide<T>>(), ghost->kept,
                        ghost->squared_norms, r.scratch());
    } else if (r.wants(1)) {
      with(state, r.gradients(), [&](const auto& conv) {
        conv.backward_filter(state.fork.side(), r.in<T>(0), dy, r.d_in<Wide<T>>(1), r.write(1),
                             r.scratch());
      });
    }
    if (r.wants(0)) {
      std::byte* own = r.scratch() + (lanes - 1) * scratch;
      with(state, r.parameters(), [&](const auto& conv) {
        conv.backward_data(r.stream, dy, r.in<Wide<T>>(1), r.packed(), r.d_in<T>(0), r.write(0),
                           own);
      });
      if (ghost && r.parameters().count > 1) {
        state.ghost->data_gradient(r.stream, r.d_out<Wide<T>>(), ghost->kept, ghost->scales,
                                   r.d_in<Wide<T>>(0), Write::Accumulate, own);
      }
    }
    state.fork.join();
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
  const Shape y{xs[0], shape.h_out(), shape.w_out(), ws[0]};
  const Program& program = *tape.program;
  const ConvRecord record{shape, passes, program.convolution, program.groups, program.ghosts};
  return record_activations<ConvOp>(tape, {x, w}, {y}, record, &program, &tape.stream)[0];
}

}  // namespace basin
