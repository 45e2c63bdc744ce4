// Checkpoints as `basin train` writes them, of networks that were never trained.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/checkpoint.h"
#include "models/init.h"
#include "models/model.h"
#include "tests/support/files.h"

namespace basin::test {

// Of a network for `shapes`; the seed is of its weights. Returns the path.
inline std::string write_checkpoint(const Folder& folder, const std::string& name,
                                    const std::string& model, int64_t width, uint64_t seed,
                                    bool with_options = true) {
  const Stream stream = Stream::cpu(1);
  const Model network = make_model({.name = model, .width = width});
  Arena weights(stream, network.parameters, DType::Float32);
  initialise(stream, weights, seed);
  TensorFile file;
  if (with_options) {
    file.metadata["basin"] =
        nlohmann::json{{"model", model}, {"width", width}, {"dataset", "shapes"}}.dump();
  }
  put_arena(file, "", stream, weights);
  if (network.buffers) {
    Arena running(stream, network.buffers, DType::Float32);
    initialise_buffers(stream, running);
    put_arena(file, "", stream, running);
  }
  write_safetensors(folder.file(name), file);
  return folder.file(name);
}

}  // namespace basin::test
