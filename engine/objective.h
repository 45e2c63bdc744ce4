// What an optimiser sees of a network and its batch: a loss and a gradient at any point. models and
// optim do not know each other; they meet here.
#pragma once

#include "engine/ascent.h"

namespace basin {

// Whether a pass moves the running statistics of batch norm.
enum class Track { No, Yes };
struct StepTracks {
  Track first, last;  // of the passes of a step
};

class Objective {
 public:
  virtual ~Objective() = default;
  // gradient = the gradient of the batch's (regularised) mean loss at `at`. The arena is written
  // whole. Neither `at` nor anything else but the gradient (and, with Track::Yes, the running
  // statistics) changes.
  virtual void differentiate(const Arena& at, Arena& gradient, Track track) = 0;

  // The gradient that an ascent takes: of the same batch, if the objective has no other for it.
  virtual void differentiate_ascent(const Arena& at, Arena& gradient, Track track) {
    differentiate(at, gradient, track);
  }

  // Into how many groups m-SAM cuts the batch; 1: it is one.
  virtual int64_t groups() const { return 1; }
  // Of several groups: gradient = the mean over the groups, by their sizes, of the gradient of a
  // group's mean loss at the point of its own that `ascent` makes of its gradients from `weights`
  // on.
  virtual void differentiate_perturbed(const Arena& /*weights*/, const Ascent& /*ascent*/,
                                       Arena& /*gradient*/, StepTracks /*tracks*/) {
    fail("[objective]", "found one group of examples, expected several");
  }
};

}  // namespace basin
