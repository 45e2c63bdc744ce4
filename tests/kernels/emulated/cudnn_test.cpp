// cuDNN's functions by themselves: each check of a descriptor, of an execution and of its order
// fires; engines that must not be chosen give other results; every call can fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>

#include "kernels/conv.h"
#include "kernels/cudnn.h"
#include "kernels/emulated/descriptors.h"
#include "tests/kernels/emulated/fixture.cuh"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

using testing::AllOf, testing::EndsWith, testing::HasSubstr, testing::MatchesRegex,
    testing::StartsWith;

using Raw = cudnnBackendDescriptor_t;
using Extents = std::vector<int64_t>;

// What a test builds: a good forward convolution, until it is changed.
struct Recipe {
  struct Tensor {
    int64_t id;
    Extents extents, strides;  // n, c, h, w
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    int64_t alignment = 16;
  };
  Tensor x{1, {2, 3, 5, 7}, {105, 1, 21, 3}};
  Tensor w{2, {4, 3, 3, 3}, {27, 1, 9, 3}};
  Tensor y{3, {2, 4, 5, 7}, {140, 1, 28, 4}};
  cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  int64_t dimensions = 2;
  Extents stride{1, 1}, before{1, 1}, behind{1, 1}, dilation{1, 1};
  float alpha = 1, beta = 0;
  cudnnBackendHeurMode_t heuristic = CUDNN_HEUR_MODE_A;
  int64_t engine = 35;
  // What the pack binds; null stands for the test's own arrays.
  Extents ids{1, 2, 3};
  std::array<void*, 3> data{};
  void* workspace = nullptr;

  static ConvShape shape() { return {2, 5, 7, 3, 4, 3, 1, 1}; }
};

class EmulatedCudnn : public Emulated {
 protected:
  void SetUp() override {
    Emulated::SetUp();
    stream_.emplace(Stream::cuda(0));
    x_.emplace(make<float>(*stream_, 210));
    w_.emplace(make<float>(*stream_, 108));
    y_.emplace(make<float>(*stream_, 280));
    workspace_.emplace(*stream_, 4100);
  }
  void TearDown() override {
    close();
    EXPECT_EQ(emulated::live_objects(), 0);
    Emulated::TearDown();
  }
  void close() {
    for (const Raw raw : made_) cudnnBackendDestroyDescriptor(raw);
    made_.clear();
    x_.reset(), w_.reset(), y_.reset(), workspace_.reset();
    stream_.reset();
  }

  cudnnHandle_t handle() const { return stream_->cuda_stream().dnn; }
  Raw create(cudnnBackendDescriptorType_t kind) {
    Raw raw = nullptr;
    cuda::check(cudnnBackendCreateDescriptor(kind, &raw), "create");
    made_.push_back(raw);
    return raw;
  }
  template <class T>
  static void set(Raw raw, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const std::vector<T>& values) {
    cuda::check(cudnnBackendSetAttribute(raw, name, type, std::ssize(values), values.data()),
                "set");
  }
  static void part(Raw raw, cudnnBackendAttributeName_t name, Raw other) {
    set(raw, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{other});
  }
  static void finalize(Raw raw) { cuda::check(cudnnBackendFinalize(raw), "finalize"); }

