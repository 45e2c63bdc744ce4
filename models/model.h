// A network as its users see it: what parameters it has, how it is recorded, how it starts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/ops.h"

namespace basin {

struct ModelOptions {
  std::string name;  // see model_names()
  int64_t width = 16;
  int64_t classes = 10;
  int64_t h = 32, w = 32, c = 3;  // the images
};

enum class HasBatchNorm { No, Yes };

struct Model {
  ModelOptions options;
  LayoutPtr parameters;
  LayoutPtr buffers;  // running statistics; null without batch norm
  HasBatchNorm batch_norm = HasBatchNorm::No;
  // images [n,h,w,c] -> logits [n,classes]
  std::function<Variable(Tape&, const Variable& images)> record;
};

// The names that make_model() knows, for messages and help.
const std::vector<std::string>& model_names();
// Throws Error(Usage) for an unknown name or a width that the network cannot have.
Model make_model(const ModelOptions& options);

}  // namespace basin
