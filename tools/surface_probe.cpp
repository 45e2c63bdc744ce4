#include "tools/surface_probe.h"

namespace basin {

SurfaceProbe::SurfaceProbe(const Stream& stream, TrainedNetwork& network, const ProbeOptions& o)
    : point_(std::make_unique<Arena>(network.weights.sibling(stream))) {
  data_.reserve(o.splits.size());
  for (const std::string& split : o.splits) {
    data_.push_back(network.examples(split, o.examples));
    evaluations_.push_back(std::make_unique<Evaluation>(
        stream, network.model, *point_, network.buffers(), data_.back(), StepOptions{}));
  }
  if (!network.running || o.reestimate == 0) return;
  // As `basin train --augment` has it.
  const Augmentation augmentation{.padding = 4, .flip = network.options.dataset != "mnist"};
  estimate_.emplace(stream, network.model.record, network.weights, *network.running,
                    network.data.train, StatisticsOptions{o.reestimate, o.seed, augmentation});
}

std::vector<SplitResult> SurfaceProbe::operator()() {
  if (estimate_) (*estimate_)(*point_);
  std::vector<SplitResult> results;
  for (const auto& evaluation : evaluations_) {
    const auto [loss, accuracy] = (*evaluation)();
    results.push_back({loss, 1 - accuracy});
  }
  return results;
}

}  // namespace basin
