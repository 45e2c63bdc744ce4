// basin sharpness: how much the loss of a checkpoint can grow in a ball around it, batch by batch
// (m-sharpness), and how much it grows on average.
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/device.h"
#include "tools/cli.h"
#include "tools/evaluation.h"
#include "tools/plot.h"
#include "tools/sharpness_measure.h"
#include "tools/terminal.h"
#include "tools/trained_network.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

const Choices<StepSchedule> kSchedule{{"constant", StepSchedule::Constant},
                                      {"quarters", StepSchedule::Quarters}};

struct Options {
  std::string checkpoint;
  std::vector<int64_t> sizes{1, 16, 128};
  std::vector<double> radii{0.025, 0.05, 0.1, 0.2, 0.4};
  AscentOptions ascent;
  int average = 0;  // directions
  std::string split = "train";
  int64_t examples = 256;
  NetworkOptions network;
  std::string out = "out/sharpness";
};

struct AverageRow {
  double rho, loss_increase, deviation, error_increase;
};

class Measurement {
 public:
  Measurement(const Options& o, const CommonOptions& common)
      : o_(o),
        stream_(Device::parse(common.device).stream(common.threads)),
        network_(stream_, o.checkpoint, o.network),
        examples_(network_.examples(o.split, o.examples)),
        progress_(common.quiet ? Quiet::Yes : Quiet::No) {
    for (const int64_t m : o.sizes) {
      BASIN_CHECK(m <= o.examples, "--microbatch", "found {}, expected 1 to the {} of --examples",
                  m, o.examples);
    }
  }

  void operator()() {
    SharpnessMeasure measure(stream_, network_.model, network_.weights, network_.buffers(),
                             examples_, o_.ascent);
    // Cost: a pass over all examples for each step and restart, whatever m is.
    const int64_t all = static_cast<int64_t>(o_.sizes.size() * o_.radii.size()) * o_.examples;
    int64_t seen = 0;
    for (const int64_t m : o_.sizes) {
      measure.cut(m);
      for (const double rho : o_.radii) {
        int64_t batch = 0;
        rows.push_back(measure(rho, [&] {
          seen += std::min(m, o_.examples - batch * m);
          progress_.show(
              static_cast<double>(seen) / static_cast<double>(all),
              fmt::format("m {}  rho {}  batch {}/{}", m, rho, ++batch, measure.batches()));
        }));
      }
    }
    take_average();
    progress_.clear();
  }

  Json json() const {
    Json all = description(network_);
    all.update({{"checkpoint", o_.checkpoint},
                {"split", o_.split},
                {"examples", o_.examples},
                {"geometry", o_.ascent.geometry == Geometry::Adaptive ? "adaptive" : "plain"},
                {"steps", o_.ascent.steps},
                {"step-size", o_.ascent.step_size},
                {"schedule", choice_name(kSchedule, o_.ascent.schedule)},
                {"random-start", o_.ascent.start == Start::Sphere},
                {"restarts", o_.ascent.restarts},
                {"seed", o_.ascent.seed},
                {"loss", loss},
                {"error", error},
                {"rows", Json::array()},
                {"average", Json::array()}});
    for (const SharpnessRow& r : rows) {
      all["rows"].push_back({{"m", r.m},
                             {"rho", r.rho},
                             {"loss_increase", r.loss_increase},
                             {"error_increase", r.error_increase},
                             {"gradient_norm", r.gradient_norm}});
    }
    for (const AverageRow& r : average) {
      all["average"].push_back({{"rho", r.rho},
                                {"directions", o_.average},
                                {"loss_increase", r.loss_increase},
                                {"deviation", r.deviation},
                                {"error_increase", r.error_increase}});
    }
    return all;
  }

  double loss = 0, error = 0;  // at w
  std::vector<SharpnessRow> rows;
  std::vector<AverageRow> average;

 private:
  // The batches' mean is that of all examples, whatever m is: so one line for every m.
  void take_average() {
    Ball ball(stream_, network_.weights, o_.ascent.geometry);
    Evaluation evaluate(stream_, network_.model, ball.point(), network_.buffers(), examples_,
                        StepOptions{});
    ball.to_centre(0);
    const auto [loss_at_w, accuracy_at_w] = evaluate();
    loss = loss_at_w, error = 1 - accuracy_at_w;
    if (o_.average == 0) return;
    for (const double rho : o_.radii) {
      AverageRow row{rho, 0, 0, 0};
      double squares = 0;
      for (int k = 0; k < o_.average; ++k) {
        ball.to_centre(rho);
        ball.to_sphere(o_.ascent.seed, Purpose::Direction, static_cast<uint32_t>(k));
        const auto [there, accuracy] = evaluate();
        row.loss_increase += (there - loss) / o_.average;
        row.error_increase += (accuracy_at_w - accuracy) / o_.average;
        squares += (there - loss) * (there - loss) / o_.average;
      }
      row.deviation = std::sqrt(std::max(0.0, squares - row.loss_increase * row.loss_increase));
      average.push_back(row);
    }
  }

