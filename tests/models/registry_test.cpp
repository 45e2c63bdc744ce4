#include <gtest/gtest.h>

#include "engine/chunked_replay.h"
#include "models/model.h"

namespace basin {
namespace {

// Counts of the paper's own models (understanding-sam), at width 64 and 16.
TEST(Models, ParameterCountsAreThePapers) {
  const auto count = [](const char* name, int64_t width, int64_t classes) {
    return make_model({.name = name, .width = width, .classes = classes}).parameters->count();
  };
  EXPECT_EQ(count("resnet18", 64, 10), 11172170);
  EXPECT_EQ(count("resnet18", 64, 100), 11218340);
  EXPECT_EQ(count("resnet18_gn", 64, 10), 11172170);
  EXPECT_EQ(count("resnet_tiny", 64, 10), 4901450);
  EXPECT_EQ(count("resnet_tiny_gn", 64, 100), 4947620);
  EXPECT_EQ(count("resnet_tiny_gn", 16, 10), 308378);
  EXPECT_EQ(count("resnet18_gn", 16, 10), 701018);
  EXPECT_EQ(count("linear", 16, 10), 30720);
}

TEST(Models, NamesArePyTorchs) {
  const Model model = make_model({.name = "resnet_tiny", .width = 4});
  for (const char* name : {"conv1.weight", "layer1.0.bn1.weight", "layer2.0.shortcut.0.weight",
                           "layer4.0.conv2.weight", "bn.bias", "linear.weight", "linear.bias"}) {
    EXPECT_NE(model.parameters->find(name), nullptr) << name;
  }
  EXPECT_EQ(model.parameters->find("layer1.0.shortcut.0.weight"), nullptr);
  EXPECT_NE(model.buffers->find("layer3.0.bn2.num_batches_tracked"), nullptr);
}

TEST(Models, UnknownNamesAndWidthsAreRefused) {
  try {
    make_model({.name = "resnet99"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("--model: found 'resnet99', expected one of resnet_tiny"),
              std::string::npos);
  }
  EXPECT_THROW(make_model({.name = "resnet_tiny_gn", .width = 3}), Error);
  EXPECT_THROW(make_model({.name = "mlp", .width = 0}), Error);
}

}  // namespace
}  // namespace basin
