#include "models/mlp.h"

#include <memory>

#include "models/layers.h"

namespace basin {
namespace {

Model without_buffers(const ModelOptions& options, Declaration&& d) {
  Model model;
  model.options = options;
  model.parameters = std::make_shared<const Layout>(std::move(d.parameters));
  return model;
}

}  // namespace

Model make_mlp(const ModelOptions& options) {
  Declaration d;
  const Linear fc1(d, "fc1", options.c, options.h * options.w, options.width, true);
  const Linear fc2(d, "fc2", options.width, 1, options.width, true);
  const Linear fc3(d, "fc3", options.width, 1, options.classes, true);
  Model model = without_buffers(options, std::move(d));
  model.record = [fc1, fc2, fc3](Tape& tape, const Variable& images) {
    return fc3(tape, relu(fc2(tape, relu(fc1(tape, flatten(images))))));
  };
  return model;
}

Model make_linear(const ModelOptions& options) {
  Declaration d;
  const Linear fc(d, "linear", options.c, options.h * options.w, options.classes, false);
  Model model = without_buffers(options, std::move(d));
  model.record = [fc](Tape& tape, const Variable& images) { return fc(tape, flatten(images)); };
  return model;
}

}  // namespace basin
