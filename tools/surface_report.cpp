#include "tools/surface_report.h"

#include <fmt/format.h>

#include <cmath>

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

double coordinate(const SurfaceRow& row, size_t axis) {
  return axis == 0 ? row.a : row.b;
}

// The row that comes before all others, by `before` of two rows.
template <class Before>
const SurfaceRow& extreme(const Surface& s, const Before& before) {
  const SurfaceRow* best = &s.rows.front();
  for (const SurfaceRow& row : s.rows) {
    if (before(row, *best)) best = &row;
  }
  return *best;
}

const SurfaceRow& nearest(const Surface& s, double a, double b) {
  const auto away = [&](const SurfaceRow& row) { return std::hypot(row.a - a, row.b - b); };
  return extreme(s, [&](const auto& x, const auto& y) { return away(x) < away(y); });
}

std::string table_row(const Surface& s, const std::string& label, const SurfaceRow& row) {
  std::string line = fmt::format("{:<18}", label);
  for (size_t axis = 0; axis < s.axes.size(); ++axis) {
    line += fmt::format(" {:>8.3f}", coordinate(row, axis));
  }
  for (const SplitResult& split : row.splits) {
    line += fmt::format(" {:>11.4f} {:>12.2f}", split.loss, 100 * split.error);
  }
  return line + "\n";
}

}  // namespace

std::string surface_json(const Surface& s) {
  Json points = Json::array();
  for (const SurfaceRow& row : s.rows) {
    Json point;
    for (size_t axis = 0; axis < s.axes.size(); ++axis) point[s.axes[axis]] = coordinate(row, axis);
    for (size_t k = 0; k < s.splits.size(); ++k) {
      point[s.splits[k]] = {{"loss", row.splits[k].loss}, {"error", row.splits[k].error}};
    }
    points.push_back(std::move(point));
  }
  Json all = s.about;
  all["points"] = std::move(points);
  return all.dump(2) + "\n";
}

std::string surface_csv(const Surface& s) {
  std::string text = fmt::format("{}", fmt::join(s.axes, ","));
  for (const std::string& split : s.splits) text += fmt::format(",{0}_loss,{0}_error", split);
  text += "\n";
  for (const SurfaceRow& row : s.rows) {
    for (size_t axis = 0; axis < s.axes.size(); ++axis) {
      text += fmt::format("{}{}", axis == 0 ? "" : ",", coordinate(row, axis));
    }
    for (const SplitResult& split : row.splits) {
      text += fmt::format(",{},{}", split.loss, split.error);
    }
    text += "\n";
  }
  return text;
}

std::string surface_table(const Surface& s) {
  const std::string& split = s.splits.back();
  const auto less = [](const SurfaceRow& x, const SurfaceRow& y) {
    return x.splits.back().loss < y.splits.back().loss;
  };
  const auto greater = [&](const SurfaceRow& x, const SurfaceRow& y) { return less(y, x); };
  std::string text(18, ' ');
  for (const std::string& axis : s.axes) text += fmt::format(" {:>8}", axis);
  for (const std::string& name : s.splits) {
    text += fmt::format(" {:>11} {:>12}", name + " loss", name + " error %");
  }
  text += "\n";
  const std::string least = fmt::format("least {} loss", split);
  if (s.axes[0] == "t") {
    text += table_row(s, "first", s.rows.front());
    text += table_row(s, "at or next to w1", nearest(s, 0, 0));
    text += table_row(s, least, extreme(s, less));
    text += table_row(s, "at or next to w2", nearest(s, 1, 0));
    return text + table_row(s, "last", s.rows.back());
  }
  text += table_row(s, "at or next to w", nearest(s, 0, 0));
  text += table_row(s, least, extreme(s, less));
  return text + table_row(s, fmt::format("greatest {} loss", split), extreme(s, greater));
}

}  // namespace basin
