// The op contract: what an op keeps, and what it does when a tape is replayed.
//
// An op is a struct with its forward and backward in one file under engine/ops/. The tape owns the
// memory; the op says what it needs, once, and afterwards reads and writes through an OpRun.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/shape.h"
#include "kernels/parameter_groups.h"
#include "kernels/stream.h"

namespace basin {

class OpRun;

// What an op asks of the plan. Bytes are of one workspace, and of one stream's thread count.
struct OpNeeds {
  std::vector<bool> input_in_backward = {};   // by input: does backward read its value?
  std::vector<bool> output_in_backward = {};  // by output
  // By input: the output whose adjoint is this input's gradient as it stands (a residual's add),
  // or -1. The plan lets both share memory where it can, and backward then has nothing to copy.
  std::vector<int> passes = {};
  // The output whose adjoint backward itself writes (norm_act's sum), or -1.
  int writes_adjoint_of_output = -1;
  bool view = false;            // output 0 is input 0 under another shape
  int64_t saved = 0;            // bytes kept from forward to backward
  int64_t scratch = 0;          // bytes used within one call
  int64_t packed = 0;           // bytes made from a parameter once per point, shared by all replays
  int64_t packed_gradient = 0;  // bytes: input 1's gradient in a layout of the op's own
  // m-SAM, on a tape of several groups of examples: can the op read its parameters per group
  // (OpRun::parameters), and write their gradients so (OpRun::gradients)? A gradient per group is
  // never packed.
  bool grouped = false;
  int64_t packed_groups = 0;  // bytes made from the parameters of all groups
  // Instead of both, if the tape wishes it: can the op do without gradients and parameters of each
  // group, by what it keeps of the pass at w (OpRun::ghost)? Its bytes, or 0. The parameter is
  // input 1.
  int64_t ghost = 0;
};

// What of an op cannot be shared between workspaces: library primitives and their memory objects.
struct OpState {
  virtual ~OpState() = default;
};

class Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view name() const = 0;
  // Asked once, when the op is recorded; `gradient`: whether a backward pass may follow.
  virtual OpNeeds needs() const = 0;
  // `groups`: of the tape's examples, with the stride of their arenas.
  virtual std::unique_ptr<OpState> make_state(const Stream&, ParameterGroups /*groups*/) const {
    return nullptr;
  }

  virtual void pack(OpRun&) const {}  // parameter -> packed, once per point
  virtual void forward(OpRun&) const = 0;
  virtual void backward(OpRun&) const = 0;
  virtual void unpack(OpRun&) const {}  // packed gradient -> the parameter's gradient
  virtual void track(OpRun&) const {}   // batch statistics -> running statistics
};

}  // namespace basin
