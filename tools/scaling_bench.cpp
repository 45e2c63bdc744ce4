// One axis at a time is varied around a base configuration. The points of an axis are measured in
// turns, so that a slow second of the machine falls on all of them alike, and a power law is fitted
// to their medians.
#include "tools/scaling_bench.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "engine/device.h"
#include "engine/io/file.h"
#include "kernels/error.h"
#include "tools/plot.h"
#include "tools/power_law.h"
#include "tools/step_row.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "resnet_tiny_gn", json, plot;
  int64_t width = 16;
  int repeats = 10;
  StepOptions step;
  std::vector<int64_t> batches{16, 32, 64, 128, 256}, widths{4, 8, 16, 32}, threads;
};

struct Point {
  int64_t x, parameters, chunk;
  StepRow row;
};

// y over x: an axis's number, or the parameters that come with it.
struct Fit {
  std::string x, y;
  PowerLaw law;
  double least, most;  // the exponents, fitted round by round
};

struct Axis {
  std::string name;
  std::vector<Point> points;
  std::vector<Fit> fits;  // none with one point
};

Axis make_axis(const std::string& name, const std::vector<int64_t>& values, const Options& o) {
  Axis axis{name, {}, {}};
  for (const int64_t x : values) {
    StepRow row{.model = o.model, .width = o.width, .step = o.step, .times = {}};
    if (name == "batch") row.step.batch = x;
    if (name == "width") row.width = x;
    if (name == "threads") row.step.threads = static_cast<int>(x);
    const Model model = make_model({.name = o.model, .width = row.width});
    axis.points.push_back({x, model.parameters->count(), 0, std::move(row)});
  }
  return axis;
}

Fit fit(const std::vector<Point>& points, const std::string& x, const std::string& y) {
  const auto time =
      y == "step" ? std::function<double(const StepTimes&)>(&StepTimes::step) : &StepTimes::update;
  std::vector<double> xs, ys;
  for (const Point& p : points) {
    xs.push_back(static_cast<double>(x == "parameters" ? p.parameters : p.x));
    ys.push_back(p.row.spread(time).median);
  }
  Fit result{x, y, fit_power_law(xs, ys), INFINITY, -INFINITY};
  for (size_t round = 0; round < points[0].row.times.size(); ++round) {
    for (size_t i = 0; i < points.size(); ++i) ys[i] = time(points[i].row.times[round]);
    const double exponent = fit_power_law(xs, ys).exponent;
    result.least = std::min(result.least, exponent);
    result.most = std::max(result.most, exponent);
  }
  return result;
}

void measure(Axis& axis, int repeats) {
  std::vector<std::unique_ptr<StepBench>> benches;
  for (Point& p : axis.points) {
    benches.push_back(std::make_unique<StepBench>(
        Stream::cpu(p.row.step.threads), ModelOptions{.name = p.row.model, .width = p.row.width},
        p.row.step));
    p.chunk = benches.back()->replay().chunk();
  }
  for (int r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < benches.size(); ++i) {
      let_threads_sleep();
      axis.points[i].row.times.push_back(benches[i]->measure());
    }
  }
  if (axis.points.size() < 2) return;
  axis.fits.push_back(fit(axis.points, axis.name, "step"));
  if (axis.points.front().parameters != axis.points.back().parameters) {
    axis.fits.push_back(fit(axis.points, "parameters", "step"));
    axis.fits.push_back(fit(axis.points, "parameters", "update"));
  }
}

double us_per_image(const Point& p) {
  return 1e3 * p.row.spread(&StepTimes::step).median / static_cast<double>(p.row.step.batch);
}

// Over the axis's first point.
double speed_up(const Axis& axis, const Point& p) {
  return axis.points[0].row.spread(&StepTimes::step).median / p.row.spread(&StepTimes::step).median;
}

void print(const Axis& axis) {
  fmt::print("\n{:>8} {:>10} {:>6} {:>9} {:>9} {:>9} {:>9}", axis.name, "parameters", "chunk",
             "median", "min", "max", "us/image");
  for (const StepPart& part : kStepParts) fmt::print(" {:>9}", part.name);
  fmt::print("{}\n", axis.name == "threads" ? "  speed-up" : "");
  for (const Point& p : axis.points) {
    const Spread step = p.row.spread(&StepTimes::step);
    fmt::print("{:>8} {:>10} {:>6} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.2f}", p.x, p.parameters, p.chunk,
               step.median, step.min, step.max, us_per_image(p));
    for (const StepPart& part : kStepParts) {
      fmt::print(" {:>9.3f}", p.row.spread(part.time).median);
    }
    fmt::print("{}\n", axis.name == "threads" ? fmt::format("  {:>8.2f}", speed_up(axis, p)) : "");
  }
  for (const Fit& f : axis.fits) {
    const auto& error = f.law.standard_error;
    fmt::print("{} ~ {}^{:.3f}{} ({}by round {:.3f} to {:.3f})\n", f.y, f.x, f.law.exponent,
               error ? fmt::format(" ± {:.3f}", *error) : "",
               error ? fmt::format("R² {:.4f}, ", f.law.r_squared) : "two points, ", f.least,
               f.most);
  }
  if (axis.fits.empty()) fmt::print("one point: no fit against {}\n", axis.name);
  std::fflush(stdout);  // the next axis takes a while
}

