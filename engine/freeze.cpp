// From a recording to a plan: which gradients are written and how, how long each value lives, and
// where it lies. Times: forward of op i at i, the seed at n, backward of op i at 2n - i.
#include <algorithm>

#include "engine/plan.h"
#include "engine/record.h"

namespace basin {
namespace {

class Planner {
 public:
  Planner(Program& program, Retain retain)
      : p_(program),
        retain_(retain),
        n_(static_cast<int>(program.nodes.size())),
        end_(2 * n_ + 1),
        storage_(program.slots.size(), -1) {}

  void run() {
    const size_t slots = p_.slots.size();
    p_.value_offset.assign(slots, -1);
    p_.adjoint_offset.assign(slots, -1);
    p_.value_last.assign(slots, -1);
    p_.adjoint_first.assign(slots, -1);
    p_.adjoint_last.assign(slots, -1);
    if (p_.groups > 1) check_groups();
    if (p_.differentiated) write_modes();
    if (p_.ghosts) choose_ghosts();
    place_group_parameters();
    value_lifetimes();
    place();
  }

 private:
  int backward_time(int node) const { return 2 * n_ - node; }
  bool wanted(int slot) const { return p_.slots[slot].has_parameters; }  // its gradient

  // Ops that know groups read all parameters, each parameter is read by one of them: what is
  // written per group would otherwise have to be added up in an order that packed gradients change.
  void check_groups() const {
    std::vector<bool> read(p_.slots.size(), false);
    for (const Node& node : p_.nodes) {
      for (const int input : node.inputs) {
        const Slot& slot = p_.slots[input];
        if (slot.kind != SlotKind::Parameter) continue;
        BASIN_CHECK(node.needs.grouped, fmt::format("[{}]", node.op->name()),
                    "found '{}' on a tape of {} groups, expected an op that reads parameters per "
                    "group: replay the groups one by one",
                    slot.name, p_.groups);
        BASIN_CHECK(!read[input], fmt::format("[{}]", node.op->name()),
                    "found '{}' for the second time on a tape of {} groups, expected each "
                    "parameter once: replay the groups one by one",
                    slot.name, p_.groups);
        read[input] = true;
      }
    }
  }

  // The parameters of ops with ghosts are none of a group's own.
  void choose_ghosts() {
    std::vector<std::string> ghosts;
    for (Node& node : p_.nodes) {
      if (node.needs.ghost == 0) continue;
      node.ghost = static_cast<int>(ghosts.size());
      node.kept = p_.ghost_bytes;
      p_.ghost_bytes += round_up(node.needs.ghost, Buffer::kAlignment);
      ghosts.push_back(p_.slots[node.inputs[1]].name);
    }
    if (ghosts.empty()) return;
    p_.group_parameters = std::make_shared<const Layout>(p_.parameters->without(ghosts));
  }

  void place_group_parameters() {
    for (Slot& slot : p_.slots) {
      if (slot.kind != SlotKind::Parameter) continue;
      const LayoutEntry* entry = p_.group_parameters->find(slot.name);
      if (entry != nullptr) slot.group_offset = entry->offset * dtype_size(p_.dtype);
    }
  }

