// `basin profile`: what it prints and writes; speeds are not judged.
#include <algorithm>
#include <cmath>

#include "tests/support/json.h"
#include "tests/support/measured.h"
#include "tools/plot.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(Profile, EveryOpOfEveryChunkIsInTheTrace) {
  const Folder folder;
  const std::string path = folder.file("t.json");
  const ProgramResult result =
      run_program(Words{"profile", "--chunk", "5", "--trace", path, "--rows", "100"} + kSmall);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("conv2d [5,32,32,3] [4,3,3,3] -> [5,32,32,4]"));
  const Json events = json_of(path)["traceEvents"];
  int forwards = 0, chunks = 0;
  for (const Json& e : events) {
    EXPECT_GE(e["dur"], 0);
    EXPECT_EQ(e["ph"], "X");
    const bool first = e["args"]["op"] == "conv2d [5,32,32,3] [4,3,3,3] -> [5,32,32,4]";
    forwards += first && e["args"]["pass"] == "forward" ? 1 : 0;
    chunks = std::max(chunks, e["args"]["chunk"].get<int>() + 1);
  }
  EXPECT_EQ(forwards, 8);  // four chunks, two passes
  EXPECT_EQ(chunks, 4);    // of a thread
}

TEST(Profile, TheTableHasTheRoofs) {
  const ProgramResult result = run_program(Words{"profile", "--rows", "100"} + kSmall);
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* text : {"flop/B", "at most", "share", "compute", "roofs, of all threads",
                           "update   norm [", "update   ascent [", "update   descent ["}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
  const bool counted = result.out.find("Mcycles") != std::string::npos;
  EXPECT_NE(counted,
            result.out.find("no hardware counters: perf_event_open: ") != std::string::npos);
}

TEST(Profile, TheFileHasEveryField) {
  const Folder folder;
  const std::string path = folder.file("p.json");
  const ProgramResult result =
      run_program(Words{"profile", "--quiet", "--chunk", "3", "--json", path} + kSmall);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const Json all = json_of(path);
  expect_context(all);
  EXPECT_TRUE(all["context"].contains("chunk"));
  EXPECT_EQ(all["model"], "resnet_tiny_gn");
  EXPECT_EQ(all["batch"], 20);
  EXPECT_GT(all["step_ms"], 0);
  EXPECT_GT(all["ceilings"]["flops_per_second"], 0);
  EXPECT_GT(all["ceilings"]["memory"]["working_set_bytes"],
            all["ceilings"]["cache"]["working_set_bytes"]);
  double last = INFINITY;
  for (const Json& row : all["rows"]) {
    for (const char* key :
         {"op", "pass", "calls", "ms", "flops", "bytes", "flops_per_second", "bytes_per_second",
          "intensity", "roof", "attainable_flops_per_second", "share"}) {
      EXPECT_TRUE(row.contains(key)) << key;
    }
    EXPECT_LE(row["ms"], last);
    last = row["ms"];
    const bool counted =
        row.contains("cycles") && row.contains("instructions") && row.contains("cache_misses");
    EXPECT_TRUE(counted || row["pass"] == "update" || all.contains("no_counters")) << row;
    // Two passes over 20 images of [32,32,3], the last two of them in a chunk of their own.
    if (row["op"] == "conv2d [3,32,32,3] [4,3,3,3] -> [3,32,32,4]" && row["pass"] == "forward") {
      EXPECT_EQ(row["calls"], 14);
      EXPECT_NEAR(row["flops"], 2 * 20 * 2.0 * 32 * 32 * 4 * 27, 1);
    }
  }
  const auto updates = std::count_if(all["rows"].begin(), all["rows"].end(),
                                     [](const Json& row) { return row["pass"] == "update"; });
  EXPECT_EQ(updates, 3);
}

TEST(Profile, BatchNormsThreadsWorkInsideEachOp) {
  const ProgramResult result =
      run_program({"profile", "--model", "resnet_tiny", "--width", "4", "--batch", "6", "--threads",
                   "2", "--optimizer", "sgd"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("batch_norm_act [6,32,32,4]"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("ascent")));
}

TEST(Profile, TheRooflineIsDrawn) {
  const Folder folder;
  if (!python_has(folder, "matplotlib")) return;
  const std::string path = folder.file("p.json");
  ASSERT_EQ(run_program(Words{"profile", "--quiet", "--json", path} + kSmall).code, 0);
  const std::string png = folder.file("r.png"), svg = folder.file("r.svg");
  EXPECT_EQ(run_plot({"roofline", path, "--out", png}), "");
  EXPECT_EQ(run_plot({"roofline", path, "--out", svg}), "");
  EXPECT_TRUE(bytes_of(png).starts_with("\x89PNG"));
  EXPECT_THAT(bytes_of(svg), HasSubstr("<svg"));
}

TEST(Profile, WrongUse) {
  for (const char* name : {"roof.pdf", "roof", ""}) {
    expect_failure(run_program(Words{"profile", "--roofline", name} + kSmall), 2,
                   {"--roofline", std::string("'") + name + "'", ".png or .svg"});
  }
  // The program under test has a Python that does not start: a picture that was asked for fails.
  const Folder folder;
  expect_failure(
      run_program(Words{"profile", "--quiet", "--roofline", folder.file("r.png")} + kSmall), 1,
      {"--roofline", "matplotlib"});
  expect_failure(run_program(Words{"profile", "--quiet", "--json", "/nonexistent/p.json"} + kSmall),
                 2, {"/nonexistent/p.json"});
}

}  // namespace
}  // namespace basin::test
