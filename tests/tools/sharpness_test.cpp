// `basin sharpness`: the mean over batches, what it writes, and what it refuses.
#include <cmath>

#include "engine/data/shapes.h"
#include "tests/support/checkpoints.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"
#include "tools/sharpness_measure.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

// Seven examples in batches of three: the last one counts a third of the others.
TEST(SharpnessMeasure, IsTheMeanOverBatchesByTheirSize) {
  const Stream one = Stream::cpu(1);
  const Dataset data = make_shapes(7, 0);
  const Model model = make_model({.name = "linear"});
  Arena w(one, model.parameters, DType::Float32);
  initialise(one, w, 1);
  const AscentOptions options{.steps = 3, .step_size = 0.5, .start = Start::Sphere};
  double loss = 0, missed = 0, gradient = 0;
  for (int64_t batch = 0; batch < 3; ++batch) {
    const int64_t n = batch < 2 ? 3 : 1, size = 32 * 32 * 3;
    std::vector<float> images;
    for (int64_t i = 0; i < n * size; ++i) {
      images.push_back(static_cast<float>(data.images[batch * 3 * size + i]) / 255.0F);
    }
    const auto replay =
        make_replay(one, model.record, w, nullptr, {.batch = n, .mode = Mode::Frozen});
    replay->bind(images.data(), data.labels.data() + 3 * batch);
    const AscentResult r = SharpnessAscent(one, w, options)(*replay, 0.5, batch);
    loss += static_cast<double>(n) / 7 * (r.worst.loss - r.centre.loss);
    missed += (r.centre.correct - r.worst.correct) / 7;
    gradient += static_cast<double>(n) / 7 * r.worst.gradient_norm;
  }
  for (const int threads : {1, 2, 3}) {
    SharpnessMeasure measure(Stream::cpu(threads), model, w, nullptr, data, options);
    measure.cut(3);
    EXPECT_EQ(measure.batches(), 3);
    int told = 0;
    const SharpnessRow row = measure(0.5, [&] { ++told; });
    EXPECT_EQ(told, 3);
    EXPECT_NEAR(row.loss_increase, loss, 1e-12) << threads;
    EXPECT_NEAR(row.error_increase, missed, 1e-12) << threads;
    EXPECT_NEAR(row.gradient_norm, gradient, 1e-12) << threads;
  }
}

class SharpnessCommand : public testing::Test {
 protected:
  ProgramResult run(const Words& words) const {
    return run_program(Words{"sharpness", "--examples", "9", "--steps", "4", "--step-size", "0.5",
                             "--out", folder_.file("out")} +
                       words);
  }
  Json result(const Words& words) const {
    const ProgramResult r = run(words);
    EXPECT_EQ(r.code, 0) << r.err;
    return json_of(folder_.file("out/sharpness.json"));
  }
  Folder folder_;
};

TEST_F(SharpnessCommand, GrowsWithTheRadiusAndWithSmallerBatches) {
  for (const char* model : {"mlp", "resnet_tiny"}) {
    const Words words{"--checkpoint", write_checkpoint(folder_, model, model, 4, 1),
                      "--microbatch", "1,4",
                      "--rho",        "0,0.1,0.3",
                      "--average",    "2"};
    const Json two = result(words + Words{"--threads", "2"});
    ASSERT_EQ(two["rows"].size(), 6U);
    for (int k = 0; k < 6; ++k) {
      const Json& row = two["rows"][k];
      EXPECT_EQ(row["m"], k < 3 ? 1 : 4);
      EXPECT_GT(row["gradient_norm"], 0);
      if (k % 3 == 0) {
        EXPECT_EQ(row["loss_increase"], 0);
        EXPECT_EQ(row["error_increase"], 0);
      } else {
        EXPECT_GT(row["loss_increase"], two["rows"][k - 1]["loss_increase"]) << model << k;
        EXPECT_GT(row["loss_increase"], two["average"][k % 3]["loss_increase"]) << model << k;
      }
      // A batch of one has a delta of its own.
      if (k > 3) {
        EXPECT_LT(row["loss_increase"], two["rows"][k - 3]["loss_increase"]) << model;
      }
    }
    EXPECT_EQ(two["average"][0]["loss_increase"], 0);
    EXPECT_EQ(two["average"][0]["directions"], 2);
    // Each batch is one thread's: the same bytes whatever their number.
    const Json one = result(words + Words{"--threads", "1"});
    EXPECT_EQ(one["rows"], two["rows"]) << model;
    EXPECT_NEAR(one["loss"], two["loss"], 1e-5);
  }
}

TEST_F(SharpnessCommand, OptionsOfTheAscent) {
  const Words words{"--checkpoint", write_checkpoint(folder_, "w", "linear", 4, 1),
                    "--microbatch", "9",
                    "--rho",        "0.2",
                    "--split",      "test"};
  const auto increase = [&](const Words& more) {
    return result(words + more)["rows"][0]["loss_increase"].get<double>();
  };
  const double plain = increase({});
  EXPECT_NE(increase({"--schedule", "quarters"}), plain);
  EXPECT_NE(increase({"--adaptive"}), plain);
  const Words random{"--random-start", "--restarts", "2", "--average", "1"};
  const double first = increase(random);
  EXPECT_NEAR(first, plain, 0.2 * plain);  // another way to much the same maximum
  const std::string bytes = bytes_of(folder_.file("out/sharpness.json"));
  const ProgramResult again = run(words + random);
  EXPECT_THAT(again.out, HasSubstr("average"));
  EXPECT_EQ(bytes_of(folder_.file("out/sharpness.json")), bytes);
  EXPECT_NE(increase(random + Words{"--seed", "1"}), first);
}

TEST_F(SharpnessCommand, WrongUse) {
  const std::string w = write_checkpoint(folder_, "w", "mlp", 4, 1);
  const auto refused = [&](const Words& words, const Words& parts) {
    SCOPED_TRACE(testing::PrintToString(words));
    expect_failure(run(words), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(folder_.file("out/sharpness.json")));
  };
  refused({}, {"--checkpoint", "required"});
  for (const char* list : {"-0.1", "0.2,0.1", "0.1,,0.2", "x", "nan"}) {
    refused({"--checkpoint", w, std::string("--rho=") + list},
            {"--rho", std::string("found ") + list + ", expected numbers >= 0 that rise"});
  }
  refused({"--checkpoint", w, "--microbatch", "8,10"}, {"--microbatch", "found 10", "9"});
  refused({"--checkpoint", w, "--microbatch", "8,4"}, {"--microbatch", "found 8,4"});
  refused({"--checkpoint", w, "--microbatch", "9", "--restarts", "2"},
          {"--restarts", "found 2 without --random-start"});
  refused({"--checkpoint", w, "--steps", "0"}, {"--steps", "found 0"});
  refused({"--checkpoint", w, "--step-size", "0"}, {"--step-size", "found 0"});
  refused({"--checkpoint", w, "--split", "both"}, {"--split", "'both'"});
  refused({"--checkpoint", w, "--model", "resnet_tiny"}, {w, "conv1.weight"});
  expect_failure(run_program({"sharpness", "--checkpoint", w, "--out", "/dev/null/out"}), 2,
                 {"--out", "/dev/null/out"});
}

}  // namespace
}  // namespace basin::test
