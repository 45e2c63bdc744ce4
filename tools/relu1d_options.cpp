#include "tools/relu1d_options.h"

#include <cmath>
#include <set>

#include "tools/cli.h"

namespace basin {

const Choices<InitRng> kInitRngs{{"philox", InitRng::Philox}, {"torch", InitRng::Torch}};
const Choices<RateDecay> kRateDecays{
    {"sam-only", RateDecay::SamOnly}, {"always", RateDecay::Always}, {"never", RateDecay::Never}};
const Choices<WatchedLoss> kWatchedLosses{{"perturbed", WatchedLoss::Perturbed},
                                          {"plain", WatchedLoss::Plain}};

Relu1dRule Relu1dOptions::rule() const {
  const bool decays = decay == RateDecay::Always || (decay == RateDecay::SamOnly && rho > 0);
  return {.gamma = lr,
          .rho = rho,
          .normalise = unnormalised ? Normalise::No : Normalise::Yes,
          .decay_steps = decays ? decay_steps : 0,
          .enough = stop_loss,
          .watched = watched};
}

void add_relu1d_options(CommandLine command, Relu1dOptions& o) {
  command.add_option("--rho", o.rho, "SAM's radius; 0: gradient descent (the paper's SAM has 0.3)")
      .check(non_negative())
      .capture_default_str();
  command.add_flag("--unnormalised", o.unnormalised,
                   "SAM moves along rho g, not along rho g / |g|");
  command.add_option("--lr", o.lr, "learning rate").check(positive()).capture_default_str();
  add_choice(
      command, "--lr-decay", o.decay, kRateDecays,
      "whether step t has the rate lr (1 - t / decay-steps); sam-only: where --rho is not 0, "
      "as in the paper's code");
  command.add_option("--decay-steps", o.decay_steps, "the steps after which that rate is 0")
      .check(at_least(1))
      .capture_default_str();
  command.add_option("--steps", o.steps, "the most steps of a run")
      .check(at_least(1))
      .capture_default_str();
  command.add_option("--stop-loss", o.stop_loss, "a run ends with the step that finds this loss")
      .check(non_negative())
      .capture_default_str();
  add_choice(command, "--stop-on", o.watched, kWatchedLosses,
             "that loss is the one at the perturbed weights, as in the paper's code, or at the "
             "weights themselves");
  add_choice(
      command, "--rng", o.start.rng, kInitRngs,
      "where the first weights come from; torch: those that the paper's code has for a seed");
  command.add_option("--units", o.start.units, "hidden units")
      .check(between(1, 1 << 20))
      .capture_default_str();
  command.add_option("--init-scale", o.start.scale, "a factor of all first weights")
      .check(positive())
      .capture_default_str();
  command
      .add_option("--data", o.data,
                  "instead of the paper's 12 points: a CSV file, a line a point, x and then y, # "
                  "before a comment; or an .npy array [points, 2]")
      .type_name("FILE");
  command.add_option("--log", o.log, "rows of curves.csv for each power of ten of the steps")
      .check(between(1, 1000))
      .capture_default_str();
  command.add_option("--out", o.out, "the folder of what is written; several seeds: a folder each")
      .capture_default_str();
}

std::vector<int64_t> relu1d_logged(int64_t per_decade, int64_t steps) {
  std::set<int64_t> logged{steps};
  const double decades = std::log10(static_cast<double>(steps));
  for (int64_t i = 0; i <= std::ceil(decades) * static_cast<double>(per_decade); ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(per_decade);
    const auto step = static_cast<int64_t>(std::round(std::pow(10.0, exponent)));
    if (step <= steps) logged.insert(step);
  }
  return {logged.begin(), logged.end()};
}

}  // namespace basin
