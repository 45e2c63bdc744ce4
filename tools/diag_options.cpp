#include "tools/diag_options.h"

#include <charconv>
#include <cmath>
#include <set>

#include "kernels/error.h"
#include "tools/suggestion.h"

namespace basin {

const Choices<DiagonalAlgorithm> kDiagonalAlgorithms{{"gd", DiagonalAlgorithm::Gd},
                                                     {"sgd", DiagonalAlgorithm::Sgd},
                                                     {"nsam", DiagonalAlgorithm::NSam},
                                                     {"1sam", DiagonalAlgorithm::OneSam}};

namespace {

const Choices<DataRng> kRngs{{"philox", DataRng::Philox}, {"numpy", DataRng::Numpy}};
const Choices<RhoConvention> kConventions{{"code", RhoConvention::Code},
                                          {"paper", RhoConvention::Paper}};

std::optional<double> parse_number(std::string_view word) {
  double value = NAN;
  const auto [stop, status] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = status == std::errc() && stop == word.data() + word.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> parse_whole(std::string_view word) {
  int64_t value = -1;
  const auto [stop, status] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = status == std::errc() && stop == word.data() + word.size();
  return whole && value >= 0 ? std::optional(value) : std::nullopt;
}

std::optional<DiagonalAlgorithm> algorithm_named(const std::string& word) {
  for (const auto& [name, algorithm] : kDiagonalAlgorithms) {
    if (name == word) return algorithm;
  }
  return std::nullopt;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const auto& choice : kDiagonalAlgorithms) names.push_back(choice.first);
  return names;
}

std::optional<double> above_zero(const std::string& word) {
  const std::optional<double> value = parse_ratio(word);
  return value && *value > 0 ? value : std::nullopt;
}
std::optional<double> not_negative(const std::string& word) {
  const std::optional<double> value = parse_ratio(word);
  return value && *value >= 0 ? value : std::nullopt;
}

// An option of a list, each word of which parse() takes; `expected` says what that is.
template <class Value, class Parse>
CommandOption add_values(CommandLine command, const std::string& name, std::vector<Value>& values,
                         const Parse& parse, const std::string& expected, const std::string& help) {
  const auto complaint = [=](const std::string& list) -> std::string {
    for (const std::string& word : split(list)) {
      if (!parse(word)) return fmt::format("found '{}', expected {}", word, expected);
    }
    return "";
  };
  const auto value = [parse](const std::string& word) { return Value{*parse(word)}; };
  return add_list(command, name, values, complaint, value, help);
}

}  // namespace

std::optional<double> parse_ratio(const std::string& word) {
  const size_t slash = word.find('/');
  if (slash == std::string::npos) return parse_number(word);
  const std::optional<double> over = parse_number(std::string_view(word).substr(0, slash)),
                              under = parse_number(std::string_view(word).substr(slash + 1));
  return over && under && *under != 0 ? std::optional(*over / *under) : std::nullopt;
}

DiagStage parse_stage(const std::string& text, int64_t steps) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string name = text.substr(0, colon);
  const std::optional<DiagonalAlgorithm> algorithm = algorithm_named(name);
  BASIN_CHECK(algorithm.has_value(), "--then", "found '{}', expected {}{}", name,
              listed(algorithm_names()), suggestion(name, algorithm_names()));
  DiagStage stage{.algorithm = *algorithm, .gamma = {}, .rho = {}, .steps = steps};
  if (colon == text.size()) return stage;
  for (const std::string& setting : split(text.substr(colon + 1))) {
    const size_t equals = std::min(setting.find('='), setting.size());
    const std::string key = setting.substr(0, equals);
    const std::string value = equals < setting.size() ? setting.substr(equals + 1) : "";
    if (key == "normalised" || key == "derivative-only") {
      BASIN_CHECK(equals == setting.size(), "--then", "found '{}', expected no value", setting);
      (key == "normalised" ? stage.normalised : stage.derivative_only) = true;
      continue;
    }
    const std::vector<std::string> keys{"gamma",        "rho",        "steps",          "decay",
                                        "balancedness", "normalised", "derivative-only"};
    BASIN_CHECK(std::find(keys.begin(), keys.end(), key) != keys.end(), "--then",
                "found '{}', expected {}{}", key, listed(keys), suggestion(key, keys));
    if (key == "steps") {
      const std::optional<int64_t> number = parse_whole(value);
      BASIN_CHECK(number && *number >= 1, "--then", "found steps={}, expected a whole number >= 1",
                  value);
      stage.steps = *number;
      continue;
    }
    const std::optional<double> number = key == "gamma" ? above_zero(value) : not_negative(value);
    BASIN_CHECK(number.has_value(), "--then", "found {}={}, expected a number {}", key, value,
                key == "gamma" ? "above 0" : ">= 0");
    if (key == "gamma") stage.gamma = number;
    if (key == "rho") stage.rho = number;
    if (key == "decay") stage.decay = *number;
    if (key == "balancedness") stage.balancedness = *number;
  }
  return stage;
}

