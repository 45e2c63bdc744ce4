// `basin bench`: what it prints and writes; speeds are not judged.
#include <algorithm>
#include <filesystem>

#include "tests/support/json.h"
#include "tests/support/measured.h"
#include "tools/step_bench.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(Bench, Median) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({4, 1, 3}), 3);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
}

TEST(Bench, StepWritesWhatItMeasured) {
  const Folder folder;
  const std::string path = folder.file("b.json");
  const ProgramResult result =
      run_program(Words{"bench", "step", "--repeats", "3", "--json", path} + kSmall);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("chunks of 10"));
  const Json all = json_of(path);
  expect_context(all);
  ASSERT_EQ(all["results"].size(), 2U);
  const Json &sgd = all["results"][0], &sam = all["results"][1];
  EXPECT_EQ(sgd["optimizer"], "sgd");
  EXPECT_EQ(sam["optimizer"], "sam");
  for (const Json& row : all["results"]) {
    EXPECT_EQ(row["engine"], "basin");
    EXPECT_EQ(row["repeats"], 3);
    EXPECT_LE(row["min_ms"], row["median_ms"]);
    EXPECT_LE(row["median_ms"], row["max_ms"]);
    for (const char* part : {"forward", "backward", "descent"}) {
      EXPECT_GT(row["parts_ms"][part], 0) << part;
    }
  }
  EXPECT_EQ(sgd["parts_ms"]["ascent"], 0);
  EXPECT_GT(sam["parts_ms"]["ascent"], 0);
}

// A peer that is a script: it answers each request with a number of its own, or with a refusal.
std::string fake_peer(const Folder& folder) {
  const std::string path = folder.file("python");
  write_bytes(path,
              "#!/bin/sh\necho 1.2.3\n"
              "while read mode optimizer; do\n"
              "  case $mode in eager) echo 40.5;; chunks) echo 30.5;; *) echo none no compiler;; "
              "esac\ndone\n");
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

TEST(Bench, APeerIsMeasuredInTurns) {
  const Folder folder;
  const std::string path = folder.file("b.json");
  const ProgramResult result =
      run_program(Words{"bench", "step", "--repeats", "2", "--json", path, "--optimizer", "sam",
                        "--peer", "pytorch", "--python", fake_peer(folder)} +
                  kSmall);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("not measured: pytorch compiled sam: no compiler"));
  EXPECT_THAT(result.out, HasSubstr("PyTorch 1.2.3"));
  const Json rows = json_of(path)["results"];
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1]["engine"], "pytorch eager");
  EXPECT_EQ(rows[1]["median_ms"], 40.5);
  EXPECT_EQ(rows[2]["median_ms"], 30.5);
}

TEST(Bench, WrongUse) {
  const auto refused = [](const Words& words, const Words& parts) {
    expect_failure(run_program(Words{"bench", "step", "--repeats", "1"} + words), 2, parts);
  };
  refused({"--model", "nonsense"}, {"--model", "'nonsense'"});
  refused(Words{"--optimizer", "sgd,adam"} + kSmall, {"--optimizer", "'adam'", "sam"});
  refused({"--peer", "jax"}, {"--peer", "'jax'", "pytorch"});
  refused({"--repeats", "0"}, {"--repeats", "found 0"});
  refused(Words{"--peer", "pytorch", "--python", "/bin/false"} + kSmall, {"--peer", "/bin/false"});
}

TEST(Bench, KernelsStandBesideTheCeilings) {
  const Folder folder;
  const std::string path = folder.file("k.json");
  const ProgramResult result = run_program(
      {"bench", "kernels", "--filter", "sam_ascent", "--min-time", "0.001", "--json", path});
  if (!std::filesystem::exists(BASIN_BENCH_FOLDER
                               "/kernels_bench")) {  // a build without benchmarks says so
    expect_failure(result, 2, {"bench kernels", BASIN_BENCH_FOLDER});
    return;
  }
  expect_failure(run_program({"bench", "kernels", "--filter", "no_kernel", "--min-time", "0.001"}),
                 2, {"--filter", "'no_kernel'"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("ceiling_triad/n:4096/threads:1"));
  EXPECT_THAT(result.out, HasSubstr("sam_ascent"));
  for (const Json& row : json_of(path)["benchmarks"]) {
    EXPECT_GT(row["bytes_per_second"], 0) << row["name"];
  }
}

// The batch's rest is a smaller chunk: its calls are no yardstick for the whole ones.
TEST(Bench, TheFloorIsBelowWhatWasMeasured) {
  StepOptions options;
  options.optimizer.name = "sam";
  options.batch = 11;
  options.threads = 2;
  options.chunk = 2;
  StepBench bench(Stream::cpu(options.threads), {.name = "resnet_tiny_gn", .width = 4}, options);
  std::vector<double> passes;
  for (int i = 0; i < 3; ++i) {
    const StepTimes t = bench.measure();
    passes.push_back(t.forward + t.backward);
  }
  EXPECT_GT(bench.products_floor(), 0);
  EXPECT_LE(bench.products_floor(), *std::min_element(passes.begin(), passes.end()));
  // Chunks 0, 2 and 4 are the first thread's, 1, 3 and the rest the second's, in every pass.
  for (const int64_t nth : {0, 1, 2, 5}) EXPECT_EQ(bench.replay().examples(0, nth), 2);
  EXPECT_EQ(bench.replay().examples(1, 1), 2);
  EXPECT_EQ(bench.replay().examples(1, 2), 1);
  EXPECT_EQ(bench.replay().examples(1, 5), 1);
}

}  // namespace
}  // namespace basin::test
