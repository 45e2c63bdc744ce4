#include "tools/diag_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/diagonal_rules.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kColumns[] = {"train_loss",         "test_loss",    "l1",
                                    "beta_error_squared", "scale_mean",   "difference_max",
                                    "potential",          "loss_integral"};
static_assert(std::size(kColumns) == kDiagonalColumns);

std::string field(double value) {
  return std::isfinite(value) ? fmt::format("{:.17g}", value) : "";
}

// The last row, of NaN where it diverged.
DiagonalRow end_of(const DiagRuns& runs, int64_t m) {
  DiagonalRow end = runs.sweep().rows(m).back();
  if (runs.sweep().diverged(m) >= 0) end.values.fill(std::nan(""));
  return end;
}

void add_end(const DiagRuns& runs, int64_t m, Json& json) {
  const DiagonalRow end = end_of(runs, m);
  for (int c = 0; c < kDiagonalColumns; ++c) json[kColumns[c]] = end.values[c];
  const int64_t diverged = runs.sweep().diverged(m);
  json["diverged_at"] = diverged < 0 ? Json() : Json(diverged);
}

Json setting_json(const DiagSetting& s) {
  return {{"algorithm", choice_name(kDiagonalAlgorithms, s.algorithm)},
          {"seed", s.seed},
          {"alpha", s.alpha},
          {"gamma", s.gamma},
          {"rho", s.rho}};
}

std::string number(double value, int width) {
  return std::isfinite(value) ? fmt::format("{:>{}.5g}", value, width)
                              : fmt::format("{:>{}}", "-", width);
}

}  // namespace

std::string diag_curves_csv(const DiagRuns& runs) {
  std::string text = fmt::format("iteration,{}\n", fmt::join(kColumns, ","));
  for (const DiagonalRow& row : runs.rows(0)) {
    text += std::to_string(row.iteration);
    for (const double value : row.values) text += "," + field(value);
    text += "\n";
  }
  return text;
}

std::string diag_weights_csv(const DiagRuns& runs) {
  const DiagonalSweep& sweep = runs.sweep();
  const std::vector<double> u = sweep.u(0), v = sweep.v(0), exponent = sweep.exponent(0);
  const std::vector<double>& theta = sweep.problem(0).theta;
  std::string text = "u,v,beta,theta,difference,exponent\n";
  for (size_t j = 0; j < u.size(); ++j) {
    text += fmt::format("{},{},{},{},{},{}\n", field(u[j]), field(v[j]), field(u[j] * v[j]),
                        theta.empty() ? "" : field(theta[j]), field((u[j] - v[j]) * (u[j] + v[j])),
                        field(exponent[j]));
  }
  return text;
}

std::string diag_sweep_csv(const DiagRuns& runs) {
  std::string text =
      fmt::format("algorithm,seed,alpha,gamma,rho,{},diverged_at\n", fmt::join(kColumns, ","));
  for (size_t i = 0; i < runs.settings().size(); ++i) {
    const auto m = static_cast<int64_t>(i);
    const DiagSetting& s = runs.settings()[i];
    text += fmt::format("{},{},{},{},{}", choice_name(kDiagonalAlgorithms, s.algorithm), s.seed,
                        field(s.alpha), field(s.gamma), field(s.rho));
    for (const double value : end_of(runs, m).values) text += "," + field(value);
    const int64_t diverged = runs.sweep().diverged(m);
    text += fmt::format(",{}\n", diverged < 0 ? "" : std::to_string(diverged));
  }
  return text;
}

std::string diag_summary_json(const DiagRuns& runs, const std::string& device, int threads) {
  const DiagOptions& o = runs.options();
  Json json;
  if (runs.single()) {
    json = setting_json(runs.settings()[0]);
    add_end(runs, 0, json);
  }
  json["steps"] = runs.steps();
  json["then"] = Json::array();
  for (const DiagStage& stage : o.then) {
    Json one{{"algorithm", choice_name(kDiagonalAlgorithms, stage.algorithm)},
             {"steps", stage.steps}};
    if (stage.gamma) one["gamma"] = *stage.gamma;
    if (stage.rho) one["rho"] = *stage.rho;
    json["then"].push_back(one);
  }
  json["rho_convention"] = o.convention == RhoConvention::Code ? "code" : "paper";
  json["rng"] = o.problem.rng == DataRng::Numpy ? "numpy" : "philox";
  json["n"] = runs.n(), json["d"] = runs.d();
  if (o.data.empty()) {
    json["sparsity"] = o.problem.sparsity;
  } else {
    json["data"] = o.data;
  }
  const double all =
      static_cast<double>(runs.steps()) * static_cast<double>(runs.settings().size());
  json["device"] = device, json["threads"] = threads;
  json["seconds"] = runs.seconds(), json["steps_per_second"] = all / runs.seconds();
  if (!runs.single()) {
    json["runs"] = Json::array();
    for (size_t m = 0; m < runs.settings().size(); ++m) {
      Json one = setting_json(runs.settings()[m]);
      add_end(runs, static_cast<int64_t>(m), one);
      json["runs"].push_back(one);
    }
  }
  return json.dump(2) + "\n";
}

