// `basin step`: what it writes, and that SAM without a radius is SGD to the last bit.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/checkpoint.h"
#include "engine/device.h"
#include "models/init.h"
#include "models/model.h"
#include "tests/support/cli.h"
#include "tests/support/compare.h"

namespace basin::test {
namespace {

constexpr int64_t kImages = 6;

class Step : public testing::TestWithParam<const char*> {
 protected:
  Step() {
    model_ = make_model({.name = GetParam(), .width = 4, .classes = 10});
    const Stream stream = Device::parse("cpu").stream(1);
    Arena weights(stream, model_.parameters, DType::Float32);
    initialise(stream, weights, 3);
    TensorFile file;
    put_arena(file, "", stream, weights);
    write_safetensors(folder_.file("weights"), file);

    std::vector<double> labels;
    for (int i = 0; i < kImages; ++i) labels.push_back(i % 10);
    TensorFile batch;
    batch.tensors.push_back(host_tensor("images", DType::Float32, {kImages, 3, 32, 32},
                                        random_values<double>(kImages * 3 * 32 * 32, 4)));
    batch.tensors.push_back(host_tensor("labels", DType::Int64, {kImages}, labels));
    write_safetensors(folder_.file("batch"), batch);
  }

  std::vector<std::string> words(const std::string& out) const {
    return {"step",
            "--weights",
            folder_.file("weights"),
            "--batch",
            folder_.file("batch"),
            "--out",
            folder_.file(out),
            "--model",
            GetParam(),
            "--width",
            "4",
            "--quiet"};
  }
  TensorFile step(const std::string& out, const std::vector<std::string>& options) const {
    const ProgramResult result = run_program(words(out) + options);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err + result.out, "");
    return read_safetensors(folder_.file(out));
  }

