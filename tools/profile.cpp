// basin profile: one training step's timeline, op by op, and where its time goes.
#include <nlohmann/json.hpp>

#include "engine/device.h"
#include "engine/io/file.h"
#include "tools/cli.h"
#include "tools/plot.h"
#include "tools/step_profile.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "resnet_tiny_gn", trace, json, roofline;
  int64_t width = 16;
  int rows = 24;
  StepOptions step;
};

Json results(const Options& o, const StepBench& bench, const StepProfile& profile) {
  const std::string command =
      fmt::format("basin profile --model {} --width {} --batch {} --optimizer {} {}", o.model,
                  o.width, o.step.batch, o.step.optimizer.name, arithmetic_options(o.step));
  Json all = {{"context", measurement_context(o.step.threads, command)},
              {"model", o.model},
              {"width", o.width},
              {"batch", o.step.batch},
              {"optimizer", o.step.optimizer.name},
              {"precision", precision_name(o.step)}};
  all["context"]["chunk"] = bench.replay().chunk();
  all.update(profile_json(profile));
  return all;
}

int run(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  BASIN_CHECK(Device::parse(common.device).kind == DeviceKind::Cpu, "--device",
              "found {}, but only a step on a cpu is profiled: on CUDA use Nsight Systems, which "
              "shows the ops' names",
              common.device);
  StepBench bench(Device::cpu().stream(o.step.threads, o.step.tf32),
                  {.name = o.model, .width = o.width}, o.step);
  const StepProfile profile = profile_step(bench);
  if (!common.quiet) {
    fmt::print("{}, width {}, batch {}, {}, {}, {} threads, chunks of {}, on {}\n\n", o.model,
               o.width, o.step.batch, o.step.optimizer.name, precision_name(o.step), o.step.threads,
               bench.replay().chunk(), processor());
    print_profile(profile, o.rows);
  }
  if (!o.trace.empty()) {
    write_file_atomically(o.trace, trace_json(bench.replay().program(), profile.traces));
    if (!common.quiet) fmt::print("{}: open it in ui.perfetto.dev\n", o.trace);
  }
  const Json all = results(o, bench, profile);
  if (!o.json.empty()) write_file_atomically(o.json, all.dump(2) + "\n");
  if (!o.roofline.empty()) draw_json("roofline", all.dump(), o.roofline, "--roofline");
  return 0;
}

constexpr const char* kFooter = R"(Reading the roofline:
  flop/B is the arithmetic intensity of a row: what it computes for each byte that it moves. Work of
  little intensity is held down by bandwidth, at flop/B x GB/s, and the rest by the units that
  multiply and add: "at most" is the lower of the two, "roof" says which, "share" is what of it was
  reached. A low share is time to win; at 1 only fewer bytes or fewer flops help. The roofs are
  measured in the same run: a triad (a = b + c) in each thread's cache and from memory, of which the
  one counts whose arrays are the nearer in size to a call's; and the library's best products.
  Convolutions count the flops of the direct way; Winograd's does a quarter of the products, so its
  share may pass 1. Ops whose flops are not counted (pools) are held against bandwidth.
  Counters (where Linux permits them) come from a step of their own, in user mode.

Example:
  basin profile --model resnet_tiny_gn --optimizer sam --roofline roofline.png --trace t.json)";

}  // namespace

Command add_profile(CommandLine app) {
  const CommandLine command = app.add_command(
      "profile", "Shows one training step op by op: a table, a roofline, a timeline");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  add_network_options(command, o->model, o->width);
  add_batch_option(command, o->step);
  command.add_option("--rows", o->rows, "the most rows of the table")
      .check(between(1, 100000))
      .capture_default_str();
  const auto add_file = [&](const char* name, std::string& path, const char* help) {
    return command.add_option(name, path, help).type_name("FILE");
  };
  add_file("--roofline", o->roofline, "a picture of the roofline, .png or .svg").check(picture());
  add_file("--json", o->json, "a file for the whole table, with the roofs and the machine");
  add_file("--trace", o->trace, "a file for the timeline (Chrome, Perfetto)");
  o->step.optimizer.name = "sam";
  add_step_options(command, o->step);
  add_common_options(command, *common);
  command.footer(kFooter);
  return [=] { return run(*o, *common); };
}

}  // namespace basin
