#include "tools/train_options.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace basin {

using Json = nlohmann::ordered_json;

bool ascends_in(const TrainOptions& o, int epoch) {
  const double passed = static_cast<double>(epoch) / o.epochs;
  return o.step.optimizer.name != "sgd" && o.sam_from <= passed && passed <= o.sam_until;
}

Json configuration(const TrainOptions& o) {
  Json c{{"model", o.model}, {"width", o.width}, {"dataset", o.dataset}};
  if (!o.data_dir.empty()) c["data-dir"] = o.data_dir;
  if (o.train_size > 0) c["train-size"] = o.train_size;
  if (o.test_size > 0) c["test-size"] = o.test_size;
  c["augment"] = o.augment;
  c["label-noise"] = o.label_noise;
  if (o.validation > 0) c["validation"] = o.validation;
  if (!o.init.empty()) c["init"] = o.init;
  c.update(configuration(o.step));
  c["ascent-batch"] = choice_name(kAscentBatches, o.ascent_batch);
  c["ascent-size"] = o.ascent_size;
  if (o.sam_from > 0) c["sam-from"] = o.sam_from;
  if (o.sam_until < 1) c["sam-until"] = o.sam_until;
  c["epochs"] = o.epochs;
  c["lr"] = o.lr;
  c["schedule"] = o.schedule;
  c["device"] = o.device;
  c["seed"] = o.seed;
  return c;
}

Json identity(const TrainOptions& o) {
  Json c = configuration(o);
  c.erase("data-dir");
  return c;
}

std::string config_text(const TrainOptions& o) {
  std::string text = "# basin train --config config.toml\n";
  // A JSON text, number or truth value is one of TOML's too.
  const Json options = configuration(o);
  for (const auto& [key, value] : options.items()) {
    text += fmt::format("{} = {}\n", key, value.dump());
  }
  return text;
}

}  // namespace basin