std::string diag_table(const DiagRuns& runs) {
  constexpr size_t kShown = 40;
  std::string text = fmt::format("{:>9} {:>6} {:>8} {:>8} {:>8} {:>11} {:>11} {:>9} {:>11} {:>9}\n",
                                 "algorithm", "seed", "alpha", "gamma", "rho", "train loss",
                                 "test loss", "|beta|_1", "|b - th.|^2", "scale");
  for (size_t i = 0; i < std::min(kShown, runs.settings().size()); ++i) {
    const auto m = static_cast<int64_t>(i);
    const DiagSetting& s = runs.settings()[i];
    text +=
        fmt::format("{:>9} {:>6} {:>8.4g} {:>8.4g} {:>8.4g}",
                    choice_name(kDiagonalAlgorithms, s.algorithm), s.seed, s.alpha, s.gamma, s.rho);
    if (const int64_t diverged = runs.sweep().diverged(m); diverged >= 0) {
      text += fmt::format("  diverged at iteration {}\n", diverged);
      continue;
    }
    const auto& end = end_of(runs, m).values;
    text += fmt::format(" {} {} {} {} {}\n", number(end[kTrainLoss], 11),
                        number(end[kTestLoss], 11), number(end[kL1], 9),
                        number(end[kErrorSquared], 11), number(end[kScaleMean], 9));
  }
  for (const DiagStage& stage : runs.options().then) {
    text += fmt::format("then {}{}, {} steps\n", choice_name(kDiagonalAlgorithms, stage.algorithm),
                        (stage.gamma ? fmt::format(", gamma {:.4g}", *stage.gamma) : "") +
                            (stage.rho ? fmt::format(", rho {:.4g}", *stage.rho) : ""),
                        stage.steps);
  }
  if (runs.settings().size() > kShown) {
    text += fmt::format("({} more)\n", runs.settings().size() - kShown);
  }
  return text;
}

std::string diag_theory(const DiagRuns& runs) {
  std::string text =
      "Gradient flow from u = alpha, v = 0 keeps |u_j^2 - v_j^2| = alpha^2, and ends at the least\n"
      "potential, sum_j a_j^2 q(beta_j / a_j^2) with a = alpha / 2, of all beta with X beta = y: a "
      "small\nscale sqrt|u^2 - v^2| ends at a sparse beta. SAM's flow shrinks it on the way, to "
      "alpha exp(-c Delta_j),\nc the radius of a step and Delta the integral over time of\n"
      "  nsam: g' o g                             |Delta|_1 ~ 2 (d / n) I for Gaussian X, d >> n\n"
      "  1sam: (1/n) sum_k r'_k r_k x_k o x_k     |Delta|_1 ~ 2 d I\n"
      "with I the integral of the train loss. n-SAM's is n times weaker.\n\n";
  text +=
      fmt::format("{:>9} {:>8} {:>8} {:>8} {:>9} {:>10} {:>8} {:>10} {:>10} {:>7} {:>9} {:>9}\n",
                  "algorithm", "alpha", "c", "I", "|Delta|_1", "2 d I[/n]", "", "predicted",
                  "measured", "", "potential", "|beta|_1");
  for (size_t i = 0; i < runs.settings().size(); ++i) {
    const auto m = static_cast<int64_t>(i);
    const DiagSetting& s = runs.settings()[i];
    const DiagonalTrajectory& one = runs.sweep().each()[i];
    const auto& end = end_of(runs, m).values;
    const auto d = static_cast<double>(runs.d()), n = static_cast<double>(runs.n());
    double predicted = 0, sum = 0;
    for (const double e : runs.sweep().exponent(m)) {
      predicted += s.alpha * std::exp(-e) / d;
      sum += std::abs(e);
    }
    const double c = runs.options().then.empty() ? one.radius : 0;  // several stages have several
    const double delta = c > 0 ? sum / c : std::nan("");
    const double estimate =
        2 * d * end[kLossIntegral] / (s.algorithm == DiagonalAlgorithm::NSam ? n : 1);
    text += fmt::format(
        "{:>9} {:>8.4g} {:>8.4g} {:>8.4g} {} {} {:>8} {:>10.6f} {:>10.6f} {:>6.2f}% {:>9.5g} "
        "{:>9.6f}\n",
        choice_name(kDiagonalAlgorithms, s.algorithm), s.alpha, c, end[kLossIntegral],
        number(delta, 9), number(c > 0 ? estimate : std::nan(""), 10),
        c > 0 ? fmt::format("({:.2f})", delta / estimate) : "", predicted, end[kScaleMean],
        100 * (end[kScaleMean] / predicted - 1), end[kPotential], end[kL1]);
  }
  const std::vector<double>& theta = runs.sweep().problem(0).theta;
  if (theta.empty()) return text;
  double potential = 0, l1 = 0;
  for (const double value : theta) {
    potential += potential_term(value, runs.settings()[0].alpha / 2), l1 += std::abs(value);
  }
  return text +
         fmt::format("theta itself, seed {}, alpha {:.4g}: potential {:.5g}, |theta|_1 {:.6f}\n",
                     runs.settings()[0].seed, runs.settings()[0].alpha, potential, l1);
}

}  // namespace basin
