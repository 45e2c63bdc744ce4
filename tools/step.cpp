// basin step: one training step on a given batch from given weights, so that any framework can be
// compared with, number by number.
#include <cmath>
#include <filesystem>

#include "engine/checkpoint.h"
#include "engine/chunked_replay.h"
#include "engine/device.h"
#include "models/init.h"
#include "models/model.h"
#include "tools/cli.h"
#include "tools/optimizer_options.h"
#include "tools/trainer.h"

namespace basin {
namespace {

struct StepOptions {
  std::string weights, batch, out;
  std::string model = "resnet_tiny_gn";
  int64_t width = 16;
  OptimizerOptions optimizer;
  double l2 = 0, lr = 0.1;
  int64_t chunk = 16;
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

// The replay, with the loss and logits of each pass remembered.
struct Passes final : Objective {
  explicit Passes(ChunkedReplay& replay) : replay(replay) {}
  void differentiate(const Arena& at, Arena& gradient, Track track) override {
    replay.differentiate(at, gradient, track);
    if (losses.empty()) logits = replay.logits();
    losses.push_back(replay.loss());
  }
  ChunkedReplay& replay;
  std::vector<double> losses, logits;
};

int run(const StepOptions& o, const CommonOptions& common) {
  const Stream stream = Device::parse(common.device).stream(common.threads);
  BASIN_CHECK(stream.kind() == DeviceKind::Cpu, "--device",
              "found {}, but steps on CUDA are not part of this version: use cpu", common.device);
  const StepBatch batch = read_batch(o.batch);
  const TensorFile given = read_safetensors(o.weights);
  const Model model = make_model({.name = o.model,
                                  .width = o.width,
                                  .classes = classes_of(given, o.weights),
                                  .h = batch.h,
                                  .w = batch.w,
                                  .c = batch.c});
  const std::string& first = model.parameters->entries().front().name;
  const DType dtype = given.at(first, o.weights).dtype;
  BASIN_CHECK(dtype == batch.dtype, o.batch + ": images",
              "found {}, expected the type of the weights, {}", dtype_name(batch.dtype),
              dtype_name(dtype));
  Arena weights(stream, model.parameters, dtype);
  get_arena(given, o.weights, "", stream, weights);
  std::optional<Arena> buffers;
  if (model.buffers) {
    buffers.emplace(stream, model.buffers, dtype);
    initialise_buffers(stream, *buffers);
    if (given.find(model.buffers->entries().front().name) != nullptr) {
      get_arena(given, o.weights, "", stream, *buffers);
    }
  }
  const auto optimizer = make_optimizer(stream, model.parameters, dtype, o.optimizer);
  if (given.find("momentum/" + first) != nullptr) {
    get_arena(given, o.weights, "momentum/", stream, optimizer->velocity());
  }
  const Mode mode = training_mode(o.optimizer);
  ChunkedReplay replay(model.record, weights, buffers ? &*buffers : nullptr,
                       {.batch = batch.n,
                        .h = batch.h,
                        .w = batch.w,
                        .c = batch.c,
                        .threads = common.threads,
                        .mode = mode,
                        .whole_batch = needs_whole_batch(model, mode),
                        .chunk = o.chunk,
                        .l2 = o.l2});
  Passes passes(replay);
  dispatch(dtype, [&]<class T>(T) {
    const std::vector<T> images(batch.images.begin(), batch.images.end());
    replay.bind(images.data(), batch.labels.data());
    optimizer->step(passes, weights, o.lr);
  });

  TensorFile out;
  const auto scalar = [&](const char* name, double value) {
    out.tensors.push_back(host_tensor(name, dtype, {}, std::span(&value, 1)));
  };
  scalar("loss", passes.losses.front());
  scalar("loss_perturbed", passes.losses.back());
  const auto classes = static_cast<int64_t>(passes.logits.size()) / batch.n;
  out.tensors.push_back(host_tensor("logits", dtype, {batch.n, classes}, passes.logits));
  Arena epsilon = weights.sibling(stream);
  optimizer->epsilon(epsilon);
  put_arena(out, "gradient/", stream, optimizer->gradient());
  put_arena(out, "epsilon/", stream, epsilon);
  put_arena(out, "gradient_perturbed/", stream, optimizer->gradient_perturbed());
  put_arena(out, "weight/", stream, weights);
  put_arena(out, "momentum/", stream, optimizer->velocity());
  if (buffers) put_arena(out, "buffer/", stream, *buffers);
  write_safetensors(o.out, out);
  if (!common.quiet) {
    fmt::print("loss {:.9g}, at w + eps {:.9g}; {} tensors in {}\n", passes.losses.front(),
               passes.losses.back(), out.tensors.size(), o.out);
  }
  return 0;
}

}  // namespace

Command add_step(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("step", "Take one training step on a batch from a file, and write it all");
  auto o = std::make_shared<StepOptions>();
  auto common = std::make_shared<CommonOptions>();
  command
      ->add_option("--weights", o->weights,
                   "safetensors with PyTorch's names and layouts; "
                   "momentum/NAME and running statistics if given")
      ->required();
  command->add_option("--batch", o->batch, "safetensors with images [n,c,h,w] and labels [n]")
      ->required();
  command->add_option("--out", o->out, "the file to write")->required();
  command->add_option("--model", o->model, "")->capture_default_str();
  command->add_option("--width", o->width, "")->check(at_least(1))->capture_default_str();
  add_optimizer_options(*command, o->optimizer);
  command->add_option("--l2", o->l2, "adds l2 / 2 |w|^2 to the loss of every pass")
      ->check(non_negative())
      ->capture_default_str();
  command->add_option("--lr", o->lr, "")->check(non_negative())->capture_default_str();
  command->add_option("--chunk", o->chunk, "the most examples that a thread replays at once")
      ->check(at_least(1))
      ->capture_default_str();
  add_common_options(*command, *common);
  command->footer(
      "Writes loss, loss_perturbed, logits, gradient/NAME, epsilon/NAME, gradient_perturbed/NAME,\n"
      "weight/NAME, momentum/NAME and buffer/NAME. float64 weights and images: a float64 step.\n"
      "Example:\n  basin step --weights w.safetensors --batch b.safetensors --model resnet_tiny "
      "--width 4 --optimizer sam --rho 0.1 --out o.safetensors");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
