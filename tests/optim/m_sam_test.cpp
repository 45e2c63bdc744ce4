// m-SAM against its definition: each group of examples by itself, one after the other.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/chunked_replay.h"
#include "optim/sam.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

constexpr int64_t kBatch = 11, kSide = 6, kChannels = 2, kClasses = 4;
constexpr int64_t kImage = kSide * kSide * kChannels;
constexpr double kRho = 0.3;

enum class Net { Linear, GroupNorm, BatchNorm };

// A network small enough for float64's loops, with every kind of parameter.
struct Problem {
  LayoutPtr layout, buffers;
  RecordNetwork record;
  std::vector<double> images, weights;
  std::vector<int32_t> labels;

  explicit Problem(Net net) {
    Layout l, b;
    const auto p = [](Tape& t, const char* name) { return t.parameter(name); };
    if (net == Net::Linear) {
      l.add("fc", Role::Weight, Shape{kClasses, kImage});
      record = [p](Tape& t, const Variable& x) { return linear(flatten(x), p(t, "fc")); };
    } else {
      l.add_conv("conv", 5, kChannels, 3);
      l.add_conv("wide", 8, 5, 3);
      l.add("g", Role::NormScale, Shape{8});
      l.add("b", Role::NormBias, Shape{8});
      l.add_conv("deep", 12, 8, 3);  // of four positions an example: groups of 1 and 2 have ghosts
      l.add("fc", Role::Weight, Shape{kClasses, 12});
      l.add("c", Role::Bias, Shape{kClasses});
      record = [p, net](Tape& t, const Variable& x) {
        const Variable h = conv2d(relu(conv2d(x, p(t, "conv"), {1, 1})), p(t, "wide"), {2, 1});
        const Variable g = p(t, "g"), b = p(t, "b");
        const Variable y =
            net == Net::GroupNorm
                ? group_norm_act(h, g, b, {.groups = 4})
                : batch_norm_act(
                      h, g, b, {.running_mean = "mean", .running_variance = "var", .counter = "n"});
        return linear(global_pool(relu(conv2d(y, p(t, "deep"), {2, 1}))), p(t, "fc"), p(t, "c"));
      };
    }
    layout = std::make_shared<const Layout>(l);
    if (net == Net::BatchNorm) {
      b.add("mean", Role::RunningMean, Shape{8});
      b.add("var", Role::RunningVariance, Shape{8});
      b.add("n", Role::Counter, Shape{});
      buffers = std::make_shared<const Layout>(b);
    }
    images = random_values<double>(kBatch * kImage, 3);
    for (double& v : images) v = static_cast<float>(v);
    for (int64_t i = 0; i < kBatch; ++i) labels.push_back(static_cast<int32_t>(i * 7 % kClasses));
    for (const LayoutEntry& e : layout->entries()) {
      for (double v : random_values<double>(e.size, 5 + e.offset, 0.3)) {
        v = static_cast<float>(v + (e.role == Role::NormScale ? 1 : 0));
        weights.push_back(v);
      }
    }
  }
};

// Memory of a problem on a stream, in the type T.
template <class T>
struct Placement {
  const Problem& problem;
  Stream stream;
  Arena w;
  std::optional<Arena> buffers;
  Placed<T> images;
  Placed<int32_t> labels;

  Placement(const Stream& stream, const Problem& problem)
      : problem(problem),
        stream(stream),
        w(stream, problem.layout, kDTypeOf<T>),
        images(stream, std::vector<T>(problem.images.begin(), problem.images.end())),
        labels(stream, problem.labels) {
    auto from = problem.weights.begin();
    for (const LayoutEntry& e : problem.layout->entries()) {
      w.write(stream, e, std::vector<double>(from, from + e.size));
      from += e.size;
    }
    if (problem.buffers) buffers.emplace(stream, problem.buffers, kDTypeOf<T>);
  }
  ReplayOptions options(int64_t batch, double l2) const {
    return {.batch = batch,
            .h = kSide,
            .w = kSide,
            .c = kChannels,
            .whole_batch = problem.buffers != nullptr,
            .l2 = l2};
  }
  Arena* running() { return buffers ? &*buffers : nullptr; }
};

