// Recording: each op is appended when it is called and, if that is eager, runs in memory of its
// own.
#include "engine/record.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace basin {

Recording::Recording(const Stream& stream, const Arena& parameters, const Arena* buffers,
                     const TapeOptions& options)
    : stream(stream),
      eager(options.eager),
      program(std::make_shared<Program>()),
      parameters(&parameters),
      buffers(buffers) {
  BASIN_CHECK(parameters.device() == stream.kind(), "[tape] parameters",
              "found an arena on another device than the stream's");
  program->mode = options.mode;
  program->convolution = options.convolution;
  program->groups = options.groups;
  program->ghosts = options.ghosts && options.groups > 1;
  program->parameters = program->group_parameters = parameters.layout();
  program->dtype = program->activations = parameters.dtype();
  if (options.precision == Precision::BFloat16) {
    BASIN_CHECK(program->dtype == DType::Float32, "[tape] precision",
                "found bfloat16 beside {} parameters, expected float32 ones",
                dtype_name(program->dtype));
    program->activations = DType::BFloat16;
  }
  if (buffers != nullptr) program->buffers = buffers->layout();
}

Recording& Recording::of(std::string_view op, std::initializer_list<const Variable*> operands) {
  const std::string where = fmt::format("[{}]", op);
  std::shared_ptr<Recording> tape;
  int position = 0;
  for (const Variable* operand : operands) {
    ++position;
    BASIN_CHECK(operand->slot_ >= 0, where, "operand {} was never recorded", position);
    const std::shared_ptr<Recording> own = operand->tape_.lock();
    BASIN_CHECK(own != nullptr, where, "operand {} belongs to a tape that was freed", position);
    BASIN_CHECK(tape == nullptr || own == tape, where,
                "operand {} ('{}', {}) belongs to another tape than operand 1", position,
                own->program->slots[operand->slot_].name, operand->shape());
    tape = own;
  }
  BASIN_CHECK(!tape->program->frozen, where,
              "the tape is frozen: record every op before freeze(), or on a new tape");
  return *tape;
}

const Slot& Recording::slot_of(const Variable& v) {
  const std::shared_ptr<Recording> tape = v.tape_.lock();
  BASIN_CHECK(tape != nullptr, "[variable]", "it belongs to a tape that was freed");
  return tape->program->slots[v.slot_];
}

void Recording::rename(const Variable& v, const std::string& name) {
  Recording& tape = of("named", {&v});
  for (const Slot& slot : tape.program->slots) {
    BASIN_CHECK(slot.name != name, "[named]", "found '{}' twice", name);
  }
  tape.program->slots[v.slot_].name = name;
}

std::vector<double> Recording::read(const Variable& v) {
  Recording& tape = of("values", {&v});
  const Slot& slot = tape.program->slots[v.slot_];
  const std::byte* data = tape.memory.value[slot.root];
  BASIN_CHECK(data != nullptr, "[values] " + slot.name,
              "the recording is not eager: it has no values");
  return dispatch_activations(slot.dtype, [&]<class T>(T) {
    std::vector<T> host(static_cast<size_t>(slot.shape.size()));
    copy_to_host(tape.stream, host.data(), data, slot.bytes());
    return std::vector<double>(host.begin(), host.end());
  });
}

std::byte* Recording::allocate(int64_t bytes) {
  storage.emplace_back(stream, bytes);
  return storage.back().data();
}

Variable Recording::append_slot(Slot slot, std::byte* value) {
  const int index = static_cast<int>(program->slots.size());
  slot.root = slot.root < 0 ? index : slot.root;
  program->slots.push_back(std::move(slot));
  memory.value.push_back(value);
  memory.adjoint.push_back(nullptr);
  return variable(index);
}

