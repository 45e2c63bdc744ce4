#include "tools/optimizer_options.h"

namespace basin {

void add_optimizer_options(CLI::App& command, OptimizerOptions& o) {
  const std::string group = "Optimiser";
  command.add_option("--optimizer", o.name, "sgd or sam")->capture_default_str()->group(group);
  command.add_option("--rho", o.rho, "SAM's radius")
      ->check(non_negative())
      ->capture_default_str()
      ->group(group);
  command.add_option("--sam-steps", o.sam_steps, "K projected ascent steps")
      ->check(at_least(1))
      ->capture_default_str()
      ->group(group);
  command.add_option("--sam-step-size", o.sam_step_size, "of an ascent step, in units of rho")
      ->check(non_negative())
      ->capture_default_str()
      ->group(group);
  const auto flag = [&](const char* name, const std::function<void(bool)>& set, const char* help) {
    command
        .add_flag_function(
            name, [set](int64_t count) { set(count > 0); }, help)
        ->group(group);
  };
  flag(
      "--sam-no-normalise", [&o](bool yes) { o.normalise = yes ? Normalise::No : Normalise::Yes; },
      "ascend by rho * gradient, not by its direction");
  flag(
      "--nesterov", [&o](bool yes) { o.descent.nesterov = yes ? Nesterov::Yes : Nesterov::No; },
      "Nesterov's form of momentum");
  command.add_option("--momentum", o.descent.momentum, "of the descent")
      ->check(non_negative())
      ->capture_default_str()
      ->group(group);
  command.add_option("--weight-decay", o.descent.decay, "in the descent, at w")
      ->check(non_negative())
      ->capture_default_str()
      ->group(group);
  const auto choice = [&](const char* name, auto& value, const char* help, auto names) {
    command.add_option(name, value, help)
        ->transform(CLI::CheckedTransformer(names, CLI::ignore_case).description(""))
        ->group(group);
  };
  choice("--decay", o.descent.form, "l2 (in the gradient) or decoupled",
         std::map<std::string, Decay>{{"l2", Decay::L2}, {"decoupled", Decay::Decoupled}});
  choice("--statistics", o.statistics,
         "the passes that move batch norm's running statistics: first, both or frozen",
         std::map<std::string, StatisticsFrom>{{"first", StatisticsFrom::First},
                                               {"both", StatisticsFrom::Both},
                                               {"frozen", StatisticsFrom::Frozen}});
}

}  // namespace basin