  Raw tensor(const Recipe::Tensor& t) {
    const Raw raw = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(raw, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, Extents{t.id});
    set(raw, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{t.type});
    set(raw, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, t.extents);
    set(raw, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, t.strides);
    set(raw, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, Extents{t.alignment});
    finalize(raw);
    return raw;
  }
  Raw graph(const Recipe& r) {
    const Raw c = create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{r.sums});
    set(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, std::vector{r.mode});
    set(c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, Extents{r.dimensions});
    set(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, r.stride);
    set(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, r.before);
    set(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, r.behind);
    set(c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, r.dilation);
    finalize(c);
    const Raw op = create(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tensor(r.x));
    part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, tensor(r.w));
    part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, tensor(r.y));
    part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, std::vector{r.alpha});
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, std::vector{r.beta});
    finalize(op);
    const Raw g = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(g, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, std::vector{handle()});
    part(g, CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
    finalize(g);
    return g;
  }
  // The configuration of the recipe's engine, or null.
  Raw configuration(const Recipe& r) {
    const Raw h = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    part(h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph(r));
    set(h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector{r.heuristic});
    finalize(h);
    int64_t count = 0;
    constexpr auto type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    constexpr auto results = CUDNN_ATTR_ENGINEHEUR_RESULTS;
    cuda::check(cudnnBackendGetAttribute(h, results, type, 0, &count, nullptr), "count");
    std::vector<Raw> all;
    for (int64_t i = 0; i < count; ++i) all.push_back(create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    cuda::check(cudnnBackendGetAttribute(h, results, type, count, &count, all.data()), "results");
    for (const Raw one : all) {
      Raw engine = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      int64_t id = -1;
      cuda::check(
          cudnnBackendGetAttribute(one, CUDNN_ATTR_ENGINECFG_ENGINE, type, 1, &count, &engine),
          "engine");
      cuda::check(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64,
                                           1, &count, &id),
                  "id");
      if (id == r.engine) return one;
    }
    return nullptr;
  }
  Raw plan(const Recipe& r) {
    const Raw chosen = configuration(r);
    const Raw p = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(p, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, std::vector{handle()});
    part(p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, chosen);
    finalize(p);
    return p;
  }
  Raw pack(const Recipe& r) {
    const Raw v = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    std::vector<void*> data(r.data.begin(), r.data.end());
    const Buffer* buffers[] = {&*x_, &*w_, &*y_};
    for (size_t i = 0; i < 3; ++i) {
      if (data[i] == nullptr) data[i] = buffers[i]->data();
    }
    void* workspace = r.workspace == nullptr ? workspace_->data() : r.workspace;
    set(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, r.ids);
    set(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data);
    set(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector{workspace});
    finalize(v);
    return v;
  }
  void execute(const Recipe& r) {
    const Raw p = plan(r), v = pack(r);
    cuda::check(cudnnBackendExecute(handle(), p, v), "execute");
  }
  // The line of what goes wrong with a recipe that has been changed.
  std::string wrong(const std::function<void(Recipe&)>& change) {
    Recipe r;
    change(r);
    return error_of([&] { execute(r); });
  }

  // y of an engine on random values.
  std::vector<float> run(int64_t engine) {
    const ConvCase<float> c(Recipe::shape());
    copy_to_device(*stream_, x_->data(), c.x.data(), x_->bytes());
    copy_to_device(*stream_, w_->data(), c.w.data(), w_->bytes());
    Recipe r;
    r.engine = engine;
    execute(r);
    return values<float>(*stream_, *y_);
  }

  std::optional<Stream> stream_;
  std::optional<Buffer> x_, w_, y_, workspace_;
  std::vector<Raw> made_;
};

TEST_F(EmulatedCudnn, AnEngineComputesAsItsNotesSay) {
  const ConvCase<float> c(Recipe::shape());
  const auto within = [&](const std::vector<float>& y, double products) {
    return bool(agrees<float>(std::span<const float>(y), c.y, 1, 27, products));
  };
  for (const int64_t plain : {35, 17}) EXPECT_TRUE(within(run(plain), 0));
  EXPECT_TRUE(same_bytes(run(35), run(35)));
  const std::vector<float> tf32 = run(3), half = run(12), unordered = run(9);
  EXPECT_TRUE(!within(tf32, 0) && within(tf32, kTf32Products));
  EXPECT_FALSE(within(half, kTf32Products));
  EXPECT_TRUE(within(unordered, 0) && !same_bytes(unordered, run(9)));
  EXPECT_THAT(wrong([](Recipe& r) { r.engine = 30; }), HasSubstr("NOT_SUPPORTED_ARCH_MISMATCH"));
  EXPECT_THAT(wrong([](Recipe& r) { r.engine = 21; }), HasSubstr("workspace, 1099511627776 bytes"));
}

TEST_F(EmulatedCudnn, WhatFitsAPass) {
  const auto picked = [](int64_t kernel, ConvAlgorithm algorithm) {
    return cuda::ConvPlan::fitting(Stream::cuda(0), {1, 9, 9, 2, 2, kernel, 1, kernel / 2},
                                   cuda::ConvPass::BackwardData, cuda::ConvElement::Float,
                                   algorithm, 1)[0]
        .engine();
  };
  EXPECT_EQ(picked(1, ConvAlgorithm::Auto), "35");
  EXPECT_EQ(picked(3, ConvAlgorithm::Auto), "17 winograd");
  EXPECT_EQ(picked(3, ConvAlgorithm::Direct), "35");
  EXPECT_EQ(picked(7, ConvAlgorithm::Auto), "0");
}

