// What an op sees while it runs: pointers to its operands, resolved, and how to write.
#pragma once

#include "engine/tape.h"

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

// Sees each op of a workspace's replays, in the thread that runs it: for profiles and benchmarks.
struct ReplayObserver {
  virtual ~ReplayObserver() = default;
  virtual void begin(int node, Pass pass) = 0;
  virtual void end(int node, Pass pass) = 0;
};

class OpRun {
 public:
  OpRun(const Stream& stream, const Program& program, const Memory& memory, int node, Pass pass,
        std::byte* packed, std::byte* running, Write parameter_mode = Write::Overwrite,
        Write packed_mode = Write::Overwrite)
      : stream(stream),
        program_(program),
        node_(program.nodes[node]),
        memory_(memory),
        index_(node),
        pass_(pass),
        packed_(packed),
        running_(running),
        parameter_mode_(parameter_mode),
        packed_mode_(packed_mode) {}

  const Stream& stream;

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
    if (i == 1 && node_.needs.packed_gradient > 0) {
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
    if (i == 1 && node_.needs.packed_gradient > 0) return packed_mode_;
    const bool parameter = program_.slots[node_.inputs[i]].kind == SlotKind::Parameter;
    return parameter ? parameter_mode_ : Write::Overwrite;
  }
  // Of the adjoint that backward itself writes (OpNeeds::writes_adjoint_of_output).
  Write output_write() const {
    return node_.output_write == GradientWrite::Accumulate ? Write::Accumulate : Write::Overwrite;
  }
  // Unpacking: the destination in the gradient arena.
  template <class T>
  T* unpacked(int i) const {
    return reinterpret_cast<T*>(memory_.adjoint[node_.inputs[i]]);
  }
  Write unpack_write() const {
    return node_.unpack_write == GradientWrite::Accumulate ? Write::Accumulate : parameter_mode_;
  }

  std::byte* saved() const { return memory_.saved[index_]; }
  std::byte* scratch() const {
    return pass_ == Pass::Forward ? memory_.forward_scratch[index_]
                                  : memory_.backward_scratch[index_];
  }
  std::byte* packed() const { return packed_ + node_.packed; }
  template <class State>
  const State& state() const {
    return static_cast<const State&>(*memory_.states[index_]);
  }
  // A tensor of the running statistics, at `offset` elements into their arena.
  template <class T>
  T* running(int64_t offset) const {
    return reinterpret_cast<T*>(running_) + offset;
  }

 private:
  const Program& program_;
  const Node& node_;
  const Memory& memory_;
  int index_;
  Pass pass_;
  std::byte* packed_;
  std::byte* running_;
  Write parameter_mode_, packed_mode_;
};

}  // namespace basin
