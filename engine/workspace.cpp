#include "engine/workspace.h"

#include "kernels/elementwise.h"
#include "kernels/range.h"

namespace basin {

Point::Point(const Tape& tape, const Stream& stream, int64_t groups)
    : program_(tape.shared_program()), groups_(groups) {
  BASIN_CHECK(program_->frozen, "[point]", "the tape is not frozen: call freeze() first");
  BASIN_CHECK(groups == 1 || groups == program_->groups, "[point] groups",
              "found {}, expected 1 or the tape's {}", groups, program_->groups);
  packed_ = Buffer(stream, groups > 1 ? program_->packed_groups_bytes : program_->packed_bytes);
}

ParameterGroups Point::groups() const {
  return {.count = groups_, .stride = program_->group_parameters->size()};
}

void Point::stand_at(const Arena& parameters, const Arena* buffers) {
  const LayoutPtr& own = groups_ > 1 ? program_->group_parameters : program_->parameters;
  BASIN_CHECK(
      parameters.layout() == own && parameters.dtype() == program_->dtype, "[point] parameters",
      "found an arena of {} {} elements, expected the tape's own layout of {} {}",
      parameters.size(), dtype_name(parameters.dtype()), own->size(), dtype_name(program_->dtype));
  BASIN_CHECK(parameters.groups() == groups_, "[point] parameters",
              "found an arena of {} groups, expected {}", parameters.groups(), groups_);
  BASIN_CHECK(program_->buffers == nullptr ||
                  (buffers != nullptr && buffers->layout() == program_->buffers),
              "[point] buffers", "found none of the tape's layout, expected running statistics");
  parameters_ = &parameters;
  buffers_ = buffers;
}

void Point::move_from(const Point& base, const Ghosts& ghosts) {
  base_ = &base;
  ghosts_ = &ghosts;
}

void Point::pack(Workspace& work, int part, int parts) {
  work.use_parameters(*this);
  work.fork_.open();
  bool aside = false;
  for (int k = part; k < static_cast<int>(program_->nodes.size()); k += parts) {
    const Node& node = program_->nodes[k];
    if (groups_ > 1 && node.ghost >= 0) continue;  // it reads w
    if ((groups_ > 1 ? node.needs.packed_groups : node.needs.packed) == 0) continue;
    OpRun run(aside ? work.fork_.side() : work.stream_, *program_, work.memory_, k, Pass::Forward,
              work.place_of(*this));
    node.op->pack(run);
    aside = !aside;
  }
  work.fork_.join();
}

void Point::move_to(const Arena& parameters, const Arena* buffers, Workspace& work) {
  BASIN_CHECK(work.program_ == program_, "[point] workspace", "it belongs to another tape");
  stand_at(parameters, buffers);
  pack(work, 0, 1);
}

Workspace::Workspace(const Tape& tape, const Stream& stream)
    : program_(tape.shared_program()), stream_(stream), fork_(stream) {
  const Program& p = *program_;
  BASIN_CHECK(p.frozen, "[workspace]", "the tape is not frozen: call freeze() first");
  buffer_ = Buffer(stream, p.workspace_bytes);
  packed_gradient_ = Buffer(stream, p.packed_gradient_bytes);
  zero(stream, packed_gradient_.data(), packed_gradient_.bytes());
  const auto at = [](const Buffer& buffer, int64_t offset) { return buffer.data() + offset; };
  for (size_t s = 0; s < p.slots.size(); ++s) {
    memory_.value.push_back(p.value_offset[s] < 0 ? nullptr : at(buffer_, p.value_offset[s]));
    memory_.adjoint.push_back(p.adjoint_offset[s] < 0 ? nullptr : at(buffer_, p.adjoint_offset[s]));
  }
  for (const Node& node : p.nodes) {
    memory_.saved.push_back(at(buffer_, node.saved));
    memory_.forward_scratch.push_back(at(buffer_, node.forward_scratch));
    memory_.backward_scratch.push_back(at(buffer_, node.backward_scratch));
    memory_.states.push_back(node.op->make_state(stream_, p.groups_of_examples()));
  }
  memory_.packed_gradient.resize(p.nodes.size());
  use_packed_gradient();
}

void Workspace::use_packed_gradient() {
  for (size_t k = 0; k < program_->nodes.size(); ++k) {
    memory_.packed_gradient[k] = packed_gradient_.data() + program_->nodes[k].packed_gradient;
  }
}

void Workspace::exchange_packed_gradient(Buffer& other) {
  std::swap(packed_gradient_, other);
  use_packed_gradient();
}

void Workspace::bind(const std::string& input, const void* data) {
  const int slot = program_->slot(input);
  BASIN_CHECK(program_->slots[slot].kind == SlotKind::Input, "[bind] " + input,
              "it is not an input of the tape");
  bind(slot, data);
}

ReplayPlace Workspace::place_of(const Point& at) const {
  const Point& shared = at.base_ == nullptr ? at : *at.base_;
  return {.packed = shared.packed_.data(),
          .packed_groups = at.packed_.data(),
          .running = at.buffers_ == nullptr ? nullptr : at.buffers_->data(),
          .parameters = at.groups(),
          .ghosts = at.ghosts_};
}

template <class Run>
void Workspace::observed(int node, Pass pass, const Run& run) const {
  const Range range(program_->nodes[node].op->name().data());  // a literal
  if (observer_ != nullptr) observer_->begin(node, pass);
  run();
  if (observer_ != nullptr) observer_->end(node, pass);
}

void Workspace::check_point(const Point& at, const char* where) const {
  BASIN_CHECK(at.program_ == program_, where, "the point belongs to another tape");
  BASIN_CHECK(at.parameters_ != nullptr, where, "the point stands nowhere: call move_to() first");
  BASIN_CHECK(at.groups_ == 1 || program_->ghost_bytes == 0 || at.ghosts_ != nullptr, where,
              "the point has no ghosts: call move_from() first");
}

void Workspace::use_parameters(const Point& at) {
  const Arena& own = *at.parameters_;
  for (size_t s = 0; s < program_->slots.size(); ++s) {
    const Slot& slot = program_->slots[s];
    if (slot.kind != SlotKind::Parameter) continue;
    if (own.groups() == 1) {
      memory_.value[s] = own.data() + slot.offset;
    } else if (slot.group_offset >= 0) {
      memory_.value[s] = own.data() + slot.group_offset;
    } else {
      memory_.value[s] = at.base_->parameters_->data() + slot.offset;
    }
  }
}

void Workspace::use_gradient(Arena& gradient) {
  const bool groups = gradient.groups() > 1;
  BASIN_CHECK(gradient.layout() == (groups ? program_->group_parameters : program_->parameters) &&
                  gradient.dtype() == program_->dtype,
              "[backward] gradient", "found an arena of another layout or type than the tape's");
  for (size_t s = 0; s < program_->slots.size(); ++s) {
    const Slot& slot = program_->slots[s];
    if (slot.kind != SlotKind::Parameter) continue;
    const int64_t offset = groups ? slot.group_offset : slot.offset;
    memory_.adjoint[s] = offset < 0 ? nullptr : gradient.data() + offset;
  }
}

void Workspace::forward(const Point& at) {
  const Range range("forward");
  check_point(at, "[forward]");
  use_parameters(at);
  for (size_t s = 0; s < program_->slots.size(); ++s) {
    BASIN_CHECK(program_->slots[s].kind != SlotKind::Input || memory_.value[s] != nullptr,
                "[forward] " + program_->slots[s].name, "the input has no data: call bind() first");
  }
  for (int k = 0; k < static_cast<int>(program_->nodes.size()); ++k) {
    OpRun run(stream_, *program_, memory_, k, Pass::Forward, place_of(at));
    observed(k, Pass::Forward, [&] { program_->nodes[k].op->forward(run); });
  }
  state_ = State::Forwarded;
  forwarded_at_ = at.parameters_;
}

void Workspace::backward(const Point& at, Arena& gradient, double seed, Ghosts* ghosts) {
  backward_part(at, gradient, seed, Write::Overwrite, Write::Overwrite, ghosts);
  if (gradient.groups() == 1) unpack(gradient, Write::Overwrite);
}

void Workspace::backward_part(const Point& at, Arena& gradient, double seed, Write mode,
                              Write packed_mode, Ghosts* ghosts) {
  const Range range("backward");
  check_point(at, "[backward]");
  BASIN_CHECK(program_->differentiated, "[backward]", "the tape was frozen with Differentiate::No");
  BASIN_CHECK(state_ == State::Forwarded, "[backward]", "found {}, expected a forward() before it",
              state_ == State::Idle ? "no forward()" : "a second backward()");
  BASIN_CHECK(at.parameters_ == forwarded_at_, "[backward]",
              "the point has moved since forward(): values and gradient would not belong together");
  BASIN_CHECK(gradient.groups() == 1 || gradient.groups() == program_->groups,
              "[backward] gradient", "found an arena of {} groups, expected 1 or the tape's {}",
              gradient.groups(), program_->groups);
  BASIN_CHECK(gradient.groups() == 1 || program_->ghost_bytes == 0 || ghosts != nullptr,
              "[backward] gradient", "found no ghosts for groups whose tape has them");
  use_gradient(gradient);
  ReplayPlace place = place_of(at);
  if (ghosts != nullptr) place.ghosts = ghosts;
  place.parameter_mode = mode;
  place.packed_mode = packed_mode;
  place.gradients = {.count = gradient.groups(), .stride = gradient.size()};
  const int loss = program_->outputs[0];
  dispatch(program_->dtype, [&]<class T>(T) {
    map<T>(stream_, Fill<T>{static_cast<T>(seed)}, 1, {},
           {reinterpret_cast<T*>(memory_.adjoint[loss])});
  });
  for (int k = static_cast<int>(program_->nodes.size()) - 1; k >= 0; --k) {
    if (!program_->nodes[k].differentiated) continue;
    OpRun run(stream_, *program_, memory_, k, Pass::Backward, place);
    observed(k, Pass::Backward, [&] { program_->nodes[k].op->backward(run); });
  }
  state_ = State::Backwarded;
}

void Workspace::unpack(Arena& gradient, Write mode) {
  use_gradient(gradient);
  for (int k = static_cast<int>(program_->nodes.size()) - 1; k >= 0; --k) {
    if (program_->nodes[k].unpack_write == GradientWrite::None) continue;
    OpRun run(stream_, *program_, memory_, k, Pass::Backward, {.parameter_mode = mode});
    program_->nodes[k].op->unpack(run);
  }
}

void Workspace::track(Arena& buffers, std::optional<double> momentum) {
  BASIN_CHECK(state_ == State::Forwarded, "[track]", "found no forward() before it");
  for (int k = 0; k < static_cast<int>(program_->nodes.size()); ++k) {
    OpRun run(stream_, *program_, memory_, k, Pass::Forward, {.running = buffers.data()});
    run.momentum = momentum;
    program_->nodes[k].op->track(run);
  }
}

Tensor Workspace::output(int index) const {
  const Slot& slot = program_->slots[program_->outputs[index]];
  return {memory_.value[slot.root], slot.shape, slot.dtype, stream_.kind()};
}

double Workspace::scalar(int output_index) const {
  const Tensor tensor = output(output_index);
  return dispatch(tensor.dtype, [&]<class T>(T value) {
    copy_to_host(stream_, &value, tensor.data, sizeof(T));
    return static_cast<double>(value);
  });
}

Tensor Workspace::value(const std::string& name) const {
  const int s = program_->slot(name);
  const Slot& slot = program_->slots[s];
  const int n = static_cast<int>(program_->nodes.size());
  const int now = state_ == State::Backwarded ? 2 * n : n;
  BASIN_CHECK(state_ != State::Idle, "[value] " + name, "found no forward() before it");
  BASIN_CHECK(slot.kind != SlotKind::Computed || program_->value_last[slot.root] >= now,
              "[value] " + name,
              "the plan has reused its memory: freeze with Retain::All to look at every value");
  return {memory_.value[slot.root], slot.shape, slot.dtype, stream_.kind()};
}

Tensor Workspace::adjoint(const std::string& name) const {
  const int s = program_->slot(name);
  const Slot& slot = program_->slots[s];
  BASIN_CHECK(state_ == State::Backwarded, "[adjoint] " + name, "found no backward() before it");
  BASIN_CHECK(memory_.adjoint[s] != nullptr, "[adjoint] " + name, "nothing differentiates it");
  BASIN_CHECK(slot.kind != SlotKind::Computed ||
                  program_->adjoint_last[s] >= 2 * static_cast<int>(program_->nodes.size()),
              "[adjoint] " + name,
              "the plan has reused its memory: freeze with Retain::All to look at every adjoint");
  return {memory_.adjoint[s], slot.shape, slot.dtype, stream_.kind()};
}

}  // namespace basin
