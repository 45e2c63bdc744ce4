// What `basin diag` is asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/diagonal_sweep.h"
#include "tools/cli.h"

namespace basin {

// Which radius 1-SAM moves by along r_k x_k: 2 rho, as the paper's code does, or rho.
enum class RhoConvention { Code, Paper };

// A stretch of a run: an algorithm with its options. Of the first one gamma and rho are lists.
struct DiagStage {
  DiagonalAlgorithm algorithm = DiagonalAlgorithm::Gd;
  std::optional<double> gamma, rho;  // of a later one; none: as before it
  int64_t steps = 10001;
  double decay = 0, balancedness = 0;
  bool normalised = false, derivative_only = false;
};

struct DiagOptions {
  std::vector<DiagonalAlgorithm> algorithms{DiagonalAlgorithm::Gd};
  std::vector<double> alphas{0.1}, gammas, rhos{0.1};  // no gammas: 5 / d
  std::vector<uint64_t> seeds{0};
  SparseRegressionOptions problem;
  std::string data, test_data;  // files
  RhoConvention convention = RhoConvention::Code;
  DiagStage first;
  std::vector<int64_t> halvings;  // iterations of the first stage
  std::vector<DiagStage> then;
  int64_t skip_draws = 0;
  std::string log = "paper";
  bool theory = false;
  std::vector<std::string> between;  // two files of weights: the line between them, and no run
  double from = -1, to = 2;
  int64_t points = 100;
  std::string out = "out/diag";
};

extern const Choices<DiagonalAlgorithm> kDiagonalAlgorithms;

// A number, or one divided by another: "0.1", "1/30"; nothing for what is neither.
std::optional<double> parse_ratio(const std::string& word);
// "1sam:rho=10,gamma=1/30"; Error(Usage) of --then. steps: those that it has by default.
DiagStage parse_stage(const std::string& text, int64_t steps);
// The iterations, of `steps`, that --log names: "all", "paper", or every N-th and the last.
std::vector<int64_t> logged_iterations(const std::string& log, int64_t steps);

// All options but --out and the common ones. Those that were given are checked by checked().
void add_diag_options(CommandLine command, DiagOptions& options, std::vector<std::string>& then);
// With what is left open filled in; Error(Usage) where options contradict each other.
DiagOptions checked(DiagOptions options, CommandLine command, const std::vector<std::string>& then);

}  // namespace basin