std::vector<double> values(const Stream& stream, const Arena& arena) {
  std::vector<double> all;
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    const auto own = arena.read(stream, entry);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> d(a.size());
  for (size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  return norm(d) / norm(b);
}

struct Outcome {
  std::vector<double> gradient, statistics;
  double first_loss = 0, last_loss = 0;
};

OptimizerOptions sam_options(int steps = 1) {
  OptimizerOptions o;
  o.name = "sam";
  o.rho = kRho;
  o.sam_steps = steps;
  o.sam_step_size = steps > 1 ? 0.6 : 1;
  o.descent.momentum = 0;
  return o;
}

// By definition, in float64: group after group, each with a replay of its own size.
Outcome by_definition(const Problem& problem, int64_t m, double l2 = 0, int steps = 1) {
  Placement<double> at(Stream::cpu(1), problem);
  Outcome all;
  Arena g = at.w.sibling(at.stream), point = at.w.sibling(at.stream);
  const std::vector<double> w = values(at.stream, at.w);
  all.gradient.assign(w.size(), 0);
  for (int64_t begin = 0; begin < kBatch; begin += m) {
    const int64_t size = std::min(m, kBatch - begin);
    const double share = static_cast<double>(size) / kBatch;
    ChunkedReplay replay(at.stream, problem.record, at.w, at.running(), at.options(size, l2));
    replay.bind(at.images.data() + begin * kImage, at.labels.data() + begin);
    const Track track = problem.buffers ? Track::Yes : Track::No;
    replay.differentiate(at.w, g, track);
    all.first_loss += share * replay.finished().loss;
    std::vector<double> eps(w.size(), 0.0);
    for (int k = 0; k < steps; ++k) {
      if (k > 0) replay.differentiate(point, g, Track::No);
      const std::vector<double> gradient = values(at.stream, g);
      const double s = (steps > 1 ? 0.6 : 1) * kRho / (norm(gradient) + 1e-12);
      for (size_t i = 0; i < w.size(); ++i) eps[i] += s * gradient[i];
      const double shrink = std::min(1.0, kRho / norm(eps));
      size_t i = 0;
      for (const LayoutEntry& e : problem.layout->entries()) {
        std::vector<double> moved;
        for (int64_t j = 0; j < e.size; ++j, ++i) moved.push_back(w[i] + (eps[i] *= shrink));
        point.write(at.stream, e, moved);
      }
    }
    replay.differentiate(point, g, Track::No);
    all.last_loss += share * replay.finished().loss;
    const std::vector<double> last = values(at.stream, g);
    for (size_t i = 0; i < w.size(); ++i) all.gradient[i] += share * last[i];
  }
  if (at.buffers) all.statistics = values(at.stream, *at.buffers);
  return all;
}

// The executions that the problem allows on the stream.
std::vector<GroupExecution> executions(Net net, const Stream& stream, int steps = 1,
                                       double l2 = 0) {
  if (net == Net::BatchNorm || (stream.is_cuda() && steps > 1)) return {GroupExecution::Loop};
  if (steps > 1 || l2 > 0) return {GroupExecution::Loop, GroupExecution::Grouped};
  return {GroupExecution::Loop, GroupExecution::Grouped, GroupExecution::Ghost};
}

constexpr GroupExecution kExecutions[] = {GroupExecution::Loop, GroupExecution::Grouped,
                                          GroupExecution::Ghost};

template <class T>
Outcome by_replay(const Stream& stream, const Problem& problem, int64_t m, GroupExecution execution,
                  double l2 = 0, int steps = 1) {
  Placement<T> at(stream, problem);
  const auto optimizer = make_optimizer(stream, problem.layout, kDTypeOf<T>, sam_options(steps));
  ReplayOptions options = at.options(kBatch, l2);
  options.microbatch = m;
  options.execution = execution;
  options.epsilon = optimizer->keeps_epsilon();
  const auto replay = make_replay(stream, problem.record, at.w, at.running(), options);
  replay->bind(at.images.data(), at.labels.data());
  const Placed<double> rate(stream, std::vector<double>{0});
  optimizer->step(*replay, at.w, rate.data());
  Outcome all;
  all.gradient = values(stream, optimizer->gradient_perturbed());
  if (at.buffers) all.statistics = values(stream, *at.buffers);
  PassResult first{};
  copy_to_host(stream, &first, replay->first_result(), sizeof(first));
  all.first_loss = first.loss;
  all.last_loss = replay->finished().loss;
  return all;
}

constexpr int64_t kSizes[] = {1, 2, 3, 8};  // none but 1 divides the batch

// Each number of threads, and one stream of CUDA: which others give equal bytes is the kernels'
// tests.
std::vector<Stream> devices() {
  std::vector<Stream> all = streams({1, 2, 3});
  if (all.size() > 4) all.erase(all.begin() + 4, all.end());
  return all;
}

void expect_definition(Net net, const Problem& problem, int64_t m, double l2) {
  const Outcome expected = by_definition(problem, m, l2);
  for (const Stream& stream : devices()) {
    for (const GroupExecution execution : executions(net, stream, 1, l2)) {
      SCOPED_TRACE(fmt::format("m {}, l2 {}, {}, execution {}", m, l2, name(stream),
                               static_cast<int>(execution)));
      const Outcome found = by_replay<double>(stream, problem, m, execution, l2);
      EXPECT_LE(distance(found.gradient, expected.gradient), 1e-12);
      EXPECT_NEAR(found.first_loss, expected.first_loss, 1e-12);
      EXPECT_NEAR(found.last_loss, expected.last_loss, 1e-12);
      if (net == Net::BatchNorm) {
        EXPECT_LE(distance(found.statistics, expected.statistics), 1e-13);
      }
      const Outcome narrow = by_replay<float>(stream, problem, m, execution, l2);
      EXPECT_LE(distance(narrow.gradient, expected.gradient), 1e-5);
    }
  }
}

TEST(MSam, IsItsDefinition) {
  for (const Net net : {Net::Linear, Net::GroupNorm, Net::BatchNorm}) {
    const Problem problem(net);
    for (const int64_t m : kSizes) expect_definition(net, problem, m, 0);
    expect_definition(net, problem, 2, 1e-2);
  }
}

TEST(MSam, ProjectedStepsAreTheirDefinition) {
  const Problem problem(Net::GroupNorm);
  for (const int64_t m : {1, 3}) {
    const Outcome expected = by_definition(problem, m, 0, 3);
    for (const Stream& stream : streams({1, 2})) {
      for (const GroupExecution execution : executions(Net::GroupNorm, stream, 3)) {
        const Outcome found = by_replay<double>(stream, problem, m, execution, 0, 3);
        EXPECT_LE(distance(found.gradient, expected.gradient), 1e-12) << name(stream);
      }
    }
  }
}

TEST(MSam, OneGroupIsSamToTheByte) {
  const Problem problem(Net::GroupNorm);
  for (const Stream& stream : streams({1, 2})) {
    EXPECT_EQ(by_replay<float>(stream, problem, kBatch, GroupExecution::Loop).gradient,
              by_replay<float>(stream, problem, 0, GroupExecution::Loop).gradient);
  }
}

TEST(MSam, TwiceAreTheSameBytes) {
  const Problem problem(Net::GroupNorm);
  for (const GroupExecution execution : kExecutions) {
    std::vector<double> first;
    for (const Stream& stream : streams({2, 2})) {
      const std::vector<double> found = by_replay<float>(stream, problem, 2, execution).gradient;
      if (stream.is_cuda()) {
        EXPECT_LE(distance(found, first), 1e-5);  // its sums have another order
      } else if (first.empty()) {
        first = found;
      } else {
        EXPECT_EQ(found, first);
      }
    }
  }
}

// For softmax regression the gradient of an example is (p - y) x^T. At w + eps its logits have
// moved by s (p - y) |x|^2, s = rho / (|p - y| |x|).
TEST(MSam, OneExampleOfALinearModelInClosedForm) {
  const Problem problem(Net::Linear);
  std::vector<double> expected(kClasses * kImage, 0.0);
  const auto logits_of = [&](int64_t i) {  // entries are [classes, image] with channels last
    std::vector<double> z(kClasses, 0.0);
    for (int64_t k = 0; k < kClasses; ++k) {
      for (int64_t p = 0; p < kImage; ++p) {
        z[k] += problem.weights[k * kImage + p] * problem.images[i * kImage + p];
      }
    }
    return z;
  };
  const auto residual = [&](std::vector<double> z, int64_t i) {  // softmax(z) - y
    double total = 0;
    for (double& v : z) total += v = std::exp(v);
    for (double& v : z) v /= total;
    z[problem.labels[i]] -= 1;
    return z;
  };
  for (int64_t i = 0; i < kBatch; ++i) {
    std::vector<double> z = logits_of(i);
    const std::vector<double> at_w = residual(z, i);
    double x2 = 0;
    for (int64_t p = 0; p < kImage; ++p) x2 += std::pow(problem.images[i * kImage + p], 2);
    const double s = kRho / (norm(at_w) * std::sqrt(x2));
    for (int64_t k = 0; k < kClasses; ++k) z[k] += s * at_w[k] * x2;
    const std::vector<double> above = residual(z, i);
    for (int64_t k = 0; k < kClasses; ++k) {
      for (int64_t p = 0; p < kImage; ++p) {
        expected[k * kImage + p] += above[k] * problem.images[i * kImage + p] / kBatch;
      }
    }
  }
  for (const Stream& stream : streams({1, 2})) {
    for (const GroupExecution execution : executions(Net::Linear, stream)) {
      const Outcome found = by_replay<double>(stream, problem, 1, execution);
      EXPECT_LE(distance(found.gradient, expected), 1e-12) << name(stream);
    }
  }
}

TEST(MSam, TheOrderOfTheGroupsDoesNotMatter) {
  const Problem problem(Net::GroupNorm);
  Problem turned = problem;  // groups of one: every example is another's place
  for (int64_t i = 0; i < kBatch; ++i) {
    const int64_t from = (i * 3 + 1) % kBatch;
    std::copy_n(problem.images.begin() + from * kImage, kImage, turned.images.begin() + i * kImage);
    turned.labels[i] = problem.labels[from];
  }
  for (const Stream& stream : streams({2})) {
    for (const GroupExecution execution : executions(Net::GroupNorm, stream)) {
      EXPECT_LE(distance(by_replay<double>(stream, turned, 1, execution).gradient,
                         by_replay<double>(stream, problem, 1, execution).gradient),
                1e-13);
    }
  }
}

// Images of zeros have no gradient in a linear model: such a group stays where it is.
TEST(MSam, AGroupWithoutAGradientStaysAtW) {
  Problem problem(Net::Linear);
  std::fill_n(problem.images.begin() + 2 * kImage, kImage, 0.0);
  for (const Stream& stream : streams({1, 2})) {
    for (const GroupExecution execution : executions(Net::Linear, stream)) {
      const Outcome found = by_replay<double>(stream, problem, 1, execution);
      EXPECT_LE(distance(found.gradient, by_definition(problem, 1).gradient), 1e-12);
    }
  }
}

TEST(MSam, AGradientThatIsNotFiniteNamesItsGroupAndParameter) {
  Problem problem(Net::GroupNorm);
  problem.images[7 * kImage] = std::numeric_limits<double>::infinity();
  for (const GroupExecution execution : kExecutions) {
    try {
      by_replay<float>(Stream::cpu(2), problem, 2, execution);
      FAIL() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Run);
      EXPECT_NE(std::string(error.what()).find("group 3"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("'conv'"), std::string::npos) << error.what();
    }
  }
}

// What is written per group has no order in which an op that packs its gradient could add to it.
TEST(MSam, ANetworkThatUsesAParameterTwiceIsReplayedGroupByGroup) {
  Problem problem(Net::Linear);
  problem.record = [](Tape& t, const Variable& x) {
    const Variable z = flatten(x);
    return add(linear(z, t.parameter("fc")), linear(relu(z), t.parameter("fc")));
  };
  const Outcome expected = by_definition(problem, 3);
  const Stream stream = Stream::cpu(1);
  const Outcome found = by_replay<double>(stream, problem, 3, GroupExecution::Loop);
  EXPECT_LE(distance(found.gradient, expected.gradient), 1e-12);
  try {
    by_replay<double>(stream, problem, 3, GroupExecution::Grouped);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[linear]: found 'fc' for the second time"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace basin::test
