// `--precision bf16`: a step close to float32's, the same bytes twice, and where it is refused.
#include <cstdlib>

#include "kernels/simd.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"
#include "tests/support/one_step.h"

namespace basin::test {
namespace {

using Words = std::vector<std::string>;
constexpr int64_t kBatch = 24;

OneStep sam_step(const std::string& model, Precision precision, int threads, int64_t chunk) {
  StepOptions o;
  o.optimizer.name = "sam";
  o.optimizer.rho = 0.1;
  o.batch = kBatch;
  o.threads = threads;
  o.chunk = chunk;
  o.precision = precision;
  return one_step(Stream::cpu(threads), model, 8, DType::Float32, o);
}

class Precisions : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  }
};

void expect_close(const OneStep& found, const OneStep& expected) {
  ASSERT_EQ(found.losses.size(), 2U);
  for (int i : {0, 1}) {
    EXPECT_NEAR(found.losses[i], expected.losses[i], 0.01 * expected.losses[i]);
  }
  EXPECT_GT(cosine(found.gradient, expected.gradient), 0.98);
  EXPECT_GT(cosine(found.perturbed, expected.perturbed), 0.97);
}

TEST_P(Precisions, AStepInBfloat16IsCloseToFloat32s) {
  const OneStep full = sam_step(GetParam(), Precision::Full, 2, 0);
  const OneStep narrow = sam_step(GetParam(), Precision::BFloat16, 2, 0);
  expect_close(narrow, full);
  EXPECT_NE(narrow.gradient, full.gradient);
}

TEST_P(Precisions, TheSameBytesTwice) {
  const OneStep a = sam_step(GetParam(), Precision::BFloat16, 2, 5);
  const OneStep b = sam_step(GetParam(), Precision::BFloat16, 2, 5);
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.gradient, b.gradient);
  EXPECT_EQ(a.perturbed, b.perturbed);
}

// Chunks and threads change the order of float32 sums only; batch norm's statistics then round
// elsewhere, and resnet18's ReLUs multiply that.
TEST_P(Precisions, ChunksAndThreadsAgree) {
  expect_close(sam_step(GetParam(), Precision::BFloat16, 2, 5),
               sam_step(GetParam(), Precision::BFloat16, 1, kBatch));
}

INSTANTIATE_TEST_SUITE_P(Models, Precisions,
                         testing::Values("resnet_tiny", "resnet_tiny_gn", "resnet18",
                                         "resnet18_gn"),
                         [](const auto& info) { return std::string(info.param); });

TEST(PrecisionOption, IsRefusedWhereItWouldBeEmulated) {
  const Folder folder;
  setenv("BASIN_ISA", "avx2", 1);
  const Words bf16{"--precision", "bf16"};
  for (const Words& command : {small_training(folder.file("run")),
                               Words{"bench", "step", "--repeats", "1"}, Words{"profile"}}) {
    const ProgramResult result = run_program(command + bf16);
    expect_failure(result, 2, {"--precision", "found bf16", "expected AVX-512 with avx512_bf16"});
  }
  unsetenv("BASIN_ISA");
  EXPECT_FALSE(std::filesystem::exists(folder.file("run")));
}

TEST(PrecisionOption, WrongUse) {
  const auto refused = [](const Words& words, const Words& parts) {
    expect_failure(run_program(Words{"bench", "step", "--repeats", "1", "--batch", "4"} + words), 2,
                   parts);
  };
  refused({"--precision", "fp8"}, {"--precision", "'fp8'", "float32 or bf16"});
  if (!cpu::has_bfloat16()) return;
  refused({"--precision", "bf16", "--model", "mlp"}, {"--precision", "mlp", "convolutions"});
  refused({"--precision", "bf16", "--model", "linear"}, {"--precision", "linear", "convolutions"});
}

TEST(PrecisionOption, StandsInTheFilesOfARun) {
  if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  const Folder folder;
  const std::string a = folder.file("a"), b = folder.file("b");
  const Words bf16{"--precision", "bf16"};
  ASSERT_EQ(run_program(small_training(a) + bf16).code, 0);
  ASSERT_EQ(run_program(small_training(b) + bf16).code, 0);
  EXPECT_THAT(bytes_of(a + "/config.toml"), testing::HasSubstr("\nprecision = \"bf16\"\n"));
  EXPECT_THAT(bytes_of(a + "/metrics.jsonl"), testing::HasSubstr("\"precision\":\"bf16\""));
  EXPECT_THAT(bytes_of(a + "/checkpoint.safetensors"), testing::Not(testing::HasSubstr("BF16")));
  EXPECT_TRUE(bytes_of(a + "/checkpoint.safetensors") == bytes_of(b + "/checkpoint.safetensors"));
  // A resumed run gives the bytes of an uninterrupted one: it cannot change its precision.
  expect_failure(run_program(small_training(a) + Words{"--resume"}), 2,
                 {"--resume", "found precision=\"bf16\", expected precision=\"float32\""});
  EXPECT_EQ(run_program(small_training(a) + bf16 + Words{"--resume"}).code, 0);
  EXPECT_TRUE(bytes_of(a + "/checkpoint.safetensors") == bytes_of(b + "/checkpoint.safetensors"));
}

TEST(PrecisionOption, StandsInABenchsFile) {
  if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  const Folder folder;
  const std::string path = folder.file("b.json");
  const ProgramResult result =
      run_program({"bench", "step", "--width", "4", "--batch", "20", "--threads", "2", "--repeats",
                   "1", "--precision", "bf16", "--json", path});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::HasSubstr("batch 20, bf16, 2 threads"));
  const auto file = json_of(path);  // outlives the loop over its results
  for (const auto& row : file.at("results")) {
    EXPECT_EQ(row["precision"], "bf16");
  }
}

}  // namespace
}  // namespace basin::test