// The paper's: the first 500, and 201 evenly spaced by their logarithm.
std::vector<int64_t> logged_iterations(const std::string& log, int64_t steps) {
  std::set<int64_t> iterations{steps - 1};
  if (log == "paper") {
    for (int64_t i = 0; i < std::min<int64_t>(500, steps); ++i) iterations.insert(i);
    const double decades = std::log10(static_cast<double>(std::max<int64_t>(1, steps - 1)));
    for (int k = 0; k <= 200; ++k) {
      const auto at = static_cast<int64_t>(std::pow(10.0, decades * k / 200));
      if (at < steps) iterations.insert(at);
    }
  } else {
    const int64_t every = log == "all" ? 1 : *parse_whole(log);
    for (int64_t i = 0; i < steps; i += every) iterations.insert(iterations.end(), i);
  }
  return {iterations.begin(), iterations.end()};
}

void add_diag_options(CommandLine command, DiagOptions& o, std::vector<std::string>& then) {
  add_values(command, "--algorithm", o.algorithms, algorithm_named, listed(algorithm_names()),
             "gd, sgd (batches of one example), nsam (SAM of the full batch), 1sam (SAM example by "
             "example); neither SAM is normalised")
      .default_str("gd");
  add_values(command, "--alpha", o.alphas, above_zero, "numbers above 0, as 0.01,0.1",
             "the start: u = alpha, v = 0")
      .default_str("0.1");
  add_values(command, "--gamma", o.gammas, above_zero, "numbers above 0, as 0.1,1/6",
             "the step size [5 / d]");
  add_values(command, "--rho", o.rhos, not_negative, "numbers >= 0, as 0.03,0.1,0.3",
             "the radius of nsam and 1sam")
      .default_str("0.1");
  add_choice(command, "--rho-convention", o.convention, kConventions,
             "what 1sam moves u by along r_k x_k v: 2 rho, as the paper's code does, or rho");
  command.add_option("--steps", o.first.steps, "iterations")
      .check(at_least(1))
      .capture_default_str();
  command
      .add_option("--then", then,
                  "go on with another algorithm, for as many steps again, as 1sam:rho=10; options "
                  "behind the colon: gamma, rho, steps, decay, balancedness, normalised, "
                  "derivative-only; those left out: gamma and rho as before; may be repeated")
      .take_all()
      .type_name("STAGE");
  command.add_option("--n", o.problem.n, "training examples")
      .check(between(1, 1 << 20))
      .capture_default_str();
  command.add_option("--d", o.problem.d, "features")
      .check(between(1, 1 << 20))
      .capture_default_str();
  command.add_option("--sparsity", o.problem.sparsity, "features that the targets depend on")
      .check(at_least(1))
      .capture_default_str();
  command.add_option("--tests", o.problem.tests, "test examples; 0: no test loss")
      .check(between(0, 1 << 20))
      .capture_default_str();
  add_choice(command, "--rng", o.problem.rng, kRngs,
             "where data and SGD's examples come from; numpy with --seed 0 is the paper's problem");
  command
      .add_option("--skip-draws", o.skip_draws,
                  "of --rng numpy: how many of SGD's examples are drawn and dropped before the run")
      .check(at_least(0))
      .capture_default_str();
  command
      .add_option(
          "--data", o.data,
          "instead of random data: a CSV file, a line an example, its features and then its "
          "target, # before a comment; or an .npy array [examples, features + 1]")
      .type_name("FILE");
  command.add_option("--test-data", o.test_data, "the same, for the test loss").type_name("FILE");
  command.add_option("--decay", o.first.decay, "gd: u -= decay u in each step, not times gamma")
      .check(non_negative())
      .capture_default_str();
  command
      .add_option("--balancedness", o.first.balancedness,
                  "gd: the larger of |u_j| and |v_j| shrinks by this share in each step, the "
                  "smaller grows")
      .check(non_negative())
      .capture_default_str();
  command.add_flag("--normalised", o.first.normalised,
                   "gd: the gradients of u and of v, each divided by its norm");
  add_values(command, "--halve-at", o.halvings, parse_whole, "iterations, as 1000,5000",
             "gamma is halved behind these iterations, of which 0 is the first");
  command.add_flag("--derivative-only", o.first.derivative_only,
                   "1sam: only r_k is taken at the perturbed weights, the features are not");
  command
      .add_option("--log", o.log,
                  "rows of curves.csv: all; paper (the first 500 iterations, 201 spread evenly by "
                  "their logarithm); or N, every Nth and the last")
      .check([](const std::string& text) -> std::string {
        const std::optional<int64_t> every = parse_whole(text);
        if (text == "all" || text == "paper" || (every && *every >= 1)) return "";
        return fmt::format("found '{}', expected all, paper or a whole number >= 1", text);
      })
      .capture_default_str();
  command.add_flag(
      "--theory", o.theory,
      "print what gradient flow predicts of the effective scale sqrt|u^2 - v^2| beside "
      "what was measured; options not given are then --algorithm gd,nsam,1sam --alpha "
      "0.02 --gamma 0.1 --rho 0.1 --rho-convention paper --rng numpy --steps 1000000");
}