TEST_F(EmulatedCudnn, WhatConvPicks) {
  constexpr auto kAuto = ConvAlgorithm::Auto, kDirect = ConvAlgorithm::Direct;
  const auto picked = [&]<class T>(T, Tf32 tf32, const ConvShape& s, ConvAlgorithm algorithm,
                                   ConvPasses passes = ConvPasses::All) {
    return Conv<T>(Stream::cuda(0, tf32), s, passes, algorithm).description();
  };
  const ConvShape small = {1, 9, 9, 2, 2, 3, 1, 1}, wide = {1, 4, 4, 128, 128, 3, 1, 1};
  EXPECT_THAT(picked(0.0F, Tf32::No, small, kAuto), MatchesRegex("tile .* . tile .* . tile .*"));
  EXPECT_THAT(picked(0.0F, Tf32::No, wide, kAuto), EndsWith(" | cudnn engine 17 winograd"));
  EXPECT_THAT(picked(0.0F, Tf32::No, wide, kDirect), MatchesRegex("tile .* . tile .* . tile .*"));
  EXPECT_EQ(picked(0.0F, Tf32::Yes, small, kAuto), "cudnn engine 3 | 3 | 3");
  EXPECT_EQ(picked(bfloat16(0), Tf32::No, small, kAuto), "cudnn engine 5 | 5 | 5");
  EXPECT_EQ(picked(0.0F, Tf32::Yes, small, kAuto, ConvPasses::Forward), "cudnn engine 3 | - | -");
  EXPECT_THAT(picked(0.0F, Tf32::No, small, ConvAlgorithm::Measured),
              MatchesRegex("cudnn engine ((17 winograd|35|9|0)( [|] )?){3}"));
  EXPECT_THAT(error_of([&] {
                picked(0.0F, Tf32::No, {1, 17, 17, 2, 3, 17, 1, 0}, ConvAlgorithm::Measured);
              }),
              AllOf(StartsWith("forward of conv 17x17 stride 1 padding 0, x [1, 17, 17, 2] -> y "),
                    HasSubstr(": [cudnn]: found ")));
}

TEST_F(EmulatedCudnn, TensorsAreChecked) {
  EXPECT_THAT(wrong([](Recipe& r) { r.x.type = CUDNN_DATA_DOUBLE; }), HasSubstr("DATA_TYPE"));
  EXPECT_THAT(wrong([](Recipe& r) { r.x.extents[0] = 0; }), HasSubstr("extents [0, 3, 5, 7]"));
  EXPECT_THAT(wrong([](Recipe& r) { r.x.extents.pop_back(); }), HasSubstr("extents [2, 3, 5]"));
  EXPECT_THAT(wrong([](Recipe& r) { std::swap(r.x.strides[1], r.x.strides[3]); }),
              HasSubstr("where dense NHWC has [105, 1, 21, 3]"));
  EXPECT_THAT(wrong([](Recipe& r) { r.w.alignment = 2; }), HasSubstr("an alignment of 2 bytes"));
  EXPECT_THAT(wrong([](Recipe& r) { r.w.alignment = 12; }), HasSubstr("an alignment of 12 bytes"));
}

TEST_F(EmulatedCudnn, ConvolutionsAreChecked) {
  EXPECT_THAT(wrong([](Recipe& r) { r.sums = CUDNN_DATA_BFLOAT16; }), HasSubstr("sums that are"));
  EXPECT_THAT(wrong([](Recipe& r) { r.mode = CUDNN_CONVOLUTION; }), HasSubstr("cross-correlation"));
  EXPECT_THAT(wrong([](Recipe& r) { r.dimensions = 3; }), HasSubstr("two spatial dimensions"));
  EXPECT_THAT(wrong([](Recipe& r) { r.stride[1] = 2; }), HasSubstr("filter strides [1, 2]"));
  EXPECT_THAT(wrong([](Recipe& r) { r.behind[1] = 0; }), HasSubstr("paddings [1, 1] and [1, 0]"));
  EXPECT_THAT(wrong([](Recipe& r) { r.dilation[0] = 2; }), HasSubstr("a dilation"));
}

