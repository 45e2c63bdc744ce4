#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(ConvOp, GradientsOverShapes) {
  struct Case {
    int64_t n, h, w, in, out, kernel, stride, padding;
  };
  for (const Case& c : {Case{2, 5, 4, 3, 2, 3, 1, 1}, Case{1, 7, 7, 2, 5, 3, 2, 1},
                        Case{3, 4, 4, 4, 3, 1, 2, 0}, Case{2, 4, 4, 1, 1, 1, 1, 0},
                        Case{1, 3, 3, 16, 3, 3, 1, 1}, Case{1, 2, 3, 5, 17, 1, 1, 0}}) {
    for (const int threads : {1, 2}) {
      check_op({{{"x", Shape{c.n, c.h, c.w, c.in}}, {"w", Shape{c.out, c.kernel, c.kernel, c.in}}},
                [c](Tape& t) {
                  return conv2d(t.parameter("x"), t.parameter("w"),
                                {.stride = c.stride, .padding = c.padding});
                }},
               threads);
    }
  }
}

TEST(ConvOp, OneWeightInTwoPlaces) {  // packed gradients that add up when they are unpacked
  check_op({{{"x", Shape{2, 5, 5, 4}}, {"w", Shape{4, 3, 3, 4}}}, [](Tape& t) {
              const ConvOptions same{.stride = 1, .padding = 1};
              const Variable h = softplus(conv2d(t.parameter("x"), t.parameter("w"), same));
              return conv2d(h, t.parameter("w"), same);
            }});
}

TEST(ConvOp, RefusesWhatItCannotTake) {
  const Stream stream = Stream::cpu(1);
  Layout layout;
  layout.add("x", Role::Weight, Shape{1, 4, 4, 3});
  layout.add("w", Role::Weight, Shape{2, 3, 3, 4});
  const Arena a(stream, std::make_shared<const Layout>(layout), DType::Float32);
  Tape tape(stream, a);
  try {
    conv2d(tape.parameter("x"), tape.parameter("w"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[conv2d] w: found [2,3,3,4], expected [out,k,k,3] for x [1,4,4,3]");
  }
}

}  // namespace
}  // namespace basin::test
