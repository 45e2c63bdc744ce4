// No convolution of any network may fall silently to a plain loop: oneDNN's is a thousand times
// slower than what it replaces.
#include <gtest/gtest.h>

#include <set>

#include "kernels/conv.h"
#include "kernels/simd.h"
#include "models/init.h"
#include "models/model.h"

namespace basin::test {
namespace {

// The convolutions that a network records; padding is half the kernel in all of them.
std::vector<ConvShape> convolutions_of(const std::string& name, int64_t width, int64_t c,
                                       int64_t images) {
  const Stream stream = Stream::cpu(1);
  const Model model = make_model({.name = name, .width = width, .c = c});
  Arena weights(stream, model.parameters, DType::Float32), running;
  if (model.buffers) {
    running = Arena(stream, model.buffers, DType::Float32);
    initialise_buffers(stream, running);
  }
  Tape tape(stream, weights, model.buffers ? &running : nullptr);
  const std::vector<float> data(images * 32 * 32 * c);
  model.record(tape, tape.input("x", Shape{images, 32, 32, c}, DType::Float32, data.data()));
  std::vector<ConvShape> shapes;
  const Program& p = tape.program();
  for (const Node& node : p.nodes) {
    if (node.op->name() != "conv2d") continue;
    const Shape &x = p.slots[node.inputs[0]].shape, &w = p.slots[node.inputs[1]].shape;
    const int64_t stride = x[1] / p.slots[node.outputs[0]].shape[1];
    shapes.push_back({x[0], x[1], x[2], x[3], w[0], w[1], stride, w[1] / 2});
  }
  return shapes;
}

template <class T>
void expect_no_loops() {
  std::set<std::string> seen;
  for (const std::string& name : model_names()) {
    for (const int64_t width : {4, 8, 16, 64}) {
      for (const int64_t c : {1, 3}) {
        for (ConvShape s : convolutions_of(name, width, c, 1)) {
          for (const int64_t n : {1, 16, 33}) {
            s.n = n;
            if (!seen.insert(to_string(s)).second) continue;
            const auto passes = s.c_in == c ? ConvPasses::ForwardAndFilter : ConvPasses::All;
            for (const auto algorithm : {ConvAlgorithm::Auto, ConvAlgorithm::Direct}) {
              for (const int threads : {1, 2}) {
                const Conv<T> conv(Stream::cpu(threads), s, passes, algorithm);
                const std::string found = conv.description();
                EXPECT_EQ(found.find("ref"), std::string::npos) << to_string(s) << ": " << found;
                EXPECT_EQ(found.find("loops"), std::string::npos) << to_string(s) << ": " << found;
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(seen.size(), 60U);
}

TEST(Convolutions, NoneRunsByPlainLoopsInFloat32) {
  expect_no_loops<float>();
}

TEST(Convolutions, NoneRunsByPlainLoopsInBfloat16) {
  if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  expect_no_loops<bfloat16>();
}

}  // namespace
}  // namespace basin::test
