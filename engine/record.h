// How an op gets onto a tape: checked, run at once, appended. Included by engine/ops/ only.
#pragma once

#include <initializer_list>

#include "engine/replay.h"

namespace basin {

struct Recording : std::enable_shared_from_this<Recording> {
  Recording(const Stream& stream, const Arena& parameters, const Arena* buffers,
            const TapeOptions& options);

  // The tape that the operands share. An operand without a tape, or of a freed, frozen or other
  // tape is an error that names the op.
  static Recording& of(std::string_view op, std::initializer_list<const Variable*> operands);

  Variable variable(int slot) { return Variable(weak_from_this(), slot); }
  // A variable's tape and slot, whether or not the tape is still recording.
  static const Slot& slot_of(const Variable& v);
  static void rename(const Variable& v, const std::string& name);
  static std::vector<double> read(const Variable& v);

  Variable append_slot(Slot slot, std::byte* value);
  // Appends the op and, if eager, runs it; its outputs are of the type `dtype`.
  std::vector<Variable> append(std::unique_ptr<Op> op, std::vector<Variable> inputs,
                               const std::vector<Shape>& outputs, DType dtype);
  void run_last();
  std::byte* allocate(int64_t bytes);
  void freeze(const std::vector<Variable>& outputs, Differentiate differentiate, Retain retain);

  Stream stream;
  Eager eager;
  std::shared_ptr<Program> program;
  const Arena* parameters;
  const Arena* buffers;
  Memory memory;                // while recording
  std::vector<Buffer> storage;  // while recording
};

// Appends Op<float> or Op<double>, by the tape's type, made of `args`. An input in bfloat16 is an
// error.
template <template <class> class OpOf, class... Args>
std::vector<Variable> record(Recording& tape, std::vector<Variable> inputs,
                             const std::vector<Shape>& outputs, const Args&... args) {
  const DType dtype = tape.program->dtype;
  return dispatch(dtype, [&]<class T>(T) {
    auto op = std::make_unique<OpOf<T>>(args...);
    for (const Variable& input : inputs) {
      BASIN_CHECK(input.dtype() != DType::BFloat16, fmt::format("[{}]", op->name()),
                  "found '{}', bfloat16, expected {}: cast() it", input.name(), dtype_name(dtype));
    }
    return tape.append(std::move(op), std::move(inputs), outputs, dtype);
  });
}

// Appends Op<T> with T the type of inputs[0], bfloat16 too; its outputs are of the type `results`,
// or of T.
template <template <class> class OpOf, class... Args>
std::vector<Variable> record_activations(Recording& tape, DType results,
                                         std::vector<Variable> inputs,
                                         const std::vector<Shape>& outputs, const Args&... args) {
  return dispatch_activations(inputs[0].dtype(), [&]<class T>(T) {
    return tape.append(std::make_unique<OpOf<T>>(args...), std::move(inputs), outputs, results);
  });
}
template <template <class> class OpOf, class... Args>
std::vector<Variable> record_activations(Recording& tape, std::vector<Variable> inputs,
                                         const std::vector<Shape>& outputs, const Args&... args) {
  const DType dtype = inputs[0].dtype();
  return record_activations<OpOf>(tape, dtype, std::move(inputs), outputs, args...);
}

}  // namespace basin
