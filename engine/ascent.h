// What m-SAM asks of an optimiser: how the gradient of a group of examples makes the point where
// the group's next gradient is taken. The replay owns the memory, and calls it for one group or for
// several at once, in whatever order it replays them.
#pragma once

#include "engine/arena.h"
#include "engine/ghosts.h"

namespace basin {

// Whether an ascent keeps eps between its moves.
enum class KeepEpsilon { No, Yes };

// The memory of an ascent of some groups of examples.
struct AscentSpace {
  AscentSpace(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups,
              KeepEpsilon keep);
  static int64_t bytes(const Layout& layout, DType dtype, int64_t groups, KeepEpsilon keep);

  Arena point;               // of each group
  Arena epsilon;             // of each group, where it is kept; else empty
  Buffer squared_norms;      // float64: of each group's gradient, then those of epsilon
  Buffer partials;           // float64: scratch
  Ghosts ghosts;             // the rest of the gradients, where the tape has them
  int64_t first_group = -1;  // of a batch cut into groups: for messages
};

class Ascent {
 public:
  virtual ~Ascent() = default;
  // How many gradients it takes before the last one: at w, then at the points between.
  virtual int moves() const = 0;
  // space.point <- move k of each group, by its gradient: kernels on `stream` only.
  virtual void move(const Stream& stream, int k, const Arena& weights, const Arena& gradient,
                    AscentSpace& space) const = 0;
  // out = point - w of each group as it was computed, after its last move; `gradient`: of the
  // first.
  virtual void epsilon(const Stream& stream, const Arena& gradient, const AscentSpace& space,
                       Arena& out) const = 0;
};

}  // namespace basin
