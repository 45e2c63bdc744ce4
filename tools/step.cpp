// basin step: one training step on a given batch from given weights, so that any framework can be
// compared with, number by number.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "engine/checkpoint.h"
#include "engine/device.h"
#include "kernels/elementwise.h"
#include "tools/chunk_choice.h"
#include "tools/cli.h"
#include "tools/execution_choice.h"
#include "tools/train_state.h"

namespace basin {
namespace {

struct Options {
  std::string weights, batch, out;
  std::string model = "resnet_tiny_gn";
  int64_t width = 16;
  StepOptions step;
  double lr = 0.1;
};

struct StepBatch {
  int64_t n = 0, c = 0, h = 0, w = 0;
  DType dtype = DType::Float32;
  std::vector<double> images;  // NHWC
  std::vector<int32_t> labels;
};

StepBatch read_batch(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const HostTensor& images = file.at("images", path);
  const HostTensor& labels = file.at("labels", path);
  BASIN_CHECK(images.shape.size() == 4 &&
                  (images.dtype == DType::Float32 || images.dtype == DType::Float64),
              path + ": images", "found {} [{}], expected float32 or float64 [n,c,h,w]",
              dtype_name(images.dtype), fmt::join(images.shape, ","));
  BASIN_CHECK(checked_bytes(images.shape, images.dtype) > 0, path + ": images", "found no element");
  StepBatch b{
      images.shape[0], images.shape[1], images.shape[2], images.shape[3], images.dtype, {}, {}};
  BASIN_CHECK(labels.dtype == DType::Int64 && labels.shape == std::vector<int64_t>{b.n},
              path + ": labels", "found {} [{}], expected int64 [{}]", dtype_name(labels.dtype),
              fmt::join(labels.shape, ","), b.n);
  const std::vector<double> nchw = host_values(images);
  b.images.resize(nchw.size());
  for (int64_t i = 0; i < b.n; ++i) {
    for (int64_t c = 0; c < b.c; ++c) {
      for (int64_t p = 0; p < b.h * b.w; ++p) {
        b.images[(i * b.h * b.w + p) * b.c + c] = nchw[(i * b.c + c) * b.h * b.w + p];
      }
    }
  }
  for (const double label : host_values(labels)) {
    BASIN_CHECK(label >= INT32_MIN && label <= INT32_MAX, path + ": labels",
                "found {}, expected a class", label);
    b.labels.push_back(static_cast<int32_t>(label));
  }
  return b;
}

// The number of classes is the last weight matrix's.
int64_t classes_of(const TensorFile& file, const std::string& path) {
  for (const char* name : {"linear.weight", "fc3.weight"}) {
    if (const HostTensor* t = file.find(name); t != nullptr && !t->shape.empty())
      return t->shape[0];
  }
  fail(path, "found neither linear.weight nor fc3.weight, expected a model's last layer");
}

// The replay, with what each pass came to remembered.
struct Passes final : Objective {
  Passes(const Stream& stream, BatchReplay& replay, KeepEpsilon keep)
      : stream(stream), replay(replay), keep(keep) {}
  void differentiate(const Arena& at, Arena& gradient, Track track) override {
    replay.differentiate(at, gradient, track);
    if (losses.empty()) logits = replay.logits();
    losses.push_back(replay.finished().loss);
  }
  int64_t groups() const override { return replay.groups(); }
  void differentiate_perturbed(const Arena& weights, const Ascent& ascent, Arena& gradient,
                               StepTracks tracks) override;
  const Stream& stream;
  BatchReplay& replay;
  KeepEpsilon keep;  // of several groups
  std::vector<double> losses, logits;
  std::optional<Arena> gradient, epsilon;  // of several groups: their mean at w, and each one's
};

// An ascent that keeps what each group's perturbation came to.
struct KeptEpsilon final : Ascent {
  KeptEpsilon(const Ascent& ascent, Arena& all) : ascent(ascent), all(all) {}
  int moves() const override { return ascent.moves(); }
  void move(const Stream& stream, int k, const Arena& weights, const Arena& gradient,
            AscentSpace& space) const override {
    ascent.move(stream, k, weights, gradient, space);
    if (k + 1 < moves()) return;
    Arena own(stream, all.layout(), all.dtype(), gradient.groups());
    epsilon(stream, gradient, space, own);
    dispatch(all.dtype(), [&]<class T>(T) {
      map<T>(stream, Copy<T>{}, own.groups() * own.size(), {own.as<T>()},
             {all.as<T>(space.first_group)});
    });
  }
  void epsilon(const Stream& stream, const Arena& gradient, const AscentSpace& space,
               Arena& out) const override {
    ascent.epsilon(stream, gradient, space, out);
  }
  const Ascent& ascent;
  Arena& all;
};

void Passes::differentiate_perturbed(const Arena& weights, const Ascent& ascent, Arena& perturbed,
                                     StepTracks tracks) {
  gradient = weights.sibling(stream);
  replay.differentiate(weights, *gradient, Track::No);
  losses.push_back(replay.finished().loss);
  logits = replay.logits();
  if (keep == KeepEpsilon::Yes) {
    epsilon = Arena(stream, weights.layout(), weights.dtype(), replay.groups());
    replay.differentiate_perturbed(weights, KeptEpsilon(ascent, *epsilon), perturbed, tracks);
  } else {
    replay.differentiate_perturbed(weights, ascent, perturbed, tracks);
  }
  losses.push_back(replay.finished().loss);
}

// Weights; momentum and running statistics where the file has them.
void load(const Stream& stream, const TensorFile& file, const std::string& path,
          TrainState& state) {
  const std::string& first = state.model.parameters->entries().front().name;
  const DType found = file.at(first, path).dtype, expected = state.weights.dtype();
  BASIN_CHECK(found == expected, path + ": " + first, "found {}, expected the type of images, {}",
              dtype_name(found), dtype_name(expected));
  get_arena(file, path, "", stream, state.weights);
  Arena* buffers = state.buffers();
  if (buffers != nullptr && file.find(buffers->layout()->entries().front().name) != nullptr) {
    get_arena(file, path, "", stream, *buffers);
  }
  if (file.find("momentum/" + first) != nullptr) {
    get_arena(file, path, "momentum/", stream, state.optimizer->velocity());
  }
}

int run(const Options& o, const CommonOptions& common) {
  const Stream stream = Device::parse(common.device).stream(common.threads, o.step.tf32);
  const StepBatch batch = read_batch(o.batch);
  const TensorFile given = read_safetensors(o.weights);
  const DType dtype = batch.dtype;
  StepOptions step = o.step;
  step.batch = batch.n;
  step.threads = common.threads;
  const ModelOptions network{.name = o.model,
                             .width = o.width,
                             .classes = classes_of(given, o.weights),
                             .h = batch.h,
                             .w = batch.w,
                             .c = batch.c};
  choose_chunk(stream, network, dtype, step);
  choose_execution(stream, network, dtype, step);
  TrainState state(stream, network, dtype, step, common.seed);
  load(stream, given, o.weights, state);
  const bool ghost = step.execution == ExecutionChoice::Ghost && state.replay->groups() > 1;
  Passes passes(stream, *state.replay, ghost ? KeepEpsilon::No : KeepEpsilon::Yes);
  dispatch(dtype, [&]<class T>(T) {
    const std::vector<T> values(batch.images.begin(), batch.images.end());
    const Buffer images = copied(stream, values), labels = copied(stream, batch.labels);
    const Buffer rate = copied(stream, std::vector<double>{o.lr});
    state.replay->bind(images.data(), reinterpret_cast<const int32_t*>(labels.data()));
    state.optimizer->step(passes, state.weights, reinterpret_cast<const double*>(rate.data()));
  });
  const Optimizer& optimizer = *state.optimizer;

  TensorFile out;
  const auto scalar = [&](const char* name, double value) {
    out.tensors.push_back(host_tensor(name, dtype, {}, std::span(&value, 1)));
  };
  scalar("loss", passes.losses.front());
  scalar("loss_perturbed", passes.losses.back());
  const auto classes = static_cast<int64_t>(passes.logits.size()) / batch.n;
  out.tensors.push_back(host_tensor("logits", dtype, {batch.n, classes}, passes.logits));
  if (!passes.gradient) {
    passes.epsilon = state.weights.sibling(stream);
    optimizer.epsilon(*passes.epsilon);
  }
  put_arena(out, "gradient/", stream, passes.gradient ? *passes.gradient : optimizer.gradient());
  if (passes.epsilon) put_arena(out, "epsilon/", stream, *passes.epsilon);
  put_arena(out, "gradient_perturbed/", stream, optimizer.gradient_perturbed());
  put_arena(out, "weight/", stream, state.weights);
  put_arena(out, "momentum/", stream, state.optimizer->velocity());
  if (state.running) put_arena(out, "buffer/", stream, *state.running);
  write_safetensors(o.out, out);
  if (!common.quiet) {
    fmt::print("loss {:.9g}, at w + eps {:.9g}; {} tensors in {}\n", passes.losses.front(),
               passes.losses.back(), out.tensors.size(), o.out);
  }
  return 0;
}

}  // namespace

Command add_step(CommandLine app) {
  const CommandLine command =
      app.add_command("step", "Take one training step on a batch from a file, and write it all");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  command
      .add_option("--weights", o->weights,
                  "safetensors with PyTorch's names and layouts; "
                  "momentum/NAME and running statistics if given")
      .required();
  command.add_option("--batch", o->batch, "safetensors with images [n,c,h,w] and labels [n]")
      .required();
  command.add_option("--out", o->out, "the file to write").required();
  add_network_options(command, o->model, o->width);
  add_step_options(command, o->step);
  command.add_option("--lr", o->lr, "the learning rate")
      .check(non_negative())
      .capture_default_str();
  add_common_options(command, *common);
  command.footer(
      "Writes loss, loss_perturbed, logits, gradient/NAME, epsilon/NAME, gradient_perturbed/NAME,\n"
      "weight/NAME, momentum/NAME and buffer/NAME. float64 weights and images: a float64 step.\n"
      "--microbatch m: epsilon/NAME is [groups,…] (left out by the execution ghost, which makes\n"
      "none), and gradient_perturbed the mean over the groups.\n"
      "Example:\n  basin step --weights w.safetensors --batch b.safetensors --model resnet_tiny "
      "\\\n"
      "      --width 4 --optimizer sam --rho 0.1 --out o.safetensors");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
