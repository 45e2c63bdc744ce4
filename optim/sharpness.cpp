#include "optim/sharpness.h"

#include <cmath>

#include "kernels/reduce.h"

namespace basin {

SharpnessAscent::SharpnessAscent(const Stream& stream, const Arena& weights,
                                 const AscentOptions& options)
    : stream_(stream),
      options_(options),
      ball_(stream, weights, options.geometry),
      gradient_(weights.sibling(stream)),
      squares_(stream, (1 + reduce_partials(weights.size())) * int64_t{sizeof(double)}) {
  BASIN_CHECK(options.restarts == 1 || options.start == Start::Sphere, "--restarts",
              "found {} without --random-start, expected 1: all would be the same",
              options.restarts);
}

AscentPoint SharpnessAscent::visit(BatchReplay& replay) {
  replay.differentiate(ball_.point(), gradient_, Track::No);
  auto* squares = reinterpret_cast<double*>(squares_.data());
  dispatch(gradient_.dtype(), [&]<class T>(T) {
    squared_norm(stream_, gradient_.size(), gradient_.as<T>(), squares + 1, squares);
  });
  double squared = 0;
  copy_to_host(stream_, &squared, squares, sizeof(squared));
  const PassResult result = replay.finished();
  return {result.loss, result.correct, std::sqrt(squared)};
}

AscentResult SharpnessAscent::operator()(BatchReplay& replay, double rho, int64_t batch) {
  ball_.to_centre(rho);
  const AscentPoint centre = visit(replay);
  AscentPoint worst = centre;
  const auto consider = [&](const AscentPoint& point) {
    // A loss that is NaN is kept: it would not be a maximum that was found.
    if (!std::isnan(worst.loss) && !(point.loss <= worst.loss)) worst = point;
  };
  for (int r = 0; r < options_.restarts; ++r) {
    if (options_.start == Start::Sphere) {
      ball_.to_sphere(options_.seed, Purpose::Perturb,
                      static_cast<uint32_t>(batch * options_.restarts + r));
      consider(visit(replay));
    }
    for (int k = 0; k < options_.steps; ++k) {
      const int quarter = options_.schedule == StepSchedule::Quarters ? 4 * k / options_.steps : 0;
      ball_.ascend(gradient_, std::ldexp(options_.step_size, -quarter));
      consider(visit(replay));
    }
  }
  return {centre, worst};
}

}  // namespace basin
