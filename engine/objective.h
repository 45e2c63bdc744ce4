// What an optimiser sees of a network and its batch: a loss and a gradient at any point. models and
// optim do not know each other; they meet here.
#pragma once

#include "engine/arena.h"

namespace basin {

// Whether a pass moves the running statistics of batch norm.
enum class Track { No, Yes };

class Objective {
 public:
  virtual ~Objective() = default;
  // gradient = the gradient of the batch's (regularised) mean loss at `at`. The arena is written
  // whole. Neither `at` nor anything else but the gradient (and, with Track::Yes, the running
  // statistics) changes.
  virtual void differentiate(const Arena& at, Arena& gradient, Track track) = 0;
};

}  // namespace basin
