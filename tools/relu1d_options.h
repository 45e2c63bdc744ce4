// What `basin relu1d` is asked for.
#pragma once

#include <string>
#include <vector>

#include "kernels/relu1d.h"
#include "models/relu1d.h"
#include "tools/choices.h"

namespace basin {

class CommandLine;

// Which runs' learning rate falls to 0: the paper's code has it so in SAM's branch only.
enum class RateDecay { SamOnly, Always, Never };

struct Relu1dOptions {
  std::vector<uint64_t> seeds{0};
  Relu1dStart start;  // without its seed
  double rho = 0, lr = 5e-5;
  bool unnormalised = false;
  int64_t steps = 1'000'001;
  RateDecay decay = RateDecay::SamOnly;
  int64_t decay_steps = 1'000'000;
  double stop_loss = 1e-5;
  WatchedLoss watched = WatchedLoss::Perturbed;
  std::string data;  // a file, or ""
  int64_t log = 20;  // rows of curves.csv for each power of ten
  std::string out = "out/relu1d";

  Relu1dRule rule() const;
};

extern const Choices<InitRng> kInitRngs;
extern const Choices<RateDecay> kRateDecays;
extern const Choices<WatchedLoss> kWatchedLosses;

// All but the common ones; --seed takes a list.
void add_relu1d_options(CommandLine command, Relu1dOptions& options);

// The steps behind which a row is written, of `steps`: 1, then `per_decade` for each power of ten
// (all of them, where there are no more), and the last.
std::vector<int64_t> relu1d_logged(int64_t per_decade, int64_t steps);

}  // namespace basin