std::vector<Variable> Recording::append(std::unique_ptr<Op> op, std::vector<Variable> inputs,
                                        const std::vector<Shape>& outputs, DType dtype) {
  Node node;
  node.needs = op->needs();
  node.op = std::move(op);
  const int index = static_cast<int>(program->nodes.size());
  for (const Variable& input : inputs) node.inputs.push_back(input.slot());
  std::vector<Variable> results;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string name = fmt::format("{}{}{}", node.op->name(), index, i == 0 ? "" : "'");
    const bool view = node.needs.view && i == 0;
    Slot slot{std::move(name),
              SlotKind::Computed,
              outputs[i],
              dtype,
              view ? program->root(node.inputs[0]) : -1,
              index};
    slot.has_parameters = std::any_of(node.inputs.begin(), node.inputs.end(), [&](int input) {
      return program->slots[input].has_parameters;
    });
    std::byte* data = view || eager == Eager::No ? nullptr : allocate(slot.bytes());
    results.push_back(append_slot(std::move(slot), data));
    node.outputs.push_back(results.back().slot());
  }
  node.writes.assign(node.inputs.size(), GradientWrite::None);
  program->nodes.push_back(std::move(node));
  if (eager == Eager::Yes) run_last();
  return results;
}

void Recording::run_last() {
  const auto index = static_cast<int>(program->nodes.size()) - 1;
  const Node& node = program->nodes.back();
  memory.saved.push_back(allocate(node.needs.saved));
  memory.forward_scratch.push_back(allocate(node.needs.scratch));
  memory.backward_scratch.push_back(nullptr);
  memory.packed_gradient.push_back(nullptr);
  memory.states.push_back(node.op->make_state(stream, program->groups_of_examples()));
  std::byte* packed = allocate(node.needs.packed);
  std::byte* running = buffers == nullptr ? nullptr : buffers->data();
  OpRun run(stream, *program, memory, index, Pass::Forward, {.packed = packed, .running = running});
  node.op->pack(run);
  node.op->forward(run);
}

const Shape& Variable::shape() const {
  return Recording::slot_of(*this).shape;
}
DType Variable::dtype() const {
  return Recording::slot_of(*this).dtype;
}
const std::string& Variable::name() const {
  return Recording::slot_of(*this).name;
}
std::vector<double> Variable::values() const {
  return Recording::read(*this);
}
Variable Variable::named(const std::string& name) const {
  Recording::rename(*this, name);
  return *this;
}

Tape::Tape(const Stream& stream, const Arena& parameters, const Arena* buffers,
           const TapeOptions& options)
    : recording_(std::make_shared<Recording>(stream, parameters, buffers, options)) {}

Variable Tape::input(const std::string& name, const Shape& shape, DType dtype, const void* data) {
  Slot slot{name, SlotKind::Input, shape, dtype, -1};
  // A replay only reads it; one table of pointers serves inputs and activations alike.
  return recording_->append_slot(std::move(slot), static_cast<std::byte*>(const_cast<void*>(data)));
}

Variable Tape::parameter(const std::string& name) {
  for (size_t i = 0; i < recording_->program->slots.size(); ++i) {
    const Slot& slot = recording_->program->slots[i];
    if (slot.kind == SlotKind::Parameter && slot.name == name) {
      return recording_->variable(static_cast<int>(i));
    }
  }
  const LayoutEntry& entry = recording_->program->parameters->at(name);
  Slot slot{name, SlotKind::Parameter, entry.shape, recording_->program->dtype, -1};
  slot.offset = entry.offset * dtype_size(recording_->program->dtype);
  slot.has_parameters = true;
  std::byte* data = recording_->parameters->data() + slot.offset;
  return recording_->append_slot(std::move(slot), data);
}

Mode Tape::mode() const {
  return recording_->program->mode;
}
DType Tape::activations() const {
  return recording_->program->activations;
}
std::shared_ptr<const Program> Tape::shared_program() const {
  return recording_->program;
}

void Tape::freeze(const std::vector<Variable>& outputs, Differentiate differentiate,
                  Retain retain) {
  recording_->freeze(outputs, differentiate, retain);
}

int64_t Tape::workspace_bytes() const {
  BASIN_CHECK(program().frozen, "[tape]", "the plan is known after freeze() only");
  return program().workspace_bytes + program().packed_gradient_bytes;
}

int Program::slot(const std::string& name) const {
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].name == name) return static_cast<int>(i);
  }
  fail("[tape]", "found no value named '{}'", name);
}

}  // namespace basin
