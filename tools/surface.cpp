// basin surface: the loss along the line between two checkpoints, or in a random plane around one.
#include <filesystem>

#include "engine/device.h"
#include "engine/direction.h"
#include "engine/io/file.h"
#include "kernels/landscape.h"
#include "tools/cli.h"
#include "tools/plot.h"
#include "tools/surface_report.h"
#include "tools/terminal.h"

namespace basin {
namespace {

struct Options {
  std::vector<std::string> between;  // two checkpoints
  double from = -1, to = 2;
  std::string checkpoint;
  int directions = 2;
  double radius = 1;
  int64_t points = 0;       // 0: 61 of a line, 21 each way of a plane
  int64_t reestimate = -1;  // -1: 5000, or all that there are
  std::string split = "both";
  int64_t examples = 1024;
  NetworkOptions network;
  std::string out = "out/surface";

  bool line() const { return !between.empty(); }
};

Options checked(Options o) {
  BASIN_CHECK(o.line() != !o.checkpoint.empty(), "--between",
              "found {} --checkpoint, expected one or the other",
              o.line() ? "it and" : "neither it nor");
  BASIN_CHECK(!o.line() || o.from < o.to, "--from", "found {} to {}, expected the lesser first",
              o.from, o.to);
  BASIN_CHECK(!o.line() || o.reestimate != 0, "--reestimate",
              "found 0 with --between, expected at least 1: no checkpoint's statistics are those "
              "of a point between two");
  if (o.points == 0) o.points = o.line() || o.directions == 1 ? 61 : 21;
  return o;
}

// Every value in order, exact where it is a whole number of steps from 0.
std::vector<double> spread(double from, double to, int64_t points) {
  std::vector<double> values;
  for (int64_t i = 0; i < points; ++i) {
    values.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(points - 1));
  }
  return values;
}

class Measurement {
 public:
  Measurement(const Options& o, const CommonOptions& common)
      : o_(o),
        seed_(common.seed),
        stream_(Device::parse(common.device).stream(common.threads)),
        network_(stream_, o.line() ? o.between[0] : o.checkpoint, o.network),
        probe_(stream_, network_, probe_options()),
        progress_(common.quiet ? Quiet::Yes : Quiet::No) {
    surface_.about = description(network_);
    surface_.about.update({{"examples", o.examples}, {"seed", common.seed}});
    if (network_.running) surface_.about["reestimate"] = probe_options().reestimate;
    surface_.splits = probe_options().splits;
  }

  Surface operator()() {
    if (o_.line()) {
      measure_line();
    } else {
      measure_plane();
    }
    progress_.clear();
    return surface_;
  }

 private:
  ProbeOptions probe_options() const {
    ProbeOptions p{.examples = o_.examples, .reestimate = o_.reestimate, .seed = seed_};
    if (o_.split != "both") p.splits = {o_.split};
    if (p.reestimate < 0) p.reestimate = std::min<int64_t>(5000, network_.data.train.n);
    return p;
  }

  // Measures at the place that probe_.point() has been moved to.
  void add_row(double a, double b, size_t places) {
    surface_.rows.push_back({a, b, probe_()});
    const size_t done = surface_.rows.size();
    progress_.show(static_cast<double>(done) / static_cast<double>(places),
                   fmt::format("point {}/{}  {} loss {:.4f}", done, places, surface_.splits.back(),
                               surface_.rows.back().splits.back().loss));
  }

  void measure_line() {
    Arena second = network_.weights.sibling(stream_);
    network_.read_weights(o_.between[1], second);
    const auto combine = [&](double a, double b) {
      map<float>(stream_, Combination<float>{static_cast<float>(a), static_cast<float>(b)},
                 second.size(), {network_.weights.as<float>(), second.as<float>()},
                 {probe_.point().as<float>()});
    };
    combine(-1, 1);
    surface_.axes = {"t"};
    surface_.about.update({{"kind", "line"},
                           {"between", o_.between},
                           {"norms",
                            {{"w1", norm(stream_, network_.weights)},
                             {"w2", norm(stream_, second)},
                             {"w2 - w1", norm(stream_, probe_.point())}}}});
    const std::vector<double> ts = spread(o_.from, o_.to, o_.points);
    for (const double t : ts) {
      combine(1 - t, t);
      add_row(t, 0, ts.size());
    }
  }

