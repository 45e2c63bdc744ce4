#include "tools/relu1d_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
std::string field(T value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "";
}

constexpr const char* kEnd =
    "loss,loss_perturbed,kinks,kinks_large,slope_change,variation,path_norm,norm";

std::string end_fields(const Relu1dRow& row) {
  const Relu1dMeasures& m = row.measures;
  return fmt::format("{},{},{},{},{},{},{},{}", field(m.loss), field(row.loss_perturbed), m.kinks,
                     m.kinks_large, field(m.slope_change), field(m.variation), field(m.path_norm),
                     field(m.norm));
}

Relu1dRow end_of(const Relu1dRuns& runs, size_t i) {
  return runs.rows(i).back();
}

const char* end_name(Relu1dEnd end) {
  switch (end) {
    case Relu1dEnd::None:
      return "steps";
    case Relu1dEnd::Fitted:
      return "loss";
    case Relu1dEnd::Diverged:
      return "diverged";
  }
  return "";
}

}  // namespace

std::string relu1d_curves_csv(const Relu1dRuns& runs, size_t i) {
  std::string text = fmt::format("step,{}\n", kEnd);
  for (const Relu1dRow& row : runs.rows(i))
    text += fmt::format("{},{}\n", row.step, end_fields(row));
  return text;
}

std::string relu1d_function_csv(const Relu1dRuns& runs, size_t i) {
  std::string text = "x,f\n";
  const Relu1dWeights weights = runs.weights(i);
  const Grid grid = runs.view().grid();
  for (int64_t p = 0; p < grid.points; ++p) {
    const double x = grid.at(p);
    text += fmt::format("{},{}\n", field(x), field(relu1d_value(weights, x)));
  }
  return text;
}

std::string relu1d_kinks_csv(const Relu1dRuns& runs, size_t i) {
  std::string text = "x,slope_change,units\n";
  const Relu1dView& view = runs.view();
  for (const Kink& kink : relu1d_kinks(runs.weights(i), view.low, view.high, view.merge())) {
    text += fmt::format("{},{},{}\n", field(kink.x), field(kink.slope_change), kink.units);
  }
  return text;
}

std::string relu1d_weights_csv(const Relu1dRuns& runs, size_t i) {
  std::string text = "w,b,a\n";
  const Relu1dWeights weights = runs.weights(i);
  for (size_t j = 0; j < weights.w.size(); ++j) {
    text +=
        fmt::format("{},{},{}\n", field(weights.w[j]), field(weights.b[j]), field(weights.a[j]));
  }
  return text;
}

std::string relu1d_points_csv(const Relu1dRuns& runs) {
  std::string text = "x,y\n";
  const Regression& data = runs.data();
  for (int64_t k = 0; k < data.n; ++k) {
    text += fmt::format("{},{}\n", field(data.x[k]), field(data.y[k]));
  }
  return text;
}

std::string relu1d_summary_json(const Relu1dRuns& runs, size_t i) {
  const Relu1dOptions& o = runs.options();
  const Relu1dProgress& p = runs.progress(i);
  const Relu1dRow end = end_of(runs, i);
  const Relu1dMeasures& m = end.measures;
  Json json{{"seed", o.seeds[i]},
            {"rng", choice_name(kInitRngs, o.start.rng)},
            {"units", o.start.units},
            {"init_scale", o.start.scale},
            {"rho", o.rho},
            {"normalised", !o.unnormalised},
            {"lr", o.lr},
            {"lr_decay", choice_name(kRateDecays, o.decay)},
            {"decay_steps", o.rule().decay_steps},
            {"steps", o.steps},
            {"stop_loss", o.stop_loss},
            {"stop_on", choice_name(kWatchedLosses, o.watched)},
            {"points", runs.data().n}};
  if (!o.data.empty()) json["data"] = o.data;
  json.update(Json{{"iterations", p.steps},
                   {"ended_by", end_name(p.end)},
                   {"loss", m.loss},
                   {"loss_perturbed", end.loss_perturbed},
                   {"kinks", m.kinks},
                   {"kinks_large", m.kinks_large},
                   {"slope_change", m.slope_change},
                   {"variation", m.variation},
                   {"path_norm", m.path_norm},
                   {"norm", m.norm}});
  return json.dump(2) + "\n";
}

std::string relu1d_sweep_csv(const Relu1dRuns& runs) {
  std::string text = fmt::format("seed,iterations,ended_by,{}\n", kEnd);
  for (size_t i = 0; i < runs.options().seeds.size(); ++i) {
    const Relu1dProgress& p = runs.progress(i);
    text += fmt::format("{},{},{},{}\n", runs.options().seeds[i], p.steps, end_name(p.end),
                        end_fields(end_of(runs, i)));
  }
  return text;
}

std::string relu1d_table(const Relu1dRuns& runs) {
  std::string text = fmt::format("{:>10} {:>10} {:>11} {:>14} {:>6} {:>6} {:>12} {:>10} {:>10}\n",
                                 "seed", "iterations", "loss", "perturbed loss", "kinks", "large",
                                 "slope change", "variation", "path norm");
  for (size_t i = 0; i < runs.options().seeds.size(); ++i) {
    const Relu1dProgress& p = runs.progress(i);
    if (p.end == Relu1dEnd::Diverged) {
      text += fmt::format("{:>10} {:>10} diverged\n", runs.options().seeds[i], p.steps);
      continue;
    }
    const Relu1dRow end = end_of(runs, i);
    const Relu1dMeasures& m = end.measures;
    text +=
        fmt::format("{:>10} {:>10} {:>11.4g} {:>14.4g} {:>6} {:>6} {:>12.1f} {:>10.2f} {:>10.1f}\n",
                    runs.options().seeds[i], p.steps, m.loss, end.loss_perturbed, m.kinks,
                    m.kinks_large, m.slope_change, m.variation, m.path_norm);
  }
  return text;
}

}  // namespace basin
