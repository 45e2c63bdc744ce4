// `basin surface`: what it writes of lines and planes, and what it refuses.
#include <cmath>

#include "tests/support/checkpoints.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"
#include "tools/surface_probe.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

class Surface : public testing::Test {
 protected:
  std::string checkpoint(const std::string& name, const std::string& model, uint64_t seed) const {
    return write_checkpoint(folder_, name, model, 4, seed);
  }
  ProgramResult run(const Words& words) const {
    return run_program(
        Words{"surface", "--threads", "2", "--examples", "20", "--out", folder_.file("out")} +
        words);
  }
  Json result(const Words& words) const {
    const ProgramResult r = run(words);
    EXPECT_EQ(r.code, 0) << r.err;
    return json_of(folder_.file("out/surface.json"));
  }
  Folder folder_;
};

double norm_of(const TensorFile& a, const TensorFile* minus, size_t least_rank) {
  double total = 0;
  for (const HostTensor& t : a.tensors) {
    if (t.shape.size() < least_rank) continue;
    const std::vector<double> x = host_values(t);
    const std::vector<double> y =
        minus == nullptr ? std::vector<double>(x.size(), 0.0) : host_values(minus->at(t.name, ""));
    for (size_t i = 0; i < x.size(); ++i) total += (x[i] - y[i]) * (x[i] - y[i]);
  }
  return std::sqrt(total);
}

