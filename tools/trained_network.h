// A network that `basin train` has written, and the data that it is looked at on.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/data/dataset.h"
#include "models/model.h"

namespace basin {

class CommandLine;

// "" and 0: what the run wrote of itself into its checkpoint.
struct NetworkOptions {
  std::string model, dataset, data_dir;
  int64_t width = 0;
};
void add_trained_network_options(CommandLine command, NetworkOptions& options);

class TrainedNetwork {
 public:
  // Reads the checkpoint and the data set, in float32. Error(Usage) where either does not fit the
  // options, or where they leave something open that the checkpoint does not tell.
  TrainedNetwork(const Stream& stream, const std::string& checkpoint,
                 const NetworkOptions& options);
  TrainedNetwork(const TrainedNetwork&) = delete;
  TrainedNetwork& operator=(const TrainedNetwork&) = delete;

  // The weights of another checkpoint of the same network; the tensor that differs is named.
  void read_weights(const std::string& checkpoint, Arena& other) const;
  // The first examples of a split ("train", "test"), as they are stored. More than there are is an
  // Error(Usage).
  Dataset examples(const std::string& split, int64_t count) const;
  Arena* buffers() { return running ? &*running : nullptr; }

  NetworkOptions options;  // complete
  DatasetPair data;
  Model model;
  Arena weights;
  std::optional<Arena> running;  // statistics of batch norm, where there is any

 private:
  Stream stream_;
};

// "model", "width" and "dataset", for a file of results.
nlohmann::ordered_json description(const TrainedNetwork& network);

}  // namespace basin