TEST_F(EmulatedCudnn, OperationsAreChecked) {
  EXPECT_THAT(wrong([](Recipe& r) { r.alpha = 2; }), HasSubstr("other factors than 1 and 0"));
  EXPECT_THAT(wrong([](Recipe& r) { r.beta = 1; }), HasSubstr("other factors than 1 and 0"));
  EXPECT_THAT(wrong([](Recipe& r) { r.w.id = 1; }), HasSubstr("one id of several tensors"));
  EXPECT_THAT(wrong([](Recipe& r) { r.w.type = CUDNN_DATA_BFLOAT16; }),
              HasSubstr("tensors of several types"));
  EXPECT_THAT(wrong([](Recipe& r) { r.y.extents[2] = 4, r.y.strides[0] = 112; }),
              HasSubstr("and y [2, 4, 4, 7] at stride 1 and padding 1"));
  EXPECT_THAT(wrong([](Recipe& r) { r.w.extents[2] = 2, r.w.strides[0] = 18; }),
              HasSubstr("w [4, 3, 2, 3]"));
  EXPECT_THAT(wrong([](Recipe& r) { r.heuristic = CUDNN_HEUR_MODE_B; }), HasSubstr("a mode"));
}

TEST_F(EmulatedCudnn, PacksAreChecked) {
  EXPECT_THAT(wrong([](Recipe& r) { r.ids.pop_back(); }), HasSubstr("2 ids and 3 pointers"));
  EXPECT_THAT(wrong([](Recipe& r) { r.ids[2] = 2; }), HasSubstr("an id twice"));
  EXPECT_THAT(wrong([](Recipe& r) { r.ids[2] = 4; }), HasSubstr("the pack does not bind tensor 3"));
  const auto moved = [](const Buffer& buffer, int64_t bytes) {
    return [=, data = buffer.data()](Recipe& r) { r.data[0] = data + bytes; };
  };
  EXPECT_THAT(wrong(moved(*y_, 4)), HasSubstr("tensor 1 does not lie on 16 bytes"));
  EXPECT_THAT(wrong(moved(*x_, 16)), HasSubstr("x, 840 bytes: byte 16 of a buffer of 840 bytes"));
  EXPECT_THAT(wrong(moved(*y_, 256)), HasSubstr("the result overlaps an operand"));
  alignas(16) float on_host[256];
  EXPECT_THAT(wrong([&](Recipe& r) { r.data[1] = on_host; }), HasSubstr("w, 432 bytes: host"));
  const auto working = [](const Buffer& buffer, int64_t bytes) {
    return [=, data = buffer.data()](Recipe& r) { r.workspace = data + bytes; };
  };
  EXPECT_THAT(wrong(working(*workspace_, 64)), HasSubstr("does not lie on 256 bytes"));
  EXPECT_THAT(wrong(working(*workspace_, 3328)), HasSubstr("workspace, 1000 bytes: byte 3328"));
  EXPECT_THAT(wrong(working(*y_, 256)), HasSubstr("the workspace overlaps an operand"));
}

TEST_F(EmulatedCudnn, AnExecutionHasItsPlaceOnTheStreamAndWritesItsWorkspace) {
  zero(*stream_, workspace_->data(), workspace_->bytes());
  zero(*stream_, x_->data(), x_->bytes());
  execute({});
  zero(*stream_, w_->data(), w_->bytes());  // NaN until here
  const std::vector<float> y = values<float>(*stream_, *y_);
  EXPECT_TRUE(std::all_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }));
  const auto scratch = values<uint8_t>(*stream_, *workspace_);
  EXPECT_EQ(std::count(scratch.begin(), scratch.end(), 0), 3100);
}

