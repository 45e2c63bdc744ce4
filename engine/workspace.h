// A replay's own state. A frozen tape is immutable; several threads replay it at once, each in its
// own Workspace, at the same Point or at different ones.
#pragma once

#include "engine/replay.h"
#include "kernels/fork.h"

namespace basin {

class Workspace;

// Where in parameter space a tape is replayed: the parameters, the running statistics, and what
// the ops make of them once (weights in a library's layout). Read-only while replays run.
class Point {
 public:
  // `groups`: of the arenas that it will stand at, one or the tape's.
  Point(const Tape& tape, const Stream& stream, int64_t groups = 1);

  // Stands at `parameters` (and `buffers`; may be null), which must outlive the replays, and packs
  // them with the library primitives of `work`.
  void move_to(const Arena& parameters, const Arena* buffers, Workspace& work);
  // The same in two steps, for several threads: stand, then pack the ops k = part (mod parts).
  void stand_at(const Arena& parameters, const Arena* buffers);
  // Of groups on a tape with ghosts, before it stands anywhere: where w is, which such parameters
  // are read at, packed, and the ghosts that move them from there.
  void move_from(const Point& base, const Ghosts& ghosts);
  void pack(Workspace& work, int part, int parts);

 private:
  friend class Workspace;
  ParameterGroups groups() const;

  std::shared_ptr<const Program> program_;
  int64_t groups_;
  Buffer packed_;
  const Arena* parameters_ = nullptr;
  const Arena* buffers_ = nullptr;
  const Point* base_ = nullptr;
  const Ghosts* ghosts_ = nullptr;
};

class Workspace {
 public:
  // All memory that replays on `stream` need; allocates here and never again.
  Workspace(const Tape& tape, const Stream& stream);

  // Gives an input its data (not copied): on the device, alive until the replay has run.
  void bind(const std::string& input, const void* data);
  void bind(int slot, const void* data) { memory_.value[slot] = as_bytes(data); }

  void forward(const Point& at);
  // gradient = seed * d outputs[0] / d parameters. Needs a forward() at the same point before it.
  // An arena of the tape's groups takes the gradient of each group of examples, which the tape's
  // `ghosts`, if it has them, complete.
  void backward(const Point& at, Arena& gradient, double seed = 1, Ghosts* ghosts = nullptr);

  // The parts of backward(), for a batch in chunks: replays that add up (the first Overwrite) into
  // an arena and into this workspace's packed gradients, and the last step that unpacks them.
  void backward_part(const Point& at, Arena& gradient, double seed, Write mode, Write packed_mode,
                     Ghosts* ghosts = nullptr);
  void unpack(Arena& gradient, Write mode);
  std::byte* packed_gradient() const { return packed_gradient_.data(); }
  // Sums packed gradients in `other`, of packed_gradient_bytes, from now on, and gives the present
  // memory of them in exchange.
  void exchange_packed_gradient(Buffer& other);

  // Null: nobody looks on. The observer must outlive the replays that it sees.
  void observe(ReplayObserver* observer) { observer_ = observer; }

  // After forward(): the batch's statistics into the running ones, running = (1 - momentum) running
  // + momentum batch; the ops' own momentum where none is given.
  void track(Arena& buffers, std::optional<double> momentum = {});

  // The value of an output after forward(), copied to the host: its first element.
  double scalar(int output) const;
  // Any value or adjoint by name, where the plan still holds it (all of them with Retain::All).
  Tensor value(const std::string& name) const;
  Tensor adjoint(const std::string& name) const;
  Tensor output(int index) const;

  const Program& program() const { return *program_; }
  const Stream& stream() const { return stream_; }

 private:
  friend class Point;
  enum class State { Idle, Forwarded, Backwarded };

  static std::byte* as_bytes(const void* data) {
    return static_cast<std::byte*>(const_cast<void*>(data));
  }
  void check_point(const Point& at, const char* where) const;
  void use_parameters(const Point& at);
  void use_gradient(Arena& gradient);
  void use_packed_gradient();
  ReplayPlace place_of(const Point& at) const;
  template <class Run>
  void observed(int node, Pass pass, const Run& run) const;

  std::shared_ptr<const Program> program_;
  Stream stream_;
  Fork fork_;
  Buffer buffer_, packed_gradient_;
  Memory memory_;
  State state_ = State::Idle;
  const Arena* forwarded_at_ = nullptr;
  ReplayObserver* observer_ = nullptr;
};

}  // namespace basin
