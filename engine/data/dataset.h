// Images and labels in memory, and where they are found by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace basin {

struct Dataset {
  int64_t n = 0, h = 32, w = 32, c = 3;
  int classes = 10;
  std::vector<uint8_t> images;  // [n, h, w, c]
  std::vector<int32_t> labels;  // [n]

  // Keeps the first `count` examples; more than there are is an Error(Usage).
  void take(int64_t count);
};

struct DatasetPair {
  Dataset train, test;
  std::string source;  // the folder it was read from, or "procedural"
};

// shapes (made on the spot), fashion-mnist, mnist, cifar10, cifar100. Searched in `data_dir` if
// given, else in the user's cache ($XDG_CACHE_HOME or ~/.cache, basin/NAME), then in
// /usr/share/datasets/NAME. 28x28 images are padded to 32x32. Unknown names and missing or damaged
// files are an Error(Usage) that says where it looked and what to do.
DatasetPair load_dataset(const std::string& name, const std::string& data_dir);
const std::vector<std::string>& dataset_names();
// The folders that load_dataset() would search, in order.
std::vector<std::string> dataset_folders(const std::string& name, const std::string& data_dir);
std::string cache_folder(const std::string& name);

// Symmetric label noise (paper: int(n * p) labels in double, each changed to another class
// uniformly), from Philox(seed, LabelNoise). Returns the examples whose labels are wrong now, in
// their order.
std::vector<int64_t> apply_label_noise(Dataset& data, double p, uint64_t seed);

}  // namespace basin
