// What m-SAM asks of an optimiser: how the gradient of a group of examples makes the point where the
// group's next gradient is taken. The replay owns the memory, and calls it for one group or for
// several at once, in whatever order it replays them.
#pragma once

#include "engine/arena.h"

namespace basin {

// The memory of an ascent of some groups of examples.
struct AscentSpace {
  // `moves`: of the ascent (below).
  AscentSpace(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups, int moves);
  int64_t bytes() const;

  Arena gradient, point;  // of each group
  Arena epsilon;          // of each group, where an ascent has several moves; else empty
  Buffer squared_norms;   // float64: of each group's gradient, then those of epsilon
  Buffer partials;        // float64: scratch
  int64_t first_group = 0;  // of the batch's: for messages
};

class Ascent {
 public:
  virtual ~Ascent() = default;
  // How many gradients it takes before the last one: at w, then at the points between.
  virtual int moves() const = 0;
  // space.point <- move k of each group, by space.gradient: kernels on `stream` only. On a CPU a
  // gradient that is not finite is an Error(Run) that names its group and parameter.
  virtual void move(const Stream& stream, int k, const Arena& weights,
                    AscentSpace& space) const = 0;
};

}  // namespace basin