  // Adjoints: which ops take part, and whether each gradient replaces, adds, or is shared.
  void write_modes() {
    const size_t slots = p_.slots.size();
    std::vector<bool> reached(slots, false), written(slots, false);
    const int loss = p_.outputs[0];
    reached[loss] = written[loss] = true;
    new_storage(loss, n_);

    for (int k = n_ - 1; k >= 0; --k) {
      Node& node = p_.nodes[k];
      for (const int output : node.outputs) {
        if (reached[output] && wanted(output)) node.differentiated = true;
      }
      if (!node.differentiated) continue;
      BASIN_CHECK(reached[node.outputs[0]], fmt::format("[{}]", node.op->name()),
                  "its first output '{}' leads to no gradient, but another of its outputs does",
                  p_.slots[node.outputs[0]].name);
      if (const int o = node.needs.writes_adjoint_of_output; o >= 0) {
        const int slot = node.outputs[o];
        node.output_write = written[slot] ? GradientWrite::Accumulate : GradientWrite::Overwrite;
        if (!written[slot]) new_storage(slot, backward_time(k));
        written[slot] = true;
      }
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const int slot = node.inputs[i];
        if (!wanted(slot)) continue;
        if (i == 1 && node.needs.packed_gradient > 0) {  // summed in its own memory, then unpacked
          node.writes[i] = GradientWrite::Overwrite;
          continue;
        }
        const int passed = node.needs.passes.empty() ? -1 : node.needs.passes[i];
        reached[slot] = true;
        if (written[slot]) {
          node.writes[i] = GradientWrite::Accumulate;
        } else if (passed >= 0 && may_share(node.outputs[passed], slot, backward_time(k))) {
          node.writes[i] = GradientWrite::Shared;
          storage_[slot] = storage_[node.outputs[passed]];
        } else {
          node.writes[i] = GradientWrite::Overwrite;
          if (p_.slots[slot].kind == SlotKind::Computed) new_storage(slot, backward_time(k));
        }
        written[slot] = true;
      }
    }
    for (int k = n_ - 1; k >= 0; --k) {
      Node& node = p_.nodes[k];
      if (!node.differentiated || node.needs.packed_gradient == 0 || !wanted(node.inputs[1])) {
        continue;
      }
      const int slot = node.inputs[1];
      node.unpack_write = written[slot] ? GradientWrite::Accumulate : GradientWrite::Overwrite;
      written[slot] = true;
    }
    for (size_t s = 0; s < slots; ++s) {
      if (storage_[s] < 0) continue;
      Interval& interval = adjoints_[storage_[s]];
      interval.last = std::max(interval.last, backward_time(p_.slots[s].producer));
      interval.bytes = std::max(interval.bytes, p_.slots[s].bytes());
      if (retain_ == Retain::All) interval.last = end_;
    }
  }

  void new_storage(int slot, int first) {
    storage_[slot] = static_cast<int>(adjoints_.size());
    adjoints_.push_back({p_.slots[slot].bytes(), first, first});
  }

  // May `slot` have the memory of `output`'s adjoint from time t on? Only if nobody who shares it
  // is written while another still has to be read.
  bool may_share(int output, int slot, int t) const {
    if (retain_ == Retain::All || storage_[output] < 0 ||
        p_.slots[slot].kind != SlotKind::Computed) {
      return false;
    }
    const int slot_read = backward_time(p_.slots[slot].producer);
    for (size_t m = 0; m < p_.slots.size(); ++m) {
      if (storage_[m] != storage_[output]) continue;
      const int read = backward_time(p_.slots[m].producer);
      if (read <= t) continue;
      if (written_within(static_cast<int>(m), t, slot_read)) return false;
      if (written_within(slot, t, read)) return false;
    }
    return true;
  }

  // Does any op write the adjoint of `slot` at a time in (after, until]?
  bool written_within(int slot, int after, int until) const {
    for (int k = 0; k < n_; ++k) {
      const int t = backward_time(k);
      if (t <= after || t > until) continue;
      const Node& node = p_.nodes[k];
      if (std::find(node.inputs.begin(), node.inputs.end(), slot) != node.inputs.end()) return true;
      const int o = node.needs.writes_adjoint_of_output;
      if (o >= 0 && node.outputs[o] == slot) return true;
    }
    return false;
  }

