// The tape: record once, freeze, replay anywhere in parameter space.
//
//   Tape tape(stream, weights);                          // parameters by name, any arena
//   Variable x = tape.input("x", {2, 3}, DType::Float32, data);
//   Variable loss = mean(relu(linear(x, tape.parameter("w"))));   // runs at once, and is recorded
//   tape.freeze({loss});                                 // lifetimes, one buffer, write modes
//   Workspace work(tape, stream);  Point at(tape, stream);
//   at.move_to(weights, nullptr, work);  work.forward(at);  work.backward(at, gradient);
//
// A frozen tape is immutable: any number of threads replay it at once, each in its own Workspace.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/op.h"
#include "kernels/conv.h"

namespace basin {

// Frozen: gradients are wanted, and batch norm takes its running statistics as constants.
enum class Mode { Training, Frozen, Inference };

// What activations are stored in: the parameters' own type, or bfloat16 beside float32 parameters.
enum class Precision { Full, BFloat16 };

// Whether recording computes values that can be looked at, or only shapes: no op runs, and no
// memory is taken, before the plan is known.
enum class Eager { Yes, No };

struct TapeOptions {
  Mode mode = Mode::Training;
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  Precision precision = Precision::Full;
  Eager eager = Eager::Yes;
  // Of how many equal groups of examples the inputs' leading extent is made. Of several, parameters
  // may be read, and their gradients written, per group: by arenas of as many groups.
  int64_t groups = 1;
  bool ghosts = false;  // may ops have ghosts (ghosts.h) in place of those?
};

// A value that has only its place on a tape.
enum class SlotKind { Input, Parameter, Computed };

struct Slot {
  std::string name;
  SlotKind kind;
  Shape shape;
  DType dtype;
  int root;                     // the slot whose memory this is a view of; itself, mostly
  int producer = -1;            // the op that computes it
  int64_t offset = 0;           // of a parameter: bytes into the arena
  int64_t group_offset = -1;    // bytes into a group's arena; -1: the op that reads it has a ghost
  bool has_parameters = false;  // in its value: else no gradient of it is wanted

  int64_t bytes() const { return shape.size() * dtype_size(dtype); }
};

// How one gradient of one op is written, decided when the tape is frozen.
enum class GradientWrite { None, Overwrite, Accumulate, Shared };

// A recorded op and, after freeze(), where its memory lies in a workspace.
struct Node {
  std::unique_ptr<Op> op;
  OpNeeds needs;
  std::vector<int> inputs, outputs;
  bool differentiated = false;
  std::vector<GradientWrite> writes;                 // by input
  GradientWrite output_write = GradientWrite::None;  // into the adjoint that backward writes itself
  GradientWrite unpack_write = GradientWrite::None;
  int64_t saved = 0, forward_scratch = 0, backward_scratch = 0;  // offsets in the workspace
  int64_t packed = 0, packed_groups = 0, packed_gradient = 0;    // offsets in their own buffers
  int ghost = -1;                                                // its row among the ghosts
  int64_t kept = 0;                                              // its offset in Ghosts::kept
};

// Everything that a replay reads. Shared by the tape, its points and its workspaces.
struct Program {
  Mode mode = Mode::Training;
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  int64_t groups = 1;
  bool ghosts = false;
  LayoutPtr parameters, buffers;       // buffers: null where the network has none
  LayoutPtr group_parameters;          // those that groups have of their own; mostly all
  DType dtype = DType::Float32;        // of parameters, gradients and results
  DType activations = DType::Float32;  // what a network casts its images to
  std::vector<Slot> slots;
  std::vector<Node> nodes;
  std::vector<int> outputs;  // kept to the end; the first is what is differentiated
  bool frozen = false;

  // The plan (freeze.cpp). Times: forward of op i at i, the seed at n, backward of op i at 2n - i.
  bool differentiated = false;
  std::vector<int64_t> value_offset,
      adjoint_offset;  // by slot; -1 where none lies in the workspace
  std::vector<int> value_last, adjoint_first, adjoint_last;  // by slot
  int64_t workspace_bytes = 0, packed_bytes = 0, packed_groups_bytes = 0, packed_gradient_bytes = 0;
  int64_t ghost_bytes = 0;

  int root(int slot) const { return slots[slot].root; }
  ParameterGroups groups_of_examples() const {
    return {.count = groups, .stride = group_parameters->size()};
  }
  int slot(const std::string& name) const;  // throws, naming the slot that was not found
};

class Tape;
struct Recording;

// A handle on a recorded value: cheap to copy, and safe to keep after its tape is gone (its use is
// then an error that says so).
class Variable {
 public:
  Variable() = default;
  const Shape& shape() const;
  DType dtype() const;
  const std::string& name() const;
  int slot() const { return slot_; }
  // The same value under a name for debugging and for Workspace::value().
  Variable named(const std::string& name) const;
  // What eager recording computed, copied to the host; only before freeze().
  std::vector<double> values() const;

 private:
  friend struct Recording;
  Variable(std::weak_ptr<Recording> tape, int slot) : tape_(std::move(tape)), slot_(slot) {}
  std::weak_ptr<Recording> tape_;
  int slot_ = -1;
};

enum class Differentiate { Yes, No };
// Whether memory is reused as soon as the plan allows, or every value kept for Workspace::value().
enum class Retain { Planned, All };

class Tape {
 public:
  // Records at `parameters` (and `buffers`: running statistics), which must outlive the recording.
  Tape(const Stream& stream, const Arena& parameters, const Arena* buffers = nullptr,
       const TapeOptions& options = {});

  // Data from outside; `data` (on the stream's device) is read while recording, if that is eager.
  Variable input(const std::string& name, const Shape& shape, DType dtype, const void* data);
  Variable parameter(const std::string& name);
  Mode mode() const;
  DType activations() const;

  // Plans all memory. outputs[0] is the scalar that backward() differentiates; all outputs can be
  // read after forward(). Ends the recording: its values are released.
  void freeze(const std::vector<Variable>& outputs, Differentiate = Differentiate::Yes,
              Retain = Retain::Planned);

  const Program& program() const { return *shared_program(); }
  std::shared_ptr<const Program> shared_program() const;
  // Activations, adjoints, scratch and packed gradients of one replay; known after freeze().
  int64_t workspace_bytes() const;

 private:
  std::shared_ptr<Recording> recording_;
};

}  // namespace basin
