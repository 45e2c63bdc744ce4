#include "engine/data/catalogue.h"

#include <fmt/format.h>

#include <filesystem>

#include "engine/io/checksum.h"
#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {
namespace {

namespace fs = std::filesystem;

// The four files of MNIST and of data sets made in its image. md5: training images and labels, test
// images and labels; sizes: of the four transfers.
CatalogueEntry idx_entry(const std::string& name, const std::string& description,
                         const std::string& base, const char* const (&md5)[4],
                         const int64_t (&transfer)[4]) {
  const char* names[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                          "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  const int64_t bytes[4] = {16 + 60'000 * 784, 8 + 60'000, 16 + 10'000 * 784, 8 + 10'000};
  CatalogueEntry entry{name, description, {}, {}};
  for (int i = 0; i < 4; ++i) {
    entry.downloads.push_back({base + names[i] + ".gz", transfer[i], ""});
    entry.files.push_back({names[i], bytes[i], Sum::Md5, md5[i]});
  }
  return entry;
}

constexpr int64_t kBatch = 10'000 * 3073;

// Sums: the data sets' own pages where they have them (https://www.cs.toronto.edu/~kriz/cifar.html,
// https://github.com/zalandoresearch/fashion-mnist); MNIST's from its original distribution.
std::vector<CatalogueEntry> make_catalogue() {
  return {
      idx_entry("fashion-mnist", "70,000 grey images of clothing, 28x28, ten classes",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                {"f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9",
                 "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"},
                {26'421'880, 29'515, 4'422'102, 5'148}),
      idx_entry("mnist", "70,000 grey images of digits, 28x28, ten classes",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                {"6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
                 "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"},
                {9'912'422, 28'881, 1'648'877, 4'542}),
      {"cifar10",
       "60,000 colour photographs, 32x32, ten classes",
       {{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170'052'171,
         "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}},
       {{"cifar-10-batches-bin/data_batch_1.bin", kBatch, Sum::Sha256,
         "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
        {"cifar-10-batches-bin/data_batch_2.bin", kBatch, Sum::Sha256,
         "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
        {"cifar-10-batches-bin/data_batch_3.bin", kBatch, Sum::Sha256,
         "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
        {"cifar-10-batches-bin/data_batch_4.bin", kBatch, Sum::Sha256,
         "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
        {"cifar-10-batches-bin/data_batch_5.bin", kBatch, Sum::Sha256,
         "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
        {"cifar-10-batches-bin/test_batch.bin", kBatch, Sum::Sha256,
         "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}}},
      {"cifar100",
       "60,000 colour photographs, 32x32, a hundred classes",
       {{"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", 168'513'733,
         "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"}},
       {{"cifar-100-binary/train.bin", 50'000 * 3074, Sum::Sha256,
         "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},
        {"cifar-100-binary/test.bin", 10'000 * 3074, Sum::Sha256,
         "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"}}},
  };
}

FileReport verify_file(const DataFile& file, const std::string& path) {
  const std::vector<std::byte> data = read_gzip_or_plain(path, file.bytes);
  const auto size = static_cast<int64_t>(data.size());
  if (size != file.bytes) {
    return {path, FileState::Damaged, fmt::format("found {} bytes, expected {}", size, file.bytes)};
  }
  const char* method = file.kind == Sum::Sha256 ? "SHA-256" : "MD5";
  const std::string sum = file.kind == Sum::Sha256 ? sha256(data) : md5(data);
  if (sum == file.sum) return {path, FileState::Whole, fmt::format("{} {}", method, sum)};
  return {path, FileState::Damaged, fmt::format("found {} {}, expected {}", method, sum, file.sum)};
}

}  // namespace

const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> entries = make_catalogue();
  return entries;
}

const CatalogueEntry& catalogue_entry(const std::string& name) {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : catalogue()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  BASIN_CHECK(name != "shapes", "shapes",
              "found no file to fetch or verify: it is made on the spot");
  fail("name", "found data set '{}', expected one of {}", name, fmt::join(names, ", "));
}

std::vector<FileReport> verify_files(const CatalogueEntry& entry, const std::string& folder) {
  std::vector<FileReport> reports;
  for (const DataFile& file : entry.files) {
    // The files of an archive may also lie in the folder itself, as they do for load_dataset().
    const std::string whole = folder + "/" + file.path;
    const std::string flat = folder + "/" + fs::path(file.path).filename().string();
    reports.push_back({whole, FileState::Missing, "not there"});
    for (const std::string& path : {whole, whole + ".gz", flat}) {
      std::error_code ignored;
      if (!fs::exists(path, ignored)) continue;
      try {
        reports.back() = verify_file(file, path);
      } catch (const Error& error) {
        reports.back() = {path, FileState::Damaged, error.what()};
      }
      break;
    }
  }
  return reports;
}

}  // namespace basin