  Folder folder_;
  Model model_;
};

TEST_P(Step, WritesEveryTensor) {
  const TensorFile out = step("out", {"--optimizer", "sam", "--rho", "0.1"});
  EXPECT_EQ(out.at("logits", "out").shape, (std::vector<int64_t>{kImages, 10}));
  size_t count = 3;
  for (const char* prefix :
       {"gradient/", "epsilon/", "gradient_perturbed/", "weight/", "momentum/"}) {
    for (const LayoutEntry& entry : model_.parameters->entries()) {
      const HostTensor& tensor = out.at(prefix + entry.name, "out");
      EXPECT_EQ(tensor.shape, entry.logical) << tensor.name;
      for (const double v : host_values(tensor)) ASSERT_TRUE(std::isfinite(v)) << tensor.name;
      ++count;
    }
  }
  if (model_.buffers) {
    for (const LayoutEntry& entry : model_.buffers->entries()) {
      EXPECT_NE(out.find("buffer/" + entry.name), nullptr) << entry.name;
      ++count;
    }
  }
  EXPECT_EQ(out.tensors.size(), count);

  double squares = 0;
  for (const LayoutEntry& entry : model_.parameters->entries()) {
    for (const double e : host_values(out.at("epsilon/" + entry.name, "out"))) squares += e * e;
  }
  EXPECT_NEAR(std::sqrt(squares), 0.1, 1e-6);
  const double at_w = host_values(out.at("loss", "out"))[0];
  EXPECT_GT(host_values(out.at("loss_perturbed", "out"))[0], at_w);
}

TEST_P(Step, SamWithoutARadiusIsSgd) {
  const TensorFile sgd = step("sgd", {"--optimizer", "sgd"});
  const TensorFile sam = step("sam", {"--optimizer", "sam", "--rho", "0"});
  ASSERT_EQ(sgd.tensors.size(), sam.tensors.size());
  for (const HostTensor& tensor : sgd.tensors) {
    EXPECT_EQ(sam.at(tensor.name, "sam").data, tensor.data) << tensor.name;
  }
}

TEST_P(Step, TwoStepsAreTheSameBytes) {
  step("a", {"--optimizer", "sam"});
  step("b", {"--optimizer", "sam"});
  EXPECT_EQ(bytes_of(folder_.file("a")), bytes_of(folder_.file("b")));
}

TEST_P(Step, EachGroupHasAPerturbationOfItsOwn) {
  const std::vector<std::string> sam{"--optimizer", "sam", "--rho", "0.1", "--microbatch"};
  step("whole", sam + std::vector<std::string>{std::to_string(kImages)});
  step("plain", {"--optimizer", "sam", "--rho", "0.1"});
  EXPECT_EQ(bytes_of(folder_.file("whole")), bytes_of(folder_.file("plain")));

  const TensorFile out = step("out", sam + std::vector<std::string>{"4"});  // 4 and 2 images
  std::vector<double> squares(2, 0.0);
  for (const LayoutEntry& entry : model_.parameters->entries()) {
    std::vector<int64_t> shape{2};
    shape.insert(shape.end(), entry.logical.begin(), entry.logical.end());
    const HostTensor& epsilon = out.at("epsilon/" + entry.name, "out");
    EXPECT_EQ(epsilon.shape, shape) << entry.name;
    const std::vector<double> values = host_values(epsilon);
    for (size_t i = 0; i < values.size(); ++i) {
      squares[i / entry.size] += values[i] * values[i];
    }
  }
  for (const double square : squares) EXPECT_NEAR(std::sqrt(square), 0.1, 1e-6);
  expect_failure(run_program(words("out") + sam + std::vector<std::string>{"7"}), 2,
                 {"--microbatch", "found 7", "batch of 6"});
  expect_failure(
      run_program(words("out") + sam + std::vector<std::string>{"2", "--memory-limit", "0.001"}), 2,
      {"--microbatch-execution", "loop", "MiB", "more than 0.0 MiB"});
}

// However the groups are replayed: one result. Ghosts make no epsilon.
TEST_P(Step, ExecutionsOfGroupsAgree) {
  const auto by = [](const char* execution) {
    return std::vector<std::string>{"--optimizer",
                                    "sam",
                                    "--rho",
                                    "0.1",
                                    "--convolution",
                                    "direct",
                                    "--microbatch",
                                    "2",
                                    "--microbatch-execution",
                                    execution};
  };
  const TensorFile loop = step("loop", by("loop"));
  for (const char* execution : {"grouped", "ghost"}) {
    if (model_.batch_norm == HasBatchNorm::Yes) {
      expect_failure(run_program(words("out") + by(execution)), 2,
                     {"--microbatch-execution", execution, "batch norm"});
      continue;
    }
    const TensorFile out = step(execution, by(execution));
    for (const HostTensor& tensor : loop.tensors) {
      if (tensor.name.starts_with("epsilon/")) {
        EXPECT_EQ(out.find(tensor.name) != nullptr, execution != std::string("ghost"));
        continue;
      }
      const std::vector<double> expected = host_values(tensor);
      double most = 0;
      for (const double v : expected) most = std::max(most, std::abs(v));
      EXPECT_TRUE(all_close(host_values(out.at(tensor.name, execution)), expected,
                            1e-4 / eps_of<double>(), most))
          << execution << ": " << tensor.name;
    }
  }
}

// On two threads, on one, and on CUDA where there is a device: the same up to rounding.
TEST_P(Step, IsTheSameOnEachDevice) {
  const std::vector<std::string> sam{"--optimizer", "sam", "--convolution", "direct"};
  std::vector<std::vector<std::string>> devices{{"--threads", "1"}};
  if (cuda_device_count() > 0) devices.push_back({"--device", "cuda"});
  const TensorFile expected = step("two", sam);
  for (const auto& device : devices) {
    const TensorFile found = step(device.back(), sam + device);
    ASSERT_EQ(found.tensors.size(), expected.tensors.size());
    for (const HostTensor& tensor : expected.tensors) {
      const auto a = host_values(found.at(tensor.name, "found")), b = host_values(tensor);
      double difference = 0, size = 0;
      for (size_t i = 0; i < b.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
      }
      EXPECT_LE(std::sqrt(difference), 1e-3 * std::sqrt(size) + 1e-6)
          << tensor.name << ", " << device.back();
    }
  }
}

TEST_P(Step, InputThatDoesNotFit) {
  const auto refused = [&](const std::vector<std::string>& options,
                           const std::vector<std::string>& parts) {
    expect_failure(run_program(words("out") + options), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(folder_.file("out")));
  };
  const std::string weights = folder_.file("weights"), batch = folder_.file("batch");
  refused({"--lr", "-1"}, {"--lr", "found -1"});

  const std::string good = bytes_of(weights);
  write_bytes(weights, good.substr(0, good.size() - 1));
  refused({}, {weights});
  TensorFile file = read_safetensors(batch);
  for (HostTensor& tensor : file.tensors) {
    if (tensor.name == "images") tensor.shape = {kImages, 3, 32 * 32};
  }
  write_safetensors(batch, file);
  write_bytes(weights, good);
  refused({}, {batch, "images"});
  std::filesystem::remove(batch);
  refused({}, {batch, "No such file"});
}

INSTANTIATE_TEST_SUITE_P(Models, Step, testing::Values("mlp", "resnet_tiny", "resnet_tiny_gn"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace basin::test