Json results(const std::vector<Axis>& axes) {
  Json rows = Json::array();
  for (const Axis& axis : axes) {
    for (const Point& p : axis.points) {
      Json r{{"axis", axis.name}, {"parameters", p.parameters}, {"chunk", p.chunk}};
      r.update(to_json(p.row));
      const Spread update = p.row.spread(&StepTimes::update);
      r["update_ms"] = {{"median", update.median}, {"min", update.min}, {"max", update.max}};
      r["us_per_image"] = us_per_image(p);
      if (axis.name == "threads") r["speed_up"] = speed_up(axis, p);
      rows.push_back(std::move(r));
    }
  }
  return rows;
}

Json fits(const std::vector<Axis>& axes) {
  Json rows = Json::array();
  for (const Axis& axis : axes) {
    for (const Fit& f : axis.fits) {
      const auto& error = f.law.standard_error;
      rows.push_back({{"axis", axis.name},
                      {"x", f.x},
                      {"y", f.y},
                      {"points", axis.points.size()},
                      {"exponent", f.law.exponent},
                      {"standard_error", error ? Json(*error) : Json()},
                      {"r_squared", f.law.r_squared},
                      {"coefficient_ms", f.law.coefficient},
                      {"least_by_round", f.least},
                      {"most_by_round", f.most}});
    }
  }
  return rows;
}

void check(const Options& o, const CommonOptions& common) {
  BASIN_CHECK(Device::parse(common.device).kind == DeviceKind::Cpu, "--device",
              "found {}, but only steps on a cpu are measured", common.device);
  static_cast<void>(Device::cpu().stream(1, o.step.tf32));  // which is refused there
  // A path that cannot be written to is said before anything is measured.
  if (!o.plot.empty()) AtomicFile(o.plot);
  if (!o.json.empty()) AtomicFile(o.json);
}

int run(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  check(o, common);
  std::vector<Axis> axes{make_axis("batch", o.batches, o), make_axis("width", o.widths, o),
                         make_axis("threads", o.threads, o)};
  if (!common.quiet) {
    fmt::print("{}, {}, {}, on {}\naround width {}, batch {}, {} threads; ms, {} rounds in turns\n",
               o.model, o.step.optimizer.name, precision_name(o.step), processor(), o.width,
               o.step.batch, o.step.threads, o.repeats);
  }
  for (Axis& axis : axes) {
    measure(axis, o.repeats);
    if (!common.quiet) print(axis);
  }
  const Json all{
      {"context",
       measurement_context(
           o.step.threads,
           fmt::format("basin bench scaling --model {} --optimizer {} {} --width {} "
                       "--batch {} --threads {} --batches {} --widths {} --thread-counts {} "
                       "--repeats {}",
                       o.model, o.step.optimizer.name, arithmetic_options(o.step), o.width,
                       o.step.batch, o.step.threads, fmt::join(o.batches, ","),
                       fmt::join(o.widths, ","), fmt::join(o.threads, ","), o.repeats))},
      {"results", results(axes)},
      {"fits", fits(axes)}};
  const std::string text = all.dump(2) + "\n";
  if (!o.json.empty()) write_file_atomically(o.json, text);
  if (!o.plot.empty()) draw_json("scaling", text, o.plot, "--plot");
  return 0;
}

// 1, 2, 4, … and the number itself.
std::vector<int64_t> doublings_to(int64_t most) {
  std::vector<int64_t> all;
  for (int64_t n = 1; n < most; n *= 2) all.push_back(n);
  all.push_back(most);
  return all;
}

}  // namespace

std::pair<CommandLine, Command> add_scaling_bench(CommandLine bench) {
  const CommandLine command = bench.add_command(
      "scaling", "How a step's cost grows with batch, width, parameters and threads");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  o->step.optimizer.name = "sam";
  add_network_options(command, o->model, o->width);
  add_batch_option(command, o->step);
  add_common_options(command, *common);
  o->threads = doublings_to(common->threads);
  add_rising_numbers(command, "--batches", o->batches, 1 << 20, "batches to measure, as 16,32,64");
  add_rising_numbers(command, "--widths", o->widths, 1 << 20, "widths to measure");
  add_rising_numbers(command, "--thread-counts", o->threads, 1024,
                     "threads to measure; the other axes have --threads");
  command.add_option("--repeats", o->repeats, "rounds; in each, an axis's points take turns")
      .check(between(1, 100000))
      .capture_default_str();
  command.add_option("--json", o->json, "a file for results and fits").type_name("FILE");
  command.add_option("--plot", o->plot, "a picture, .png or .svg")
      .check(picture())
      .type_name("FILE");
  add_step_options(command, o->step);
  command.footer(
      "Each axis is varied alone, around --batch, --width and --threads; a power law is fitted to\n"
      "its medians: step ~ batch^exponent. An axis of one number is measured and not fitted.\n"
      "Example:\n  basin bench scaling --model resnet_tiny_gn --batches 32,64,128 --plot s.png");
  return {command, [=] { return run(*o, *common); }};
}

}  // namespace basin
