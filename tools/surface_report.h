// A measured surface as text: JSON, CSV, and the few lines that a terminal gets.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/surface_probe.h"

namespace basin {

struct Surface {
  nlohmann::ordered_json about;     // what was measured, and norms and distances
  std::vector<std::string> axes;    // "t"; or "a", or "a" and "b"
  std::vector<std::string> splits;  // "train", "test"
  std::vector<SurfaceRow> rows;
};

// `about`, and "points": the coordinates by axis, loss and error by split. A loss that is not
// finite is null.
std::string surface_json(const Surface& surface);
// A line of names, a line a point: t,train_loss,train_error,…
std::string surface_csv(const Surface& surface);
// The places that tell most: the ends of a line, w1, w2 and the least loss; a plane's centre, its
// least and its greatest loss.
std::string surface_table(const Surface& surface);

}  // namespace basin
