// Checkpoints: arenas as PyTorch's tensors, there and back, and files that do not fit.
#include "engine/checkpoint.h"

#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

LayoutPtr small_layout() {
  auto layout = std::make_shared<Layout>();
  layout->add_conv("conv.weight", 2, 3, 2);
  layout->add("conv.bias", Role::Bias, {2});
  layout->add("bn.running_mean", Role::RunningMean, {2});
  layout->add("bn.num_batches_tracked", Role::Counter, {});
  layout->add_linear("fc.weight", 2, 3, 4);
  return layout;
}
// Every tensor's values, in PyTorch's order, from 100 * its place on.
std::vector<double> values_of(const LayoutEntry& entry, int place) {
  std::vector<double> values;
  for (int64_t i = 0; i < entry.size; ++i) values.push_back(100 * place + static_cast<double>(i));
  return values;
}
Arena filled(const Stream& stream, DType dtype) {
  Arena arena(stream, small_layout(), dtype);
  int place = 1;
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    arena.write(stream, entry, values_of(entry, place++));
  }
  return arena;
}

class CheckpointTest : public testing::Test {
 protected:
  // What get_arena says to a file whose tensor `name` became `tensor`, or is gone.
  std::string message(const std::string& name, const HostTensor* tensor) {
    TensorFile file;
    put_arena(file, "model.", stream_, filled(stream_, DType::Float32));
    std::erase_if(file.tensors, [&](const HostTensor& t) { return t.name == name; });
    if (tensor != nullptr) file.tensors.push_back(*tensor);
    Arena arena(stream_, small_layout(), DType::Float32);
    const std::string text =
        usage_error([&] { get_arena(file, "a.st", "model.", stream_, arena); });
    EXPECT_THAT(text, StartsWith("a.st: "));
    EXPECT_THAT(text, HasSubstr(name));
    return text;
  }
  Stream stream_ = Stream::cpu(1);
  Folder folder_;
};

TEST_F(CheckpointTest, TensorsAreInPyTorchsNamesShapesAndOrder) {
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    const Arena arena = filled(stream_, dtype);
    TensorFile file;
    put_arena(file, "model.", stream_, arena);
    ASSERT_EQ(file.tensors.size(), 5u);
    EXPECT_EQ(file.at("model.conv.weight", "").shape, (std::vector<int64_t>{2, 3, 2, 2}));
    EXPECT_EQ(file.at("model.fc.weight", "").shape, (std::vector<int64_t>{2, 12}));
    EXPECT_TRUE(file.at("model.bn.num_batches_tracked", "").shape.empty());
    EXPECT_EQ(file.at("model.bn.num_batches_tracked", "").dtype, DType::Int64);
    int place = 1;
    for (const LayoutEntry& entry : arena.layout()->entries()) {
      const HostTensor& tensor = file.at("model." + entry.name, "");
      EXPECT_EQ(host_values(tensor), values_of(entry, place++)) << entry.name;
      if (entry.role != Role::Counter) {
        EXPECT_EQ(tensor.dtype, dtype);
      }
    }
  }
}

TEST_F(CheckpointTest, TheArenaItselfHasChannelsLast) {
  const Arena arena = filled(stream_, DType::Float32);
  const LayoutEntry& conv = arena.layout()->at("conv.weight");
  const LayoutEntry& linear = arena.layout()->at("fc.weight");
  const auto* w = arena.as<float>() + conv.offset;
  for (int o = 0; o < 2; ++o) {
    for (int c = 0; c < 3; ++c) {
      for (int s = 0; s < 4; ++s) {
        EXPECT_EQ(w[(o * 4 + s) * 3 + c], 100 + (o * 3 + c) * 4 + s);
        EXPECT_EQ(arena.as<float>()[linear.offset + (o * 4 + s) * 3 + c],
                  500 + (o * 3 + c) * 4 + s);
      }
    }
  }
}

TEST_F(CheckpointTest, ThereAndBackThroughAFile) {
  const std::string path = folder_.file("a.safetensors");
  const Arena arena = filled(stream_, DType::Float64);
  TensorFile file;
  put_arena(file, "model.", stream_, arena);
  put_arena(file, "momentum.", stream_, arena.sibling(stream_));
  write_safetensors(path, file);
  const TensorFile found = read_safetensors(path);
  Arena same(stream_, small_layout(), DType::Float64),
      narrow(stream_, small_layout(), DType::Float32);
  get_arena(found, path, "model.", stream_, same);
  EXPECT_TRUE(same_bytes(std::span(same.as<const double>(), same.size()),
                         std::span(arena.as<const double>(), arena.size())));
  get_arena(found, path, "model.", stream_, narrow);  // another type is converted
  for (int64_t i = 0; i < narrow.size(); ++i) {
    EXPECT_EQ(narrow.as<float>()[i], static_cast<float>(arena.as<double>()[i]));
  }
  get_arena(found, path, "momentum.", stream_, same);
  for (int64_t i = 0; i < same.size(); ++i) EXPECT_EQ(same.as<double>()[i], 0);
}

TEST_F(CheckpointTest, AMissingTensorIsNamed) {
  EXPECT_THAT(message("model.conv.bias", nullptr), HasSubstr("no tensor 'model.conv.bias'"));
  TensorFile file;
  Arena arena(stream_, small_layout(), DType::Float32);
  EXPECT_THAT(usage_error([&] { get_arena(file, "a.st", "", stream_, arena); }),
              HasSubstr("'conv.weight' among its 0"));
}

TEST_F(CheckpointTest, AnotherShapeOrTypeIsNamed) {
  const std::vector<double> values(24, 1.0);
  const HostTensor flat = host_tensor("model.conv.weight", DType::Float32, {2, 12}, values);
  EXPECT_THAT(message(flat.name, &flat), HasSubstr("found shape [2,12], expected [2,3,2,2]"));
  const HostTensor whole = host_tensor("model.fc.weight", DType::Int32, {2, 12}, values);
  EXPECT_THAT(message(whole.name, &whole), HasSubstr("found int32, expected float32 or float64"));
  const HostTensor count =
      host_tensor("model.bn.num_batches_tracked", DType::Float32, {}, std::vector<double>{1.0});
  EXPECT_THAT(message(count.name, &count), HasSubstr("found float32, expected int64"));
}

TEST(HostTensor, ValuesOfEveryType) {
  const std::vector<double> values = {0, 1, 200};
  for (const DType dtype :
       {DType::Float32, DType::Float64, DType::Int32, DType::Int64, DType::UInt8}) {
    const HostTensor tensor = host_tensor("t", dtype, {3}, values);
    EXPECT_EQ(static_cast<int64_t>(tensor.data.size()), 3 * dtype_size(dtype));
    EXPECT_EQ(host_values(tensor), values) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace basin::test
