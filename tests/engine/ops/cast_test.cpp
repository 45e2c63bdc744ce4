#include "kernels/bfloat16.h"
#include "tests/support/op_case.h"

namespace basin::test {
namespace {

struct CastCase {
  Stream stream = Stream::cpu(1);
  LayoutPtr layout;
  Arena w;
  explicit CastCase(int64_t n) {
    Layout declared;
    declared.add("x", Role::Weight, Shape{n});
    layout = std::make_shared<const Layout>(declared);
    w = Arena(stream, layout, DType::Float32);
    randomise(stream, w, 3);
  }
};

// y = x rounded, twice over: the gradient of sum y^2, 2 y, is a bfloat16, and their sum a float.
TEST(CastOp, RoundsOnceAndPassesGradients) {
  for (const int64_t n : {1, 17, 1000}) {
    CastCase c(n);
    Tape tape(c.stream, c.w);
    const auto rounded = [&] {
      const Variable narrow = cast(tape.parameter("x"), DType::BFloat16);
      EXPECT_EQ(narrow.dtype(), DType::BFloat16);
      return cast(narrow, DType::Float32);
    };
    const Variable a = rounded(), b = rounded();
    EXPECT_EQ(a.dtype(), DType::Float32);
    const std::vector<double> values = a.values();
    tape.freeze({add(sum(mul(a, a)), scale(sum(b), 0.7))});
    Workspace work(tape, c.stream);
    Point at(tape, c.stream);
    Arena gradient = c.w.sibling(c.stream);
    at.move_to(c.w, nullptr, work);
    work.forward(at);
    work.backward(at, gradient);
    const auto x = c.w.read(c.stream, c.layout->entries()[0]);
    const auto dx = gradient.read(c.stream, c.layout->entries()[0]);
    for (int64_t i = 0; i < n; ++i) {
      const auto y = static_cast<float>(bfloat16(static_cast<float>(x[i])));
      ASSERT_EQ(values[i], y);
      ASSERT_EQ(dx[i], 2 * y + static_cast<float>(bfloat16(0.7F)));
    }
  }
}

TEST(CastOp, ToTheSameTypeIsNothing) {
  CastCase c(4);
  Tape tape(c.stream, c.w);
  const Variable x = tape.parameter("x");
  EXPECT_EQ(cast(x, DType::Float32).slot(), x.slot());
}

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(CastOp, OtherTypesAndOtherOpsAreRefused) {
  CastCase c(4);
  Tape tape(c.stream, c.w);
  const std::vector<int32_t> labels(4);
  const Variable y = tape.input("y", Shape{4}, DType::Int32, labels.data());
  EXPECT_EQ(error_of([&] { cast(y, DType::BFloat16); }),
            "[cast]: found int32 to bfloat16, expected float32 to bfloat16 or back");
  const Variable narrow = cast(tape.parameter("x"), DType::BFloat16);
  EXPECT_EQ(error_of([&] { relu(narrow); }),
            "[relu]: found 'cast0', bfloat16, expected float32: cast() it");
}

}  // namespace
}  // namespace basin::test