  // A random direction, with the weights' norms by filter.
  Arena direction(uint32_t lane) {
    Arena d = network_.weights.sibling(stream_);
    random_direction(stream_, d, seed_, Purpose::Direction, lane);
    filter_normalise(stream_, network_.weights, d);
    return d;
  }

  void measure_plane() {
    const Arena &w = network_.weights, x = direction(0), y = direction(1);
    surface_.axes = {"a"};
    surface_.about.update({{"kind", "plane"}, {"checkpoint", o_.checkpoint}});
    surface_.about["norms"] = {{"w", norm(stream_, w)}, {"x", norm(stream_, x)}};
    const std::vector<double> as = spread(-o_.radius, o_.radius, o_.points);
    std::vector<double> bs{0};
    if (o_.directions == 2) {
      surface_.axes.emplace_back("b");
      surface_.about["norms"]["y"] = norm(stream_, y);
      bs = as;
    }
    for (const double b : bs) {
      for (const double a : as) {
        map<float>(stream_, PlanePoint<float>{static_cast<float>(a), static_cast<float>(b)},
                   w.size(), {w.as<float>(), x.as<float>(), y.as<float>()},
                   {probe_.point().as<float>()});
        add_row(a, b, as.size() * bs.size());
      }
    }
  }

  const Options& o_;
  uint64_t seed_;
  Stream stream_;
  TrainedNetwork network_;
  SurfaceProbe probe_;
  ProgressLine progress_;
  Surface surface_;
};

int run(const Options& given, const CommonOptions& common) {
  const Options o = checked(given);
  const ResultFiles files(o.out, "surface");
  const Surface surface = Measurement(o, common)();
  files.write("csv", surface_csv(surface));
  const std::string problem = files.write_drawn(surface_json(surface));
  if (common.quiet) return 0;
  for (const auto& [name, value] : surface.about["norms"].items()) {
    fmt::print("|{}| = {:.6g}  ", name, value.get<double>());
  }
  fmt::print("\n{}{}\n", surface_table(surface),
             problem.empty() ? fmt::format("written to {} (surface.json, .csv, .png, .svg)", o.out)
                             : problem);
  return 0;
}

}  // namespace

Command add_surface(CommandLine app) {
  const CommandLine command = app.add_command(
      "surface", "The loss between two checkpoints, or in a random plane around one");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  command
      .add_option("--between", o->between,
                  "two checkpoints w1 and w2: the line w(t) = (1 - t) w1 + t w2")
      .expected(2)
      .type_name("A B");
  command.add_option("--from", o->from, "the line's first t").check(finite()).capture_default_str();
  command.add_option("--to", o->to, "the line's last t").check(finite()).capture_default_str();
  command
      .add_option("--checkpoint", o->checkpoint,
                  "one checkpoint w: the plane w + a x + b y of random x and y, each filter of "
                  "which has the norm of the weights' filter")
      .type_name("FILE");
  command.add_option("--directions", o->directions, "of a plane: 1 (x alone) or 2")
      .check(between(1, 2))
      .capture_default_str();
  command.add_option("--radius", o->radius, "of a plane: the greatest a and b")
      .check(positive())
      .capture_default_str();
  command
      .add_option("--points", o->points,
                  "evenly spaced, both ends included; of a plane, each way [61, or 21 each way]")
      .check(at_least(2));
  command
      .add_option("--reestimate", o->reestimate,
                  "augmented training images of which batch norm's statistics are estimated anew "
                  "at every point; 0: a plane keeps the checkpoint's [5000, or all]")
      .check(at_least(0));
  command.add_option("--split", o->split, "where the loss is taken: train, test or both")
      .check(one_of({"train", "test", "both"}))
      .capture_default_str();
  command.add_option("--examples", o->examples, "the first N of each split, not augmented")
      .check(at_least(1))
      .capture_default_str();
  add_trained_network_options(command, o->network);
  command.add_option("--out", o->out, "the folder of surface.json, .csv, .png and .svg")
      .capture_default_str();
  add_common_options(command, *common);
  command.footer(
      "Does the loss rise between two solutions? A line from -1 to 2 shows it, and what lies\n"
      "behind either. A plane shows the shape of the basin around one (Li et al. 2018).\n"
      "Example:\n  basin surface --between out/sgd/checkpoint.safetensors "
      "out/sam/checkpoint.safetensors\n"
      "  basin surface --checkpoint out/sam/checkpoint.safetensors --directions 2 --radius 0.5");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