  void value_lifetimes() {
    const auto use = [&](int slot, int time) {
      int& last = p_.value_last[p_.root(slot)];
      last = std::max(last, time);
    };
    for (int k = 0; k < n_; ++k) {
      const Node& node = p_.nodes[k];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        use(node.inputs[i], k);
        if (node.differentiated && node.needs.input_in_backward[i]) {
          use(node.inputs[i], backward_time(k));
        }
      }
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        use(node.outputs[i], k);
        if (node.differentiated && node.needs.output_in_backward[i]) {
          use(node.outputs[i], backward_time(k));
        }
      }
    }
    for (const int output : p_.outputs) use(output, end_);
    if (retain_ == Retain::All) std::fill(p_.value_last.begin(), p_.value_last.end(), end_);
  }

  void place() {
    std::vector<Interval> all;
    std::vector<int64_t*> where;
    const auto add = [&](Interval interval, int64_t* offset) {
      if (interval.bytes == 0) return;
      all.push_back(interval);
      where.push_back(offset);
    };
    for (size_t s = 0; s < p_.slots.size(); ++s) {
      const Slot& slot = p_.slots[s];
      if (slot.kind != SlotKind::Computed || slot.root != static_cast<int>(s)) continue;
      add({slot.bytes(), slot.producer, p_.value_last[s]}, &p_.value_offset[s]);
    }
    std::vector<int64_t> adjoint_offsets(adjoints_.size(), -1);
    for (size_t a = 0; a < adjoints_.size(); ++a) add(adjoints_[a], &adjoint_offsets[a]);
    for (int k = 0; k < n_; ++k) {
      Node& node = p_.nodes[k];
      const int saved_last = node.differentiated ? backward_time(k) : n_;  // track() reads it at n
      add({node.needs.saved, k, saved_last}, &node.saved);
      add({node.needs.scratch, k, k}, &node.forward_scratch);
      if (node.differentiated) {
        add({node.needs.scratch, backward_time(k), backward_time(k)}, &node.backward_scratch);
      }
      node.packed = p_.packed_bytes;
      p_.packed_bytes += round_up(node.needs.packed, Buffer::kAlignment);
      node.packed_groups = p_.packed_groups_bytes;
      if (node.ghost < 0) {
        p_.packed_groups_bytes += round_up(node.needs.packed_groups, Buffer::kAlignment);
      }
      node.packed_gradient = p_.packed_gradient_bytes;
      if (node.differentiated) {
        p_.packed_gradient_bytes += round_up(node.needs.packed_gradient, Buffer::kAlignment);
      }
    }
    const MemoryPlan plan = plan_memory(all);
    for (size_t i = 0; i < all.size(); ++i) *where[i] = plan.offsets[i];
    p_.workspace_bytes = plan.bytes;
    for (size_t s = 0; s < p_.slots.size(); ++s) {
      if (storage_[s] < 0) continue;
      p_.adjoint_offset[s] = adjoint_offsets[storage_[s]];
      p_.adjoint_first[s] = adjoints_[storage_[s]].first;
      p_.adjoint_last[s] = adjoints_[storage_[s]].last;
    }
  }

  Program& p_;
  Retain retain_;
  int n_, end_;
  std::vector<int> storage_;        // by slot: which adjoint memory it has
  std::vector<Interval> adjoints_;  // by storage
};

}  // namespace

void Recording::freeze(const std::vector<Variable>& outputs, Differentiate differentiate,
                       Retain retain) {
  BASIN_CHECK(!program->frozen, "[freeze]", "the tape is frozen already");
  BASIN_CHECK(!outputs.empty(), "[freeze] outputs", "found none, expected at least one");
  for (const Variable& output : outputs) {
    of("freeze", {&output});
    BASIN_CHECK(output.tape_.lock().get() == this, "[freeze] outputs",
                "'{}' belongs to another tape", output.name());
    const int root = program->root(output.slot());
    BASIN_CHECK(program->slots[root].kind == SlotKind::Computed, "[freeze] outputs",
                "found '{}', which no op computes", output.name());
    program->outputs.push_back(output.slot());
  }
  program->differentiated = differentiate == Differentiate::Yes;
  if (program->differentiated) {
    BASIN_CHECK(outputs[0].shape().size() == 1, "[freeze] outputs",
                "found shape {} of '{}', expected one element to differentiate", outputs[0].shape(),
                outputs[0].name());
  }
  Planner(*program, retain).run();
  program->frozen = true;
  memory = {};
  storage.clear();
}

}  // namespace basin
