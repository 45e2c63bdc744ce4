#include "tools/trained_network.h"

#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "tools/cli.h"

namespace basin {
namespace {

using Json = nlohmann::json;

// The options of the run, from the metadata of its checkpoint; an empty object without any.
Json run_options(const TensorFile& file) {
  const auto found = file.metadata.find("basin");
  if (found == file.metadata.end()) return Json::object();
  Json options = Json::parse(found->second, nullptr, false);
  return options.is_object() ? options : Json::object();
}

NetworkOptions completed(NetworkOptions o, const TensorFile& file, const std::string& path) {
  const Json run = run_options(file);
  const auto take = [&](const char* name, auto& value, bool is_open) {
    if (!is_open) return;
    try {
      run.at(name).get_to(value);
    } catch (const Json::exception&) {
      fail(std::string("--") + name, "found nothing, and {} does not tell: it is required here",
           path);
    }
  };
  take("model", o.model, o.model.empty());
  take("width", o.width, o.width == 0);
  take("dataset", o.dataset, o.dataset.empty());
  return o;
}

ModelOptions model_options(const NetworkOptions& o, const Dataset& data) {
  return {.name = o.model,
          .width = o.width,
          .classes = data.classes,
          .h = data.h,
          .w = data.w,
          .c = data.c};
}

}  // namespace

void add_trained_network_options(CommandLine command, NetworkOptions& o) {
  const std::string otherwise = " [as the run was told]";
  command.add_option("--model", o.model, "one of those that `basin info` lists" + otherwise);
  command
      .add_option("--width", o.width,
                  "channels of the first stage; hidden units of an mlp" + otherwise)
      .check(at_least(1));
  command.add_option("--dataset", o.dataset,
                     "one of those that `basin data list` lists" + otherwise);
  command.add_option("--data-dir", o.data_dir, "the only folder to search for its files");
}

TrainedNetwork::TrainedNetwork(const Stream& stream, const std::string& checkpoint,
                               const NetworkOptions& given)
    : stream_(stream) {
  const TensorFile file = read_safetensors(checkpoint);
  options = completed(given, file, checkpoint);
  data = load_dataset(options.dataset, options.data_dir);
  model = make_model(model_options(options, data.train));
  weights = Arena(stream, model.parameters, DType::Float32);
  get_arena(file, checkpoint, "", stream, weights);
  if (model.buffers == nullptr) return;
  running.emplace(stream, model.buffers, DType::Float32);
  get_arena(file, checkpoint, "", stream, *running);
}

void TrainedNetwork::read_weights(const std::string& checkpoint, Arena& other) const {
  get_arena(read_safetensors(checkpoint), checkpoint, "", stream_, other);
}

Dataset TrainedNetwork::examples(const std::string& split, int64_t count) const {
  const Dataset& all = split == "train" ? data.train : data.test;
  BASIN_CHECK(count >= 1 && count <= all.n, "--examples", "found {}, expected 1 to the {} of {}",
              count, all.n, split);
  Dataset first{count, all.h, all.w, all.c, all.classes, {}, {}};
  first.images.assign(all.images.begin(), all.images.begin() + count * all.h * all.w * all.c);
  first.labels.assign(all.labels.begin(), all.labels.begin() + count);
  return first;
}

nlohmann::ordered_json description(const TrainedNetwork& network) {
  const NetworkOptions& o = network.options;
  return {{"model", o.model}, {"width", o.width}, {"dataset", o.dataset}};
}

}  // namespace basin