TEST_F(Surface, ALineEndsWhereTheCheckpointsAre) {
  const std::string a = checkpoint("a", "mlp", 1), b = checkpoint("b", "mlp", 2);
  const Json all = result({"--between", a, b, "--points", "4"});
  EXPECT_EQ(all["kind"], "line");
  ASSERT_EQ(all["points"].size(), 4U);
  const Stream stream = Stream::cpu(2);
  for (const auto& [t, path] : {std::pair{0, a}, {1, b}}) {
    const Json& point = all["points"][1 + t];
    EXPECT_EQ(point["t"], t);
    TrainedNetwork network(stream, path, {});
    for (const char* split : {"train", "test"}) {
      const Dataset data = network.examples(split, 20);
      Evaluation evaluate(stream, network.model, network.weights, nullptr, data, {});
      const auto [loss, accuracy] = evaluate();
      EXPECT_EQ(point[split]["loss"], loss) << split;
      EXPECT_EQ(point[split]["error"], 1 - accuracy) << split;
    }
  }
  EXPECT_GT(all["points"][0]["test"]["loss"], 0);
  const TensorFile w1 = read_safetensors(a), w2 = read_safetensors(b);
  EXPECT_NEAR(all["norms"]["w1"], norm_of(w1, nullptr, 0), 1e-5);
  EXPECT_NEAR(all["norms"]["w2"], norm_of(w2, nullptr, 0), 1e-5);
  EXPECT_NEAR(all["norms"]["w2 - w1"], norm_of(w2, &w1, 0), 1e-5);

  const std::string csv = bytes_of(folder_.file("out/surface.csv"));
  EXPECT_THAT(csv, testing::StartsWith("t,train_loss,train_error,test_loss,test_error\n-1,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
  const std::string bytes = bytes_of(folder_.file("out/surface.json"));
  const ProgramResult again = run({"--between", a, b, "--points", "4"});
  EXPECT_THAT(again.out, HasSubstr("least test loss"));
  EXPECT_EQ(bytes_of(folder_.file("out/surface.json")), bytes);
}

// The statistics of the checkpoints, whatever they are, do not show.
TEST_F(Surface, BatchNormIsEstimatedAnewOnALine) {
  const std::string a = checkpoint("a", "resnet_tiny", 1), b = checkpoint("b", "resnet_tiny", 2);
  const Words words{"--between",    a,    b,         "--from", "0", "--to", "0.5", "--points", "2",
                    "--reestimate", "16", "--split", "test"};
  const Json first = result(words)["points"];
  TensorFile file = read_safetensors(a);
  for (HostTensor& t : file.tensors) {
    if (t.name.find("running_var") == std::string::npos) continue;
    t = host_tensor(t.name, t.dtype, t.shape, std::vector<double>(t.shape[0], 1e9));
  }
  write_safetensors(a, file);
  EXPECT_EQ(result(words)["points"], first);
  EXPECT_FALSE(first[0].contains("train"));

  const Stream stream = Stream::cpu(2);
  TrainedNetwork network(stream, b, {});
  SurfaceProbe probe(stream, network, {.splits = {"test"}, .examples = 20, .reestimate = 16});
  network.read_weights(a, probe.point());
  EXPECT_EQ(first[0]["test"]["loss"], probe()[0].loss);
  // A plane may keep them.
  const Words plane{"--checkpoint", a, "--directions", "1", "--points", "3", "--split", "test"};
  const Json kept = result(plane + Words{"--reestimate", "0"})["points"];
  const Json anew = result(plane + Words{"--reestimate", "16"})["points"];
  EXPECT_EQ(anew[1]["test"], first[0]["test"]);
  EXPECT_NE(kept[1]["test"], anew[1]["test"]);
}

TEST_F(Surface, APlaneHasTheWeightsNormsByFilter) {
  const std::string a = checkpoint("a", "mlp", 1);
  const Json all = result({"--checkpoint", a, "--points", "3", "--radius", "0.5", "--seed", "4"});
  EXPECT_EQ(all["kind"], "plane");
  ASSERT_EQ(all["points"].size(), 9U);
  for (int k = 0; k < 9; ++k) {
    EXPECT_EQ(all["points"][k]["a"], 0.5 * (k % 3 - 1));
    EXPECT_EQ(all["points"][k]["b"], 0.5 * (k / 3 - 1));
  }
  const double expected = norm_of(read_safetensors(a), nullptr, 2);  // weights, not biases
  EXPECT_NEAR(all["norms"]["x"], expected, 1e-5 * expected);
  EXPECT_NEAR(all["norms"]["y"], expected, 1e-5 * expected);
  const Json row = result(
      {"--checkpoint", a, "--points", "3", "--radius", "0.5", "--seed", "4", "--directions", "1"});
  for (int k = 0; k < 3; ++k) {  // the row b = 0
    EXPECT_EQ(row["points"][k]["test"], all["points"][3 + k]["test"]);
    EXPECT_FALSE(row["points"][k].contains("b"));
  }
}

TEST_F(Surface, WrongUse) {
  const std::string a = checkpoint("a", "mlp", 1), b = checkpoint("b", "mlp", 2);
  const std::string other = write_checkpoint(folder_, "other", "mlp", 5, 1);
  const std::string silent = write_checkpoint(folder_, "silent", "mlp", 4, 1, false);
  const auto refused = [&](const Words& words, const Words& parts) {
    SCOPED_TRACE(testing::PrintToString(words));
    expect_failure(run(words), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(folder_.file("out/surface.json")));
  };
  refused({}, {"--between", "neither", "--checkpoint"});
  refused({"--between", a, b, "--checkpoint", a}, {"--between", "expected one or the other"});
  refused({"--between", a}, {"--between", "found 1 of 2 values"});
  refused({"--between", a, b, "--from", "2", "--to", "1"}, {"--from", "found 2 to 1"});
  refused({"--between", a, b, "--from", "nan"}, {"--from", "found nan"});
  refused({"--between", a, b, "--points", "1"}, {"--points", "found 1", ">= 2"});
  refused({"--between", a, b, "--reestimate", "0"}, {"--reestimate", "found 0"});
  refused({"--between", a, other}, {other, "fc1.weight", "found shape [5,3072]"});
  refused({"--between", a, folder_.file("none")}, {"none", "No such file"});
  refused({"--checkpoint", a, "--directions", "3"}, {"--directions", "found 3"});
  refused({"--checkpoint", a, "--radius", "0"}, {"--radius", "found 0"});
  refused({"--checkpoint", a, "--split", "tset"}, {"--split", "'tset'", "did you mean test"});
  refused({"--checkpoint", a, "--width", "6"}, {a, "fc1.weight"});
  refused({"--checkpoint", silent}, {"--model", silent, "required"});
  refused({"--checkpoint", a, "--dataset", "shape"}, {"shape"});
  const auto fails = [&](const Words& words, const Words& parts) {
    expect_failure(run_program(Words{"surface", "--checkpoint", a} + words), 2, parts);
  };
  fails({"--out", "/dev/null/out"}, {"--out", "/dev/null/out"});
  fails({"--examples", "99999999", "--out", folder_.file("out")},
        {"--examples", "found 99999999", "of train"});
}

}  // namespace
}  // namespace basin::test
