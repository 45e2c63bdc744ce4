#include "tools/step_options.h"

#include <nlohmann/json.hpp>

#include "tools/cli.h"

namespace basin {
namespace {

const Choices<Decay> kDecay{{"l2", Decay::L2}, {"decoupled", Decay::Decoupled}};
const Choices<StatisticsFrom> kStatistics{{"first", StatisticsFrom::First},
                                          {"both", StatisticsFrom::Both},
                                          {"frozen", StatisticsFrom::Frozen}};
const Choices<ConvAlgorithm> kConvolution{{"auto", ConvAlgorithm::Auto},
                                          {"winograd", ConvAlgorithm::Winograd},
                                          {"direct", ConvAlgorithm::Direct},
                                          {"measured", ConvAlgorithm::Measured}};
const Choices<ExecutionChoice> kExecution{{"auto", ExecutionChoice::Auto},
                                          {"measure", ExecutionChoice::Measure},
                                          {"loop", ExecutionChoice::Loop},
                                          {"grouped", ExecutionChoice::Grouped},
                                          {"ghost", ExecutionChoice::Ghost}};
const Choices<Precision> kPrecision{{"float32", Precision::Full}, {"bf16", Precision::BFloat16}};

void add_group_options(CommandLine command, StepOptions& o) {
  command
      .add_option("--microbatch", o.microbatch,
                  "m-SAM: each m examples of the batch have a perturbation of their own; 0: all "
                  "have one")
      .check(at_least(0))
      .capture_default_str()
      .group("Optimiser");
  add_choice(command, "--microbatch-execution", o.execution, kExecution,
             "m-SAM's groups one by one, several at once with weights of their own, or (ghost) "
             "without; auto: by network, device and planned memory; measure: the fastest")
      .group("Optimiser");
  command
      .add_option("--memory-limit", o.memory_limit,
                  "MiB that m-SAM's replays may take, by the plan; 0: what there is")
      .check(non_negative())
      .capture_default_str()
      .group("Optimiser");
}

std::string number_or_measure(std::string& text) {
  if (text != "measure") return at_least(0)(text);
  text = std::to_string(kMeasuredChunk);
  return "";
}

void add_optimizer_options(CommandLine command, OptimizerOptions& o) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help).capture_default_str().group("Optimiser");
  };
  const auto add_flag = [&](const char* name, const std::function<void(bool)>& set,
                            const char* help) {
    command.add_flag_function(name, set, help).group("Optimiser");
  };
  add("--optimizer", o.name, "sgd, sam, or random: the gradient at w + a random eps");
  add("--rho", o.rho, "SAM's radius; the mean one of random").check(non_negative());
  add("--sam-steps", o.sam_steps, "K projected ascent steps").check(at_least(1));
  add("--sam-step-size", o.sam_step_size, "of an ascent step, in units of rho")
      .check(non_negative());
  add_flag(
      "--sam-no-normalise", [&o](bool yes) { o.normalise = yes ? Normalise::No : Normalise::Yes; },
      "ascend by rho * gradient, not by its direction");
  add_flag(
      "--nesterov", [&o](bool yes) { o.descent.nesterov = yes ? Nesterov::Yes : Nesterov::No; },
      "Nesterov's form of momentum");
  add("--momentum", o.descent.momentum, "of the descent").check(non_negative());
  add("--weight-decay", o.descent.decay, "in the descent, at w").check(non_negative());
  add_choice(command, "--decay", o.descent.form, kDecay, "weight decay in the gradient, or apart")
      .group("Optimiser");
  add_choice(command, "--statistics", o.statistics, kStatistics,
             "the passes that move batch norm's running statistics")
      .group("Optimiser");
}

}  // namespace

void add_network_options(CommandLine command, std::string& model, int64_t& width) {
  command.add_option("--model", model, "one of those that `basin info` lists")
      .capture_default_str();
  command.add_option("--width", width, "channels of the first stage; hidden units of an mlp")
      .check(at_least(1))
      .capture_default_str();
}

void add_batch_option(CommandLine command, StepOptions& o) {
  command.add_option("--batch", o.batch, "examples of a step")
      .check(at_least(1))
      .capture_default_str();
}

void add_step_options(CommandLine command, StepOptions& o) {
  add_optimizer_options(command, o.optimizer);
  add_group_options(command, o);
  command.add_option("--l2", o.l2, "adds l2 / 2 |w|^2 to the loss of every pass")
      .check(non_negative())
      .capture_default_str();
  command
      .add_option("--chunk", o.chunk,
                  "the most examples that a thread replays at once; 0: what suits the network; "
                  "measure: the cheapest of 8 to 64")
      .transform(number_or_measure)
      .capture_default_str();
  add_choice(command, "--convolution", o.convolution, kConvolution,
             "how a CPU convolves float32 where Winograd's way fits; measured: on CUDA, by the "
             "fastest of cuDNN's engines, no two runs alike to the byte");
  add_choice(command, "--precision", o.precision, kPrecision,
             "of activations and convolutions; weights, norms and sums stay float32");
  command.add_flag_function(
      "--tf32", [&o](bool yes) { o.tf32 = yes ? Tf32::Yes : Tf32::No; },
      "on CUDA, multiply float32 on tensor cores, rounded to 10 bits");
}

ExecutionChoice execution_named(const std::string& word) {
  for (const auto& [name, execution] : kExecution) {
    if (name == word) return execution;
  }
  fail("--executions", "found '{}', expected loop, grouped or ghost", word);
}

std::string execution_name(ExecutionChoice execution) {
  return choice_name(kExecution, execution);
}

std::string precision_name(const StepOptions& o) {
  return o.tf32 == Tf32::Yes ? "tf32" : choice_name(kPrecision, o.precision);
}

std::string arithmetic_options(const StepOptions& o) {
  std::string precision = o.tf32 == Tf32::Yes ? "--tf32" : "--precision " + precision_name(o);
  if (o.convolution == ConvAlgorithm::Auto) return precision;
  return precision + " --convolution " + choice_name(kConvolution, o.convolution);
}

nlohmann::ordered_json configuration(const StepOptions& step) {
  const OptimizerOptions& o = step.optimizer;
  return {{"optimizer", o.name},
          {"rho", o.rho},
          {"sam-steps", o.sam_steps},
          {"sam-step-size", o.sam_step_size},
          {"sam-no-normalise", o.normalise == Normalise::No},
          {"statistics", choice_name(kStatistics, o.statistics)},
          {"momentum", o.descent.momentum},
          {"nesterov", o.descent.nesterov == Nesterov::Yes},
          {"weight-decay", o.descent.decay},
          {"decay", choice_name(kDecay, o.descent.form)},
          {"l2", step.l2},
          {"batch", step.batch},
          {"microbatch", step.microbatch},
          {"microbatch-execution", choice_name(kExecution, step.execution)},
          {"memory-limit", step.memory_limit},
          {"threads", step.threads},
          {"chunk", step.chunk},
          {"convolution", choice_name(kConvolution, step.convolution)},
          {"precision", choice_name(kPrecision, step.precision)},
          {"tf32", step.tf32 == Tf32::Yes}};
}

}  // namespace basin