TEST_F(EmulatedCudnn, AttributesAreCheckedAsTheyAreSet) {
  const Raw t = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const int64_t five[5] = {};
  constexpr auto kExtents = CUDNN_ATTR_TENSOR_DIMENSIONS;
  const auto status = [&](cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          int64_t n, const void* from) {
    return cudnnBackendSetAttribute(t, name, type, n, from);
  };
  EXPECT_EQ(status(kExtents, CUDNN_TYPE_FLOAT, 4, five), CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE);
  EXPECT_EQ(status(kExtents, CUDNN_TYPE_INT64, 5, five), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(status(kExtents, CUDNN_TYPE_INT64, 0, five), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(status(kExtents, CUDNN_TYPE_INT64, 4, nullptr), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(status(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, five),
            CUDNN_STATUS_BAD_PARAM)
      << "Basin does not set it";
  EXPECT_EQ(cudnnBackendFinalize(t), CUDNN_STATUS_BAD_PARAM);
  char detail[64];
  cudnnGetLastErrorString(detail, sizeof(detail));
  EXPECT_STREQ(detail, "TENSOR_UNIQUE_ID is not set");
  cudnnGetLastErrorString(detail, sizeof(detail));
  EXPECT_STREQ(detail, "") << "it is told once";
  const Raw good = tensor(Recipe().x);
  EXPECT_EQ(cudnnBackendSetAttribute(good, kExtents, CUDNN_TYPE_INT64, 4, five),
            CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(cudnnBackendFinalize(good), CUDNN_STATUS_BAD_PARAM);
}

TEST_F(EmulatedCudnn, DescriptorsAreOfTheirKindFinalisedAndAlive) {
  const auto heuristic_of = [&](Raw raw) {
    return cudnnBackendSetAttribute(create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR),
                                    CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  };
  EXPECT_EQ(heuristic_of(create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)),
            CUDNN_STATUS_NOT_INITIALIZED);
  EXPECT_EQ(heuristic_of(tensor(Recipe().x)), CUDNN_STATUS_BAD_PARAM);
  const Raw p = plan({}), v = pack({});
  EXPECT_EQ(cudnnBackendExecute(handle(), v, v), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(cudnnBackendExecute(nullptr, p, v), CUDNN_STATUS_BAD_PARAM);
  int64_t count = 0, value = 0;
  const auto get = [&](Raw raw, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       void* to) {
    return cudnnBackendGetAttribute(raw, name, type, 1, &count, to);
  };
  constexpr auto kBytes = CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE;
  EXPECT_EQ(get(p, kBytes, CUDNN_TYPE_INT64, &value), CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(value, 1000);
  EXPECT_EQ(get(p, kBytes, CUDNN_TYPE_FLOAT, &value), CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE);
  EXPECT_EQ(get(p, kBytes, CUDNN_TYPE_INT64, nullptr), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(get(create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR), kBytes, CUDNN_TYPE_INT64, &value),
            CUDNN_STATUS_NOT_INITIALIZED);
  Raw wrong_kind = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  EXPECT_EQ(get(configuration({}), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                &wrong_kind),
            CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(cudnnBackendDestroyDescriptor(v), CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(cudnnBackendDestroyDescriptor(v), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(cudnnBackendExecute(handle(), p, v), CUDNN_STATUS_BAD_PARAM);
}

TEST_F(EmulatedCudnn, APlanNeedsWhatItWasMadeOf) {
  const size_t before = made_.size();
  const Raw p = plan({}), v = pack({});
  EXPECT_EQ(cudnnBackendExecute(handle(), p, v), CUDNN_STATUS_SUCCESS);
  cudnnBackendDestroyDescriptor(made_[before + 1]);  // the graph's convolution
  EXPECT_EQ(cudnnBackendExecute(handle(), p, v), CUDNN_STATUS_BAD_PARAM);
}

// Each call of a convolution fails once; each time there is one line and nothing is left behind.
TEST_F(EmulatedCudnn, EveryCallCanFail) {
  close();
  const auto work = [] {
    const Stream stream = Stream::cuda(0, Tf32::Yes);
    const Conv<float> conv(stream, {1, 4, 4, 2, 2, 1, 1, 0}, ConvPasses::All);
    const Buffer x = make<float>(stream, 32), y = make<float>(stream, 32);
    const Buffer w = make<float>(stream, 4), scratch(stream, conv.scratch_bytes());
    conv.forward(stream, at<float>(x), at<float>(w), nullptr, at<float>(y), scratch.data());
    conv.backward_data(stream, at<float>(y), at<float>(w), nullptr, at<float>(x), Write::Overwrite,
                       scratch.data());
    stream.synchronize();
  };
  const auto look = [](const std::string& line) { EXPECT_EQ(emulated::live_objects(), 0) << line; };
  EXPECT_GT(fail_each_call(1000, work, look), 100);
}

}  // namespace
}  // namespace basin::test
