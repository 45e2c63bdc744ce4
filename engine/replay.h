// What an op sees while it runs: pointers to its operands, resolved, and how to write.
#pragma once

#include <optional>

#include "engine/ghosts.h"
#include "engine/tape.h"
#include "kernels/parameter_groups.h"

namespace basin {

// The pointers of one replay (or of the recording): by slot, by node. Filled before the first
// replay; a replay only indexes them.
struct Memory {
  std::vector<std::byte*> value, adjoint;                            // by slot
  std::vector<std::byte*> saved, forward_scratch, backward_scratch;  // by node
  std::vector<std::byte*> packed_gradient;                           // by node
  std::vector<std::unique_ptr<OpState>> states;                      // by node
};

enum class Pass { Forward, Backward };

// What a replay reads and writes beside its workspace.
struct ReplayPlace {
  std::byte* packed = nullptr;  // of the point that all groups share
  std::byte* packed_groups = nullptr;
  std::byte* running = nullptr;  // statistics
  Write parameter_mode = Write::Overwrite, packed_mode = Write::Overwrite;
  ParameterGroups parameters = {}, gradients = {};
  const Ghosts* ghosts = nullptr;
};

// Sees each op of a workspace's replays, in the thread that runs it: for profiles and benchmarks.
struct ReplayObserver {
  virtual ~ReplayObserver() = default;
  virtual void begin(int node, Pass pass) = 0;
  virtual void end(int node, Pass pass) = 0;
};

class OpRun {
 public:
  OpRun(const Stream& stream, const Program& program, const Memory& memory, int node, Pass pass,
        const ReplayPlace& place)
      : stream(stream),
        program_(program),
        node_(program.nodes[node]),
        memory_(memory),
        index_(node),
        pass_(pass),
        place_(place) {}

  const Stream& stream;
  std::optional<double> momentum = {};  // of running statistics; none: the op's own

  template <class T>
  const T* in(int i) const {
    return reinterpret_cast<const T*>(memory_.value[program_.root(node_.inputs[i])]);
  }
  template <class T>
  T* out(int i = 0) const {
    return reinterpret_cast<T*>(memory_.value[node_.outputs[i]]);
  }
  // The adjoint of an output; null where nothing depends on it.
  template <class T>
  T* d_out(int i = 0) const {
    return reinterpret_cast<T*>(memory_.adjoint[node_.outputs[i]]);
  }
  // Where backward writes the gradient of input i, if wants(i).
  template <class T>
  T* d_in(int i) const {
    if (i == 1 && packs_gradient()) {
      return reinterpret_cast<T*>(memory_.packed_gradient[index_]);
    }
    return reinterpret_cast<T*>(memory_.adjoint[node_.inputs[i]]);
  }
  // False where no gradient is wanted, and where the plan made it share the output's adjoint.
  bool wants(int i) const {
    return node_.writes[i] == GradientWrite::Overwrite ||
           node_.writes[i] == GradientWrite::Accumulate;
  }
  Write write(int i) const {
    if (node_.writes[i] == GradientWrite::Accumulate) return Write::Accumulate;
    if (i == 1 && packs_gradient()) return place_.packed_mode;
    const bool parameter = program_.slots[node_.inputs[i]].kind == SlotKind::Parameter;
    return parameter ? place_.parameter_mode : Write::Overwrite;
  }
  // Of the adjoint that backward itself writes (OpNeeds::writes_adjoint_of_output).
  Write output_write() const {
    return node_.output_write == GradientWrite::Accumulate ? Write::Accumulate : Write::Overwrite;
  }

  // Of how many groups of examples are the parameters (in<T>() gives the first one's), and into how
  // many gradients of them is to be written (d_in<T>() is the first one's)? Of one, mostly; the
  // stride is their arena's.
  ParameterGroups parameters() const { return place_.parameters; }
  ParameterGroups gradients() const { return place_.gradients; }
  // Where the op has a ghost: of the groups' gradients, if gradients() are several, which backward
  // keeps in place of writing them; of the groups' points, if parameters() are several, while
  // in<T>(1) is w. Elsewhere null.
  std::optional<GhostPlace> ghost() const {
    if (place_.ghosts == nullptr || node_.ghost < 0) return {};
    const Ghosts& g = *place_.ghosts;
    return GhostPlace{
        g.kept.data() + node_.kept,
        reinterpret_cast<double*>(g.squared_norms.data()) + node_.ghost * program_.groups,
        reinterpret_cast<const double*>(g.scales.data())};
  }

  // Unpacking: the destination in the gradient arena.
  template <class T>
  T* unpacked(int i) const {
    return reinterpret_cast<T*>(memory_.adjoint[node_.inputs[i]]);
  }
  Write unpack_write() const {
    return node_.unpack_write == GradientWrite::Accumulate ? Write::Accumulate
                                                           : place_.parameter_mode;
  }

  std::byte* saved() const { return memory_.saved[index_]; }
  std::byte* scratch() const {
    return pass_ == Pass::Forward ? memory_.forward_scratch[index_]
                                  : memory_.backward_scratch[index_];
  }
  // Of each group behind that of the one before, where the parameters are.
  std::byte* packed() const {
    if (place_.parameters.count > 1 && node_.ghost < 0) {
      return place_.packed_groups + node_.packed_groups;
    }
    return place_.packed + node_.packed;
  }
  template <class State>
  const State& state() const {
    return static_cast<const State&>(*memory_.states[index_]);
  }
  // A tensor of the running statistics, at `offset` elements into their arena.
  template <class T>
  T* running(int64_t offset) const {
    return reinterpret_cast<T*>(place_.running) + offset;
  }

 private:
  // Input 1's gradient is summed in the op's own layout, if it is not one per group.
  bool packs_gradient() const {
    return node_.needs.packed_gradient > 0 && place_.gradients.count == 1;
  }

  const Program& program_;
  const Node& node_;
  const Memory& memory_;
  int index_;
  Pass pass_;
  ReplayPlace place_;
};

}  // namespace basin
