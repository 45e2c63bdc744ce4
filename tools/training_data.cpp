#include "tools/training_data.h"

#include <algorithm>

#include "engine/data/split.h"

namespace basin {
namespace {

constexpr int64_t kLookedAt = 2000;                   // of the clean and of the noisy examples
constexpr uint64_t kOtherNoise = 0x9e3779b97f4a7c15;  // of the validation set's seed

}  // namespace

TrainingData::TrainingData(const TrainOptions& o) {
  DatasetPair data = load_dataset(o.dataset, o.data_dir);
  train = std::move(data.train);
  test = std::move(data.test);
  if (o.train_size > 0) train.take(o.train_size);
  BASIN_CHECK(o.test_size <= test.n, "--test-size", "found {}, expected 1 to the {} examples",
              o.test_size, test.n);
  if (o.test_size > 0) test.take(o.test_size);
  if (o.validation > 0) {
    validation = take_validation(train, o.validation, o.seed);
    if (o.label_noise > 0) apply_label_noise(validation, o.label_noise, o.seed ^ kOtherNoise);
  }
  BASIN_CHECK(o.step.batch >= 1 && o.step.batch <= train.n, "--batch",
              "found {}, expected 1 to the {} training examples", o.step.batch, train.n);
  if (o.label_noise == 0) return;
  const std::vector<int64_t> wrong = apply_label_noise(train, o.label_noise, o.seed);
  std::vector<int64_t> right;
  for (int64_t i = 0; i < train.n; ++i) {
    if (!std::binary_search(wrong.begin(), wrong.end(), i)) right.push_back(i);
  }
  const auto first = [&](const std::vector<int64_t>& which) {
    return subset(train,
                  std::span(which).first(std::min(which.size(), static_cast<size_t>(kLookedAt))));
  };
  clean = first(right);
  noisy = first(wrong);
}

}  // namespace basin