  const Options& o_;
  Stream stream_;
  TrainedNetwork network_;
  Dataset examples_;
  ProgressLine progress_;
};

void print(const Measurement& m, const Options& o) {
  fmt::print("at w: loss {:.4f}, error {:.2f} %\n{:>7} {:>9} {:>14} {:>14} {:>14}\n", m.loss,
             100 * m.error, "m", "rho", "loss increase", "error incr. %", "|gradient|");
  for (const SharpnessRow& r : m.rows) {
    fmt::print("{:>7} {:>9.4g} {:>14.5f} {:>14.2f} {:>14.4f}\n", r.m, r.rho, r.loss_increase,
               100 * r.error_increase, r.gradient_norm);
  }
  for (const AverageRow& r : m.average) {
    fmt::print("{:>7} {:>9.4g} {:>14.5f} {:>14.2f}   (of {} directions, ± {:.5f})\n", "average",
               r.rho, r.loss_increase, 100 * r.error_increase, o.average, r.deviation);
  }
}

int run(Options& o, const CommonOptions& common) {
  o.ascent.seed = common.seed;
  const ResultFiles files(o.out, "sharpness");
  Measurement measure(o, common);
  measure();
  const std::string problem = files.write_drawn(measure.json().dump(2) + "\n");
  if (common.quiet) return 0;
  print(measure, o);
  fmt::print("{}\n", problem.empty()
                         ? fmt::format("written to {} (sharpness.json, .png, .svg)", o.out)
                         : problem);
  return 0;
}

void add_ascent_options(CommandLine command, AscentOptions& o) {
  command.add_option("--steps", o.steps, "of an ascent")
      .check(between(1, 1'000'000))
      .capture_default_str();
  command.add_option("--step-size", o.step_size, "of an ascent's step, in units of rho")
      .check(positive())
      .capture_default_str();
  add_choice(command, "--schedule", o.schedule, kSchedule,
             "of the steps; quarters: times 1, 1/2, 1/4, 1/8 in the quarters of the way");
  command.add_flag_function(
      "--random-start", [&o](bool yes) { o.start = yes ? Start::Sphere : Start::Centre; },
      "begin anywhere on the sphere of radius rho, not at w");
  command.add_option("--restarts", o.restarts, "ascents, of which the worst counts")
      .check(between(1, 1'000'000))
      .capture_default_str();
  command.add_flag_function(
      "--adaptive", [&o](bool yes) { o.geometry = yes ? Geometry::Adaptive : Geometry::Plain; },
      "the ball |delta / w| <= rho of ASAM: each weight moves in its own scale");
}

}  // namespace

Command add_sharpness(CommandLine app) {
  const CommandLine command = app.add_command(
      "sharpness", "How much a checkpoint's loss can grow nearby, for batches of m examples");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  command.add_option("--checkpoint", o->checkpoint, "what `basin train` has written")
      .required()
      .type_name("FILE");
  add_rising_numbers(command, "--microbatch", o->sizes, 1 << 20,
                     "m, the examples of a batch, as 1,16,128");
  add_radii(command, "--rho", o->radii, "radii of the ball, as 0.05,0.1");
  add_ascent_options(command, o->ascent);
  command
      .add_option("--average", o->average,
                  "also the mean over N random directions of length rho: average-case sharpness")
      .check(between(0, 1'000'000))
      .capture_default_str();
  command.add_option("--split", o->split, "where the loss is taken: train or test")
      .check(one_of({"train", "test"}))
      .capture_default_str();
  command.add_option("--examples", o->examples, "the first N of the split, not augmented")
      .check(at_least(1))
      .capture_default_str();
  add_trained_network_options(command, o->network);
  command.add_option("--out", o->out, "the folder of sharpness.json, .png and .svg")
      .capture_default_str();
  add_common_options(command, *common);
  command.footer(
      "For each batch B of m consecutive examples, the maximum of L_B(w + delta) - L_B(w) over\n"
      "|delta| <= rho that projected normalised gradient ascent comes by; then the mean over the\n"
      "batches. Inference mode: batch norm's statistics are the checkpoint's. The smaller m, the\n"
      "more a batch can gain by a delta of its own; random directions gain least.\n"
      "Example:\n  basin sharpness --checkpoint out/demo/checkpoint.safetensors --microbatch "
      "8,128 \\\n      --rho 0.05,0.1,0.2 --average 20");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
