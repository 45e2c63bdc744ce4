// The data of a training run, as its options cut and spoil it.
#pragma once

#include "engine/data/dataset.h"
#include "tools/train_options.h"

namespace basin {

struct TrainingData {
  // Error(Usage) where the options ask for more than there is.
  explicit TrainingData(const TrainOptions& options);

  Dataset train, test;
  Dataset validation;  // none: n = 0
  Dataset clean,
      noisy;  // with label noise, the first examples of train with right and wrong labels
};

}  // namespace basin
