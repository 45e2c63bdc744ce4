#include "models/resnet.h"

#include <memory>
#include <optional>

#include "models/layers.h"

namespace basin {
namespace {

struct Block {
  NormRelu norm1;
  Conv2d conv1;
  NormRelu norm2;
  Conv2d conv2;
  std::optional<Conv2d> shortcut;

  Block(Declaration& d, const std::string& name, int64_t in, int64_t out, int64_t stride,
        int64_t groups)
      : norm1(d, name + ".bn1", in, groups),
        conv1(d, name + ".conv1", in, out, 3, stride, 1),
        norm2(d, name + ".bn2", out, groups),
        conv2(d, name + ".conv2", out, out, 3, 1, 1) {
    if (stride != 1 || in != out) shortcut.emplace(d, name + ".shortcut.0", in, out, 1, stride, 0);
  }
};

// The running value of a pre-activation network: a sum x + residual that is not added yet, so that
// the next norm can do it in its own pass; residual is absent behind the first convolution.
struct Pending {
  Variable x;
  std::optional<Variable> residual;
};

struct PreactResNet {
  Conv2d stem;
  std::vector<Block> blocks;
  std::optional<NormRelu> norm;
  std::optional<Linear> head;

  PreactResNet(Declaration& d, const ModelOptions& o, const std::array<int, 4>& stages,
               int64_t groups)
      : stem(d, "conv1", o.c, o.width, 3, 1, 1) {
    int64_t in = o.width;
    for (int stage = 0; stage < 4; ++stage) {
      const int64_t out = o.width << stage;
      for (int i = 0; i < stages[stage]; ++i) {
        const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
        blocks.emplace_back(d, fmt::format("layer{}.{}", stage + 1, i), in, out, stride, groups);
        in = out;
      }
    }
    norm.emplace(d, "bn", in, groups);
    head.emplace(d, "linear", in, 1, o.classes, true);
  }

  // The pending sum, normalised: the activated value and the sum itself.
  static NormActResult apply(Tape& tape, const NormRelu& norm, const Pending& pending) {
    if (pending.residual) return norm(tape, pending.x, *pending.residual);
    return {norm(tape, pending.x), pending.x};
  }

  Variable record(Tape& tape, const Variable& images) const {
    Pending pending{stem(tape, cast(images, tape.activations())), std::nullopt};
    for (const Block& block : blocks) {
      const NormActResult in = apply(tape, block.norm1, pending);
      const Variable skip = block.shortcut ? (*block.shortcut)(tape, in.y) : in.sum;
      const Variable middle = block.norm2(tape, block.conv1(tape, in.y));
      pending = {block.conv2(tape, middle), skip};
    }
    return (*head)(tape, global_pool(apply(tape, *norm, pending).y));
  }
};

}  // namespace

Model make_preact_resnet(const ModelOptions& options, const std::array<int, 4>& blocks,
                         ResNetNorm norm) {
  BASIN_CHECK(norm == ResNetNorm::Batch || options.width % 2 == 0, "--width",
              "found {}, expected an even number: {} has width / 2 groups", options.width,
              options.name);
  Declaration d;
  const auto net = std::make_shared<const PreactResNet>(
      d, options, blocks, norm == ResNetNorm::Group ? options.width / 2 : 0);
  Model model;
  model.options = options;
  model.parameters = std::make_shared<const Layout>(std::move(d.parameters));
  if (norm == ResNetNorm::Batch) {
    model.buffers = std::make_shared<const Layout>(std::move(d.buffers));
    model.batch_norm = HasBatchNorm::Yes;
  }
  model.record = [net](Tape& tape, const Variable& images) { return net->record(tape, images); };
  return model;
}

}  // namespace basin
