// basin train: a network on a data set, with SGD or SAM.
#include "optim/schedule.h"
#include "tools/cli.h"
#include "tools/plot.h"
#include "tools/progress.h"
#include "tools/trainer.h"

namespace basin {
namespace {

int run(TrainOptions& o, const CommonOptions& common) {
  o.device = common.device;
  o.step.threads = common.threads;
  o.seed = common.seed;
  TrainDisplay display(o.epochs, common.quiet ? Quiet::Yes : Quiet::No);
  const TrainResult result = run_training(o, display);
  if (result.signal != 0) {
    fmt::print(stderr, "basin train: stopped by signal {}; --resume with --out {} goes on\n",
               result.signal, o.out);
    return 128 + result.signal;
  }
  display.table(result.epochs);
  const std::string problem = run_plot(
      {"run", o.out + "/metrics.jsonl", "--out", o.out + "/plot.png", "--title",
       fmt::format("{}, width {}, {}, {}", o.model, o.width, o.dataset, o.step.optimizer.name)});
  if (!common.quiet) {
    fmt::print("{}\n", problem.empty()
                           ? "written to " + o.out + " (plot.png, checkpoint.safetensors)"
                           : problem);
  }
  return 0;
}

}  // namespace

Command add_train(CommandLine app) {
  const CommandLine command = app.add_command("train", "Train a network with SGD or SAM");
  auto o = std::make_shared<TrainOptions>();
  auto common = std::make_shared<CommonOptions>();
  add_network_options(command, o->model, o->width);
  command.add_option("--dataset", o->dataset, "one of those that `basin data list` lists")
      .capture_default_str();
  command.add_option("--data-dir", o->data_dir, "the only folder to search for its files");
  command.add_option("--train-size", o->train_size, "take the first N examples").check(at_least(1));
  command.add_option("--test-size", o->test_size, "take the first N examples").check(at_least(1));
  command.add_flag("--augment", o->augment, "random crop (padding 4) and flip");
  command.add_option("--label-noise", o->label_noise, "the share of training labels made wrong")
      .check(fraction())
      .capture_default_str();
  command
      .add_option("--validation", o->validation,
                  "the share of the training set that is held out: its accuracy is measured, and "
                  "the best epoch by it kept in best.safetensors")
      .check(fraction())
      .capture_default_str();
  command.add_option("--init", o->init,
                     "a checkpoint whose weights and running statistics the run begins with");
  add_step_options(command, o->step);
  add_batch_option(command, o->step);
  add_choice(command, "--ascent-batch", o->ascent_batch, kAscentBatches,
             "the batch of SAM's ascent: the descent's, the step's before, or one apart; but for "
             "same, the training loss is that at w + eps")
      .group("Optimiser");
  command
      .add_option("--ascent-size", o->ascent_size,
                  "examples of an independent batch; 0: as many as of the descent's")
      .check(at_least(0))
      .capture_default_str()
      .group("Optimiser");
  command
      .add_option("--sam-from", o->sam_from,
                  "SAM ascends in the epochs e with from <= e / epochs <= until, and is SGD in the "
                  "others")
      .check(fraction())
      .capture_default_str()
      .group("Optimiser");
  command.add_option("--sam-until", o->sam_until, "see --sam-from")
      .check(fraction())
      .capture_default_str()
      .group("Optimiser");
  command.add_option("--epochs", o->epochs, "").check(at_least(1)).capture_default_str();
  command.add_option("--lr", o->lr, "the schedule's highest learning rate")
      .check(non_negative())
      .capture_default_str();
  command.add_option("--schedule", o->schedule, "of the learning rate: " + listed(schedule_names()))
      .capture_default_str();
  command.add_option("--out", o->out, "the folder of the run's files").capture_default_str();
  command.add_flag("--resume", o->resume, "go on from the checkpoint in --out");
  add_common_options(command, *common);
  command.footer(
      "Example:\n  basin train --model resnet_tiny_gn --width 16 --dataset fashion-mnist \\\n"
      "      --optimizer sam --rho 0.1 --epochs 1 --schedule cyclic --out out/run");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
