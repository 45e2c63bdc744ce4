#include "tools/step_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/op_cost.h"

namespace basin {
namespace {

constexpr int kSteps = 5;  // on a shared machine, one of them may pass undisturbed

using Rows = std::map<std::pair<std::string, Pass>, ProfileRow>;

ProfileRow& row_of(Rows& rows, const Program& program, int node, Pass pass) {
  const std::string op = describe(program, node);
  return rows.try_emplace({op, pass}, ProfileRow{op, pass_name(pass), 0, {}, {}}).first->second;
}

Rows op_rows(const StepBench& bench, const std::vector<ThreadTrace>& traces) {
  const BatchReplay& replay = bench.replay();
  const Program& program = replay.program();
  const double sharing = replay.replayers();
  Rows rows;
  for (size_t t = 0; t < traces.size(); ++t) {
    for (const TraceEvent& e : traces[t].events()) {
      const Cost cost = op_cost(program, e.node, e.pass);
      const double part = static_cast<double>(replay.examples(static_cast<int>(t), e.chunk)) /
                          static_cast<double>(replay.chunk());
      ProfileRow& row = row_of(rows, program, e.node, e.pass);
      row.calls += 1;
      row.work.seconds += e.time / 1e6 / sharing;
      row.work.flops += part * static_cast<double>(cost.flops);
      row.work.bytes += part * static_cast<double>(cost.bytes());
      row.work.working_set = static_cast<double>(cost.bytes()) * sharing / bench.threads();
    }
  }
  return rows;
}

std::vector<ProfileRow> update_rows(const StepBench& bench, const StepTimes& times) {
  const UpdateCosts costs = bench.update_costs();
  const auto row = [&](const char* name, int calls, double ms, const Cost& cost) {
    const auto bytes = static_cast<double>(cost.bytes());
    return ProfileRow{
        fmt::format("{} [{}]", name, bench.parameters()),
        "update",
        calls,
        Work{ms / 1e3, static_cast<double>(cost.flops), bytes, bytes / calls / bench.threads()},
        {}};
  };
  std::vector<ProfileRow> rows{row("descent", 1, times.descent, costs.descent)};
  if (const int ascents = bench.ascents(); ascents > 0) {
    rows.push_back(row("norm", ascents, times.norm, costs.norm));
    rows.push_back(row("ascent", ascents, times.ascent, costs.ascent));
  }
  return rows;
}

// Runs a step in which every op is counted; returns why not, or "".
std::string count(StepBench& bench, Rows& rows) {
  std::string reason;
  const std::vector<CounterGroup> groups =
      open_counters(bench.threads(), hardware_events(), reason);
  if (groups.empty()) return reason;
  const BatchReplay& replay = bench.replay();
  const size_t nodes = replay.program().nodes.size(), replayers = replay.replayers();
  std::vector<OpCounter> counters;
  for (size_t t = 0; t < replayers; ++t) {  // a lone replayer's ops are the work of all threads
    counters.emplace_back(std::span(groups).subspan(t, replayers == 1 ? groups.size() : 1), nodes);
  }
  bench.step([&](int t) { return &counters[t]; });
  for (size_t k = 0; k < nodes; ++k) {
    for (const Pass pass : {Pass::Forward, Pass::Backward}) {
      const int node = static_cast<int>(k);
      const auto row = rows.find({describe(replay.program(), node), pass});
      if (row == rows.end()) continue;
      Counts& counts = row->second.counts.emplace(row->second.counts.value_or(Counts{}));
      for (const OpCounter& counter : counters) counts += counter.of(node, pass);
    }
  }
  return "";
}

std::string number(bool there, const char* format, double value) {
  return there ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string counter_columns(const ProfileRow& row) {
  const bool counted = row.counts && row.counts->running > 0;
  const auto value = [&](size_t event) { return counted ? *row.counts->scaled(event) : 0; };
  const double cycles = value(kCycles);
  return fmt::format(" {:>8} {:>9} {:>9}", number(counted, "{:.2f}", cycles / 1e6),
                     number(cycles > 0, "{:.2f}", value(kInstructions) / cycles),
                     number(counted, "{:.1f}", value(kCacheMisses) / 1e3));
}

}  // namespace

StepProfile profile_step(StepBench& bench) {
  StepProfile profile;
  profile.threads = bench.threads();
  StepTimes update;
  for (int i = 0; i < kSteps; ++i) {
    auto [traces, ms] = bench.trace();
    if (i == 0 || ms < profile.step_ms) {
      profile.step_ms = ms;
      profile.traces = std::move(traces);
    }
    StepTimes t;
    bench.time_update(t);
    for (double StepTimes::*part : {&StepTimes::norm, &StepTimes::ascent, &StepTimes::descent}) {
      update.*part = i == 0 ? t.*part : std::min(update.*part, t.*part);
    }
  }
  Rows rows = op_rows(bench, profile.traces);
  profile.rows = update_rows(bench, update);
  profile.ceilings = measure_ceilings(bench.threads());
  profile.no_counters = count(bench, rows);
  for (auto& [key, row] : rows) profile.rows.push_back(std::move(row));
  std::sort(profile.rows.begin(), profile.rows.end(),
            [](const auto& a, const auto& b) { return a.work.seconds > b.work.seconds; });
  return profile;
}

void print_profile(const StepProfile& p, int most_rows) {
  const bool counted = p.no_counters.empty();
  fmt::print("{:>8} {:>6} {:>6} {:>8} {:>7} {:>7} {:>8} {:>6}  {:<7}{}  {:<8} op\n", "ms", "%",
             "calls", "GFLOP/s", "GB/s", "flop/B", "at most", "share", "roof",
             counted ? fmt::format(" {:>8} {:>9} {:>9}", "Mcycles", "instr/cyc", "k misses") : "",
             "pass");
  double ops = 0, update = 0;
  for (const ProfileRow& row : p.rows) (row.pass == "update" ? update : ops) += row.work.seconds;
  for (size_t i = 0; i < std::min(p.rows.size(), static_cast<size_t>(most_rows)); ++i) {
    const ProfileRow& row = p.rows[i];
    const Work& w = row.work;
    const Attainable most = attainable(p.ceilings, w);
    const bool computes = w.flops > 0, works = most.seconds > 0;
    fmt::print("{:>8.2f} {:>6.1f} {:>6} {:>8} {:>7.1f} {:>7} {:>8} {:>6}  {:<7}{}  {:<8} {}\n",
               1e3 * w.seconds, 1e5 * w.seconds / p.step_ms, row.calls,
               number(computes, "{:.1f}", w.flops_per_second() / 1e9), w.bytes_per_second() / 1e9,
               number(computes, "{:.2f}", w.intensity()),
               number(computes, "{:.1f}", most.flops_per_second / 1e9),
               number(works, "{:.2f}", share_of_roof(p.ceilings, w)),
               works ? roof_name(most.roof) : "-", counted ? counter_columns(row) : "", row.pass,
               row.op);
  }
  const Ceilings& c = p.ceilings;
  fmt::print(
      "\nthe fastest of {} steps took {:.2f} ms, on {} threads: {:.2f} in ops and {:.2f} in the "
      "update; the rest is weights\npacked, gradients added, and threads that wait for each other\n"
      "roofs, of all threads, in this run: {:.0f} GFLOP/s (float32 products of {} x {}); {:.0f} "
      "GB/s in "
      "cache (triad, {:.0f} KiB a thread);\n{:.0f} GB/s from memory (triad, {:.0f} MiB a thread)\n"
      "at most: the lower of the compute roof and flop/B x the bandwidth; share: of that (above 1 "
      "where Winograd saves\nproducts: the direct ones are counted)\n",
      kSteps, p.step_ms, p.threads, 1e3 * ops, 1e3 * update, c.flops_per_second / 1e9, kProductSize,
      kProductSize, c.cache.bytes_per_second / 1e9, c.cache.working_set / 1024,
      c.memory.bytes_per_second / 1e9, c.memory.working_set / (1 << 20));
  if (!counted) fmt::print("no hardware counters: {}\n", p.no_counters);
}

nlohmann::ordered_json profile_json(const StepProfile& p) {
  nlohmann::ordered_json all;
  const auto bandwidth = [](const Bandwidth& b) {
    return nlohmann::ordered_json{{"bytes_per_second", b.bytes_per_second},
                                  {"working_set_bytes", b.working_set}};
  };
  all["step_ms"] = p.step_ms;
  all["ceilings"] = {{"flops_per_second", p.ceilings.flops_per_second},
                     {"cache", bandwidth(p.ceilings.cache)},
                     {"memory", bandwidth(p.ceilings.memory)}};
  if (!p.no_counters.empty()) all["no_counters"] = p.no_counters;
  for (const ProfileRow& row : p.rows) {
    const Attainable most = attainable(p.ceilings, row.work);
    nlohmann::ordered_json r{{"op", row.op},
                             {"pass", row.pass},
                             {"calls", row.calls},
                             {"ms", 1e3 * row.work.seconds},
                             {"flops", row.work.flops},
                             {"bytes", row.work.bytes},
                             {"flops_per_second", row.work.flops_per_second()},
                             {"bytes_per_second", row.work.bytes_per_second()},
                             {"intensity", row.work.intensity()},
                             {"roof", roof_name(most.roof)},
                             {"attainable_flops_per_second", most.flops_per_second},
                             {"share", share_of_roof(p.ceilings, row.work)}};
    if (row.counts && row.counts->running > 0) {
      r["cycles"] = *row.counts->scaled(kCycles);
      r["instructions"] = *row.counts->scaled(kInstructions);
      r["cache_misses"] = *row.counts->scaled(kCacheMisses);
    }
    all["rows"].push_back(r);
  }
  return all;
}

}  // namespace basin
