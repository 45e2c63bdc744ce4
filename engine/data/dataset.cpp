#include "engine/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <numeric>

#include "engine/data/shapes.h"
#include "engine/io/cifar.h"
#include "engine/io/idx.h"
#include "kernels/error.h"
#include "kernels/random.h"

namespace basin {
namespace {

namespace fs = std::filesystem;

// Training images and labels, test images and labels.
constexpr const char* kIdxFiles[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                      "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// A file as it is named, or gzipped beside that name; empty where there is neither.
std::string present(const std::string& folder, const std::string& name) {
  for (const char* suffix : {"", ".gz"}) {
    std::string path = folder + "/" + name + suffix;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path;
  }
  return "";
}

Dataset read_idx_pair(const std::string& images_path, const std::string& labels_path) {
  const IdxArray images = read_idx_images(images_path), labels = read_idx_labels(labels_path);
  Dataset data;
  data.n = images.extents[0];
  data.c = 1;
  const int64_t h = images.extents[1], w = images.extents[2];
  BASIN_CHECK(h <= data.h && w <= data.w, images_path,
              "found images of {}x{}, expected at most 32x32", h, w);
  BASIN_CHECK(labels.extents[0] == data.n, labels_path, "found {} labels, expected {} as in {}",
              labels.extents[0], data.n, images_path);
  const auto pixels = images.values(), numbers = labels.values();
  const int64_t top = (data.h - h) / 2, left = (data.w - w) / 2;
  data.images.assign(data.n * data.h * data.w, 0);
  for (int64_t i = 0; i < data.n; ++i) {
    for (int64_t r = 0; r < h; ++r) {
      std::copy_n(pixels.begin() + (i * h + r) * w, w,
                  data.images.begin() + (i * data.h + r + top) * data.w + left);
    }
  }
  for (int64_t i = 0; i < data.n; ++i) {
    BASIN_CHECK(numbers[i] < data.classes, labels_path,
                "found label {} at offset {}, expected 0 to {}", numbers[i], 8 + i,
                data.classes - 1);
    data.labels.push_back(numbers[i]);
  }
  return data;
}

Dataset read_cifar_files(const std::vector<std::string>& paths, Cifar kind) {
  Dataset data;
  data.classes = kind == Cifar::Ten ? 10 : 100;
  for (const std::string& path : paths) read_cifar(path, kind, data.images, data.labels);
  data.n = static_cast<int64_t>(data.labels.size());
  return data;
}

// The folder's .bin files whose names begin with `prefix`, in the order of their names.
std::vector<std::string> record_files(const std::string& folder, const char* prefix) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".bin")) paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// CIFAR's files in `folder`, or in the folder that its archive makes there; false where they are
// not there. The official five training batches, all of them, or any train*.bin.
bool read_cifar_folder(const std::string& folder, Cifar kind, DatasetPair& data) {
  const char* inner = kind == Cifar::Ten ? "/cifar-10-batches-bin" : "/cifar-100-binary";
  for (const std::string& place : {folder, folder + inner}) {
    const auto batches = record_files(place, "data_batch");
    const auto train = batches.empty() ? record_files(place, "train") : batches;
    const auto test = record_files(place, "test");
    if (train.empty() || test.empty()) continue;
    BASIN_CHECK(batches.empty() || batches.size() == 5, place,
                "found {} data_batch files, expected data_batch_1.bin to data_batch_5.bin",
                batches.size());
    data.train = read_cifar_files(train, kind);
    data.test = read_cifar_files(test, kind);
    return true;
  }
  return false;
}

bool read_idx_folder(const std::string& folder, DatasetPair& data) {
  std::string paths[4];
  for (int i = 0; i < 4; ++i) {
    paths[i] = present(folder, kIdxFiles[i]);
    if (paths[i].empty()) return false;
  }
  auto test = std::async(std::launch::async, read_idx_pair, paths[2], paths[3]);
  data.train = read_idx_pair(paths[0], paths[1]);
  data.test = test.get();
  return true;
}

}  // namespace

void Dataset::take(int64_t count) {
  BASIN_CHECK(count >= 1 && count <= n, "--train-size", "found {}, expected 1 to the {} examples",
              count, n);
  n = count;
  images.resize(n * h * w * c);
  labels.resize(n);
}

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> names{"shapes", "fashion-mnist", "mnist", "cifar10",
                                              "cifar100"};
  return names;
}

std::string cache_folder(const std::string& name) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr && *cache != 0 ? cache
                           : home != nullptr && *home != 0 ? std::string(home) + "/.cache"
                                                           : "/var/cache";
  return base + "/basin/" + name;
}

std::vector<std::string> dataset_folders(const std::string& name, const std::string& data_dir) {
  if (!data_dir.empty()) return {data_dir};
  return {cache_folder(name), "/usr/share/datasets/" + name};
}

DatasetPair load_dataset(const std::string& name, const std::string& data_dir) {
  const auto& names = dataset_names();
  BASIN_CHECK(std::find(names.begin(), names.end(), name) != names.end(), "--dataset",
              "found '{}', expected one of {}", name, fmt::join(names, ", "));
  DatasetPair data;
  if (name == "shapes") {
    data.train = make_shapes(10000, 0);
    data.test = make_shapes(2000, 1);
    data.source = "procedural";
    return data;
  }
  const bool cifar = name == "cifar10" || name == "cifar100";
  const Cifar kind = name == "cifar10" ? Cifar::Ten : Cifar::Hundred;
  const std::vector<std::string> folders = dataset_folders(name, data_dir);
  for (const std::string& folder : folders) {
    if (!(cifar ? read_cifar_folder(folder, kind, data) : read_idx_folder(folder, data))) continue;
    data.source = folder;
    return data;
  }
  const char* files =
      name == "cifar10" ? "data_batch_1.bin to data_batch_5.bin and test_batch.bin (or train*.bin "
                          "and test*.bin)"
      : name == "cifar100" ? "train.bin and test.bin"
                           : "";
  fail("--dataset", "found no {} in {}, expected {}{}: run 'basin data fetch {}'{}", name,
       fmt::join(folders, " or "), files,
       cifar ? "" : fmt::format("{} (or .gz)", fmt::join(kIdxFiles, ", ")), name,
       name == "fashion-mnist" ? " or 'apt-get install dataset-fashion-mnist'" : "");
}

std::vector<int64_t> apply_label_noise(Dataset& data, double p, uint64_t seed) {
  BASIN_CHECK(p >= 0 && p <= 1, "--label-noise", "found {}, expected 0 to 1", p);
  std::vector<int64_t> order(data.n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = data.n - 1; i > 0; --i) {
    const Philox4 bits = philox_at(seed, Purpose::LabelNoise, 0, static_cast<uint64_t>(i));
    std::swap(order[i], order[bounded(bits, static_cast<uint32_t>(i + 1))]);
  }
  const auto changed = static_cast<int64_t>(static_cast<double>(data.n) * p);
  for (int64_t k = 0; k < changed; ++k) {
    int32_t& label = data.labels[order[k]];
    const Philox4 bits = philox_at(seed, Purpose::LabelNoise, 1, static_cast<uint64_t>(k));
    const auto other = static_cast<int32_t>(bounded(bits, static_cast<uint32_t>(data.classes - 1)));
    label = other < label ? other : other + 1;
  }
  order.resize(changed);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace basin
