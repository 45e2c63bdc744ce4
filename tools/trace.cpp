#include "tools/trace.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/op_cost.h"

namespace basin {

const char* pass_name(Pass pass) {
  return pass == Pass::Forward ? "forward" : "backward";
}

std::string describe(const Program& program, int node) {
  const Node& n = program.nodes[node];
  std::string text(n.op->name());
  for (const int input : n.inputs) text += fmt::format(" {}", program.slots[input].shape);
  return text + fmt::format(" -> {}", program.slots[n.outputs[0]].shape);
}

std::string trace_json(const Program& program, const std::vector<ThreadTrace>& threads) {
  using Json = nlohmann::ordered_json;
  Json events = Json::array();
  for (size_t t = 0; t < threads.size(); ++t) {
    for (const TraceEvent& e : threads[t].events()) {
      const Cost cost = op_cost(program, e.node, e.pass);
      events.push_back({{"name", program.nodes[e.node].op->name()},
                        {"cat", pass_name(e.pass)},
                        {"ph", "X"},
                        {"pid", 0},
                        {"tid", t},
                        {"ts", e.start},
                        {"dur", e.time},
                        {"args",
                         {{"op", describe(program, e.node)},
                          {"pass", pass_name(e.pass)},
                          {"chunk", e.chunk},
                          {"bytes", cost.bytes()},
                          {"flops", cost.flops}}}});
    }
  }
  return Json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump() + "\n";
}

}  // namespace basin
