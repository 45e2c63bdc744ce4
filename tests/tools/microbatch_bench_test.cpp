// `basin bench microbatch`: what it prints and writes, and what it refuses; speeds are not judged.
#include "tests/support/json.h"
#include "tests/support/measured.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

Words tiny(const std::string& model, const Words& more) {
  return Words{"bench",   "microbatch", "--model",   model, "--width",   "4",
               "--batch", "6",          "--threads", "2",   "--repeats", "2"} +
         more;
}

TEST(Microbatch, EachSizeInEachExecution) {
  const Folder folder;
  const std::string path = folder.file("m.json");
  const ProgramResult result = run_program(tiny("mlp", {"--json", path, "--microbatches", "1,4"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = json_of(path);
  expect_context(all);
  EXPECT_THAT(all["context"]["command"].get<std::string>(), HasSubstr("--microbatches 1,4"));
  std::vector<Words> rows;
  for (const Json& row : all["results"]) {
    rows.push_back({row["microbatch"].dump(), row["how"]});
    EXPECT_GT(row["min_ms"], 0);
    EXPECT_LE(row["min_ms"], row["median_ms"]);
    EXPECT_GT(row["plan_mib"], 0);
    EXPECT_GT(row["ratio_to_sam"], 0);
  }
  EXPECT_EQ(rows, (std::vector<Words>{{"6", "sgd"},
                                      {"6", "sam"},
                                      {"6", "sam, direct"},
                                      {"1", "loop"},
                                      {"1", "grouped"},
                                      {"1", "ghost"},
                                      {"4", "loop"},
                                      {"4", "grouped"},
                                      {"4", "ghost"}}));
}

TEST(Microbatch, WhatANetworkDoesNotAllowIsSaid) {
  const ProgramResult result = run_program(tiny("resnet_tiny", {"--microbatches", "3"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("not measured: m 3, grouped"));
  EXPECT_THAT(result.out, HasSubstr("batch norm"));
}

TEST(Microbatch, WhatCannotBe) {
  expect_failure(run_program(tiny("mlp", {"--microbatches", "1,6"})), 2,
                 {"--microbatches", "found 6", "less than the batch of 6"});
  expect_failure(run_program(tiny("mlp", {"--executions", "sideways"})), 2,
                 {"--executions", "found 'sideways'"});
}

}  // namespace
}  // namespace basin::test