namespace {

// What --theory is of, where nothing else was asked for.
void fill_theory(DiagOptions& o, CommandLine command) {
  const auto open = [&](const char* name) { return !command.given(name); };
  using enum DiagonalAlgorithm;
  if (open("--algorithm")) o.algorithms = {Gd, NSam, OneSam};
  if (open("--alpha")) o.alphas = {0.02};
  if (open("--gamma")) o.gammas = {0.1};
  if (open("--rho-convention")) o.convention = RhoConvention::Paper;
  if (open("--rng")) o.problem.rng = DataRng::Numpy;
  if (open("--steps")) o.first.steps = 1'000'000;
}

}  // namespace

DiagOptions checked(DiagOptions o, CommandLine command, const std::vector<std::string>& then) {
  if (o.theory) fill_theory(o, command);
  for (const std::string& stage : then) o.then.push_back(parse_stage(stage, o.first.steps));
  if (!o.data.empty()) {
    for (const char* name : {"--n", "--d", "--sparsity", "--tests"}) {
      BASIN_CHECK(!command.given(name), name,
                  "found it beside --data, expected one or the other: a file says its size");
    }
  }
  BASIN_CHECK(o.test_data.empty() || !o.data.empty(), "--test-data",
              "found no --data beside it, expected the training data's file");
  BASIN_CHECK(o.skip_draws == 0 || o.problem.rng == DataRng::Numpy, "--skip-draws",
              "found it without --rng numpy, whose draws it skips");
  const size_t runs = o.algorithms.size() * o.seeds.size() * o.alphas.size() * o.rhos.size() *
                      std::max<size_t>(1, o.gammas.size());
  BASIN_CHECK(runs == 1 || !command.given("--log"), "--log",
              "found it with lists of options, whose sweep.csv has ends only");
  std::sort(o.halvings.begin(), o.halvings.end());
  return o;
}

}  // namespace basin
