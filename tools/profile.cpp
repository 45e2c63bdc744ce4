// basin profile: one training step's timeline, op by op, and where its time goes.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/io/file.h"
#include "tools/cli.h"
#include "tools/step_bench.h"
#include "tools/trace.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "resnet_tiny_gn", trace;
  int64_t width = 16;
  int rows = 24;
  StepOptions step;
};

const char* name_of(Pass pass) {
  return pass == Pass::Forward ? "forward" : "backward";
}

// Chrome's and Perfetto's trace format: complete events, in microseconds.
Json trace_json(const Program& program, const std::vector<ThreadTrace>& threads) {
  Json events = Json::array();
  for (size_t t = 0; t < threads.size(); ++t) {
    for (const TraceEvent& e : threads[t].events()) {
      const OpWork work = work_of(program, e.node, e.pass);
      events.push_back({{"name", program.nodes[e.node].op->name()},
                        {"cat", name_of(e.pass)},
                        {"ph", "X"},
                        {"pid", 0},
                        {"tid", t},
                        {"ts", e.start},
                        {"dur", e.time},
                        {"args",
                         {{"op", describe(program, e.node)},
                          {"pass", name_of(e.pass)},
                          {"chunk", e.chunk},
                          {"bytes", work.bytes},
                          {"flops", work.flops}}}});
    }
  }
  return {{"traceEvents", events}, {"displayTimeUnit", "ms"}};
}

struct Total {
  double us = 0;
  int64_t calls = 0;
  OpWork work;
};

void print_table(const Program& program, const std::vector<ThreadTrace>& threads, int rows,
                 double step_ms) {
  std::map<std::pair<std::string, Pass>, Total> totals;
  double all = 0;
  for (const ThreadTrace& thread : threads) {
    for (const TraceEvent& e : thread.events()) {
      Total& total = totals[{describe(program, e.node), e.pass}];
      const OpWork work = work_of(program, e.node, e.pass);
      total.us += e.time;
      total.calls += 1;
      total.work.flops += work.flops;
      total.work.bytes += work.bytes;
      all += e.time;
    }
  }
  std::vector<std::pair<std::pair<std::string, Pass>, Total>> sorted(totals.begin(), totals.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  fmt::print("{:>8} {:>6} {:>6} {:>8} {:>7}  {:<8} op\n", "ms", "%", "calls", "GFLOP/s", "GB/s",
             "pass");
  for (size_t i = 0; i < std::min(sorted.size(), static_cast<size_t>(rows)); ++i) {
    const auto& [key, total] = sorted[i];
    fmt::print(
        "{:>8.2f} {:>6.1f} {:>6} {:>8.0f} {:>7.1f}  {:<8} {}\n", total.us / 1e3,
        100 * total.us / all, total.calls, static_cast<double>(total.work.flops) / total.us / 1e3,
        static_cast<double>(total.work.bytes) / total.us / 1e3, name_of(key.second), key.first);
  }
  fmt::print("\n{} threads in ops for {:.2f} ms together; the step took {:.2f} ms\n",
             threads.size(), all / 1e3, step_ms);
}

int run(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  StepBench bench({.name = o.model, .width = o.width}, o.step);
  const auto [threads, ms] = bench.trace();
  if (!common.quiet) {
    fmt::print("{}, width {}, batch {}, {}, {} threads, chunks of {}, on {}\n\n", o.model, o.width,
               o.step.batch, o.step.optimizer.name, o.step.threads, bench.replay().chunk(),
               processor());
    print_table(bench.replay().program(), threads, o.rows, ms);
  }
  if (!o.trace.empty()) {
    write_file_atomically(o.trace, trace_json(bench.replay().program(), threads).dump() + "\n");
    if (!common.quiet) fmt::print("{}: open it in ui.perfetto.dev\n", o.trace);
  }
  return 0;
}

}  // namespace

Command add_profile(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("profile", "Shows one training step op by op, as a table and a timeline");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  add_network_options(*command, o->model, o->width);
  add_batch_option(*command, o->step);
  command->add_option("--rows", o->rows, "the most rows of the table")
      ->check(between(1, 100000))
      ->capture_default_str();
  command->add_option("--trace", o->trace, "a file for the timeline (Chrome, Perfetto)")
      ->type_name("FILE");
  o->step.optimizer.name = "sam";
  add_step_options(*command, o->step);
  add_common_options(*command, *common);
  command->footer(
      "Example:\n  basin profile --model resnet_tiny_gn --optimizer sam --trace t.json");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
