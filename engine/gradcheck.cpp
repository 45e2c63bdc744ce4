#include "engine/gradcheck.h"

#include <cmath>

#include "engine/workspace.h"

namespace basin {

double gradcheck(const RecordScalar& record, const Stream& stream, const Arena& start, Arena& at,
                 Arena* buffers, Mode mode) {
  BASIN_CHECK(at.dtype() == DType::Float64, "[gradcheck]", "found {}, expected float64 parameters",
              dtype_name(at.dtype()));
  Tape tape(stream, start, buffers, {.mode = mode});
  tape.freeze({record(tape)});
  Workspace work(tape, stream);
  Point point(tape, stream);
  const auto value = [&] {
    point.move_to(at, buffers, work);
    work.forward(point);
    return work.scalar(0);
  };
  Arena gradient = at.sibling(stream);
  value();
  work.backward(point, gradient);

  double worst = 0;
  for (const LayoutEntry& entry : at.layout()->entries()) {
    const std::vector<double> analytic = gradient.read(stream, entry);
    std::vector<double> w = at.read(stream, entry);
    for (size_t i = 0; i < w.size(); ++i) {
      const double kept = w[i], step = 1e-6 * (1 + std::fabs(kept));
      const auto moved = [&](double to) {
        w[i] = to;
        at.write(stream, entry, w);
        return value();
      };
      const double numeric = (moved(kept + step) - moved(kept - step)) / (2 * step);
      const double size = 1 + std::fabs(numeric) + std::fabs(moved(kept));
      const double error = std::fabs(analytic[i] - numeric) / size;
      if (!(error <= worst)) worst = error;  // NaN is kept
    }
  }
  return worst;
}

}  // namespace basin
