// Data sets: found in their folders or refused with where it looked, padded to 32x32, and label
// noise of an exact amount.
#include "engine/data/dataset.h"

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

std::string idx_images(uint32_t n, uint32_t h, uint32_t w) {
  std::string bytes = big_endian(2051) + big_endian(n) + big_endian(h) + big_endian(w);
  for (uint32_t i = 0; i < n * h * w; ++i) bytes += static_cast<char>(1 + i % 255);
  return bytes;
}
std::string idx_labels(const std::string& labels) {
  return big_endian(2049) + big_endian(static_cast<uint32_t>(labels.size())) + labels;
}
void write_mnist(const std::string& folder, uint32_t h, uint32_t w) {
  write_bytes(folder + "/train-images-idx3-ubyte", idx_images(3, h, w));
  write_bytes(folder + "/train-labels-idx1-ubyte", idx_labels("\x01\x02\x09"));
  write_bytes(folder + "/t10k-images-idx3-ubyte", idx_images(2, h, w));
  write_bytes(folder + "/t10k-labels-idx1-ubyte", idx_labels("\x04\x05"));
}

// An environment variable with another value for a while.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    had_ = old != nullptr;
    if (had_) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (had_) {
      setenv(name_, old_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  bool had_;
  std::string old_;
};

TEST(Dataset, IdxImagesArePaddedTo32) {
  for (const uint32_t h : {28u, 32u, 27u}) {
    const Folder folder;
    const uint32_t w = 28, top = (32 - h) / 2;
    write_mnist(folder.path(), h, w);
    const DatasetPair data = load_dataset("mnist", folder.path());
    EXPECT_EQ(data.source, folder.path());
    EXPECT_EQ(data.train.n, 3);
    EXPECT_EQ(data.test.n, 2);
    EXPECT_EQ(data.train.c, 1);
    EXPECT_EQ(data.train.labels, (std::vector<int32_t>{1, 2, 9}));
    ASSERT_EQ(data.train.images.size(), 3u * 1024);
    for (uint32_t i = 0; i < 3; ++i) {
      for (uint32_t r = 0; r < 32; ++r) {
        for (uint32_t q = 0; q < 32; ++q) {
          const bool inside = r >= top && r < top + h && q >= 2 && q < 2 + w;
          const uint32_t at = (i * h + r - top) * w + q - 2;
          ASSERT_EQ(data.train.images[(i * 32 + r) * 32 + q], inside ? 1 + at % 255 : 0);
        }
      }
    }
  }
}

TEST(Dataset, DamagedIdxPairsNameTheFile) {
  const Folder folder;
  const auto message = [&] {
    return usage_error([&] { load_dataset("fashion-mnist", folder.path()); });
  };
  const std::string images = folder.file("train-images-idx3-ubyte");
  const std::string labels = folder.file("train-labels-idx1-ubyte");
  write_mnist(folder.path(), 33, 28);
  EXPECT_THAT(message(), testing::StartsWith(images + ": found images of 33x28"));
  write_mnist(folder.path(), 28, 28);
  write_bytes(labels, idx_labels("\x01\x02"));
  EXPECT_THAT(message(), testing::StartsWith(labels + ": found 2 labels, expected 3"));
  write_bytes(labels, idx_labels("\x01\x02\x0a"));
  EXPECT_THAT(message(), testing::StartsWith(labels + ": found label 10 at offset 10"));
}

TEST(Dataset, CifarRecords) {
  const Folder folder;
  const auto record = [](const std::string& labels, char value) {
    return labels + std::string(3072, value);
  };
  // The order is that of the names; the archive's inner folder is found too.
  for (const char* batch : {"3", "4", "5"}) {
    const std::string name = std::string("cifar-10-batches-bin/data_batch_") + batch + ".bin";
    write_bytes(folder.file(name), record("\x04", 'd'));
  }
  write_bytes(folder.file("cifar-10-batches-bin/data_batch_2.bin"), record("\x02", 'b'));
  write_bytes(folder.file("cifar-10-batches-bin/data_batch_1.bin"), record("\x01", 'a'));
  write_bytes(folder.file("cifar-10-batches-bin/test_batch.bin"), record("\x03", 'c'));
  const DatasetPair ten = load_dataset("cifar10", folder.path());
  EXPECT_EQ(ten.train.labels, (std::vector<int32_t>{1, 2, 4, 4, 4}));
  EXPECT_EQ(ten.train.images.front(), 'a');
  EXPECT_EQ(ten.train.images.back(), 'd');
  EXPECT_EQ(ten.test.n, 1);
  EXPECT_EQ(ten.test.c, 3);
  EXPECT_EQ(ten.train.classes, 10);
  std::filesystem::remove(folder.file("cifar-10-batches-bin/data_batch_2.bin"));
  EXPECT_THAT(usage_error([&] { load_dataset("cifar10", folder.path()); }),
              HasSubstr("found 4 data_batch files"));
  write_bytes(folder.file("train.bin"), record("\x01\x63", 'a'));
  write_bytes(folder.file("test.bin"), record("\x01\x07", 'a'));
  const DatasetPair hundred = load_dataset("cifar100", folder.path());
  EXPECT_EQ(hundred.train.classes, 100);
  EXPECT_EQ(hundred.train.labels, std::vector<int32_t>{99});
}

TEST(Dataset, MissingDataNamesTheFoldersAndWhatToDo) {
  const Folder folder;
  for (const char* name : {"mnist", "fashion-mnist", "cifar10", "cifar100"}) {
    const std::string message = usage_error([&] { load_dataset(name, folder.path()); });
    EXPECT_THAT(message, HasSubstr(folder.path()));
    EXPECT_THAT(message, HasSubstr(std::string("basin data fetch ") + name));
  }
  const Environment cache("XDG_CACHE_HOME", folder.path());
  EXPECT_EQ(cache_folder("mnist"), folder.file("basin/mnist"));
  const auto folders = dataset_folders("cifar10", "");
  EXPECT_EQ(folders, (std::vector<std::string>{folder.file("basin/cifar10"),
                                               "/usr/share/datasets/cifar10"}));
  EXPECT_EQ(dataset_folders("mnist", "/x"), std::vector<std::string>{"/x"});
  if (!std::filesystem::exists(folders[1])) {
    const std::string message = usage_error([&] { load_dataset("cifar10", ""); });
    for (const std::string& searched : folders) EXPECT_THAT(message, HasSubstr(searched));
  }
  write_mnist(folder.file("basin/mnist"), 28, 28);
  EXPECT_EQ(load_dataset("mnist", "").source, folder.file("basin/mnist"));
  const Environment none("XDG_CACHE_HOME", ""), home("HOME", "/home/someone");
  EXPECT_EQ(cache_folder("mnist"), "/home/someone/.cache/basin/mnist");
}

TEST(Dataset, AFolderNameThatTheSystemRefusesIsAnErrorOfUse) {
  const std::string name(300, 'x');
  EXPECT_THAT(usage_error([&] { load_dataset("mnist", name); }), HasSubstr(name));
  EXPECT_THAT(usage_error([&] { load_dataset("cifar10", name); }), HasSubstr(name));
}

TEST(Dataset, AnUnknownNameListsTheKnownOnes) {
  const std::string message = usage_error([] { load_dataset("imagenet", ""); });
  EXPECT_THAT(message, HasSubstr("'imagenet'"));
  for (const std::string& name : dataset_names()) EXPECT_THAT(message, HasSubstr(name));
}

Dataset plain(int64_t n, int classes) {
  Dataset data;
  data.n = n;
  data.h = data.w = data.c = 1;
  data.classes = classes;
  data.images.assign(n, 0);
  for (int64_t i = 0; i < n; ++i) data.labels.push_back(static_cast<int32_t>(i % classes));
  return data;
}

TEST(Dataset, Take) {
  Dataset data = plain(10, 3);
  data.take(4);
  EXPECT_EQ(data.n, 4);
  EXPECT_EQ(data.images.size(), 4u);
  EXPECT_EQ(data.labels, (std::vector<int32_t>{0, 1, 2, 0}));
  for (const int64_t count : {0, -1, 5}) {
    EXPECT_THAT(usage_error([&] { data.take(count); }),
                HasSubstr("found " + std::to_string(count)));
  }
}

TEST(Dataset, LabelNoiseChangesExactlySoMany) {
  struct Case {
    int64_t n;
    double p;
    int64_t changed;
  };
  for (const Case& c : {Case{1000, 0.0, 0},
                        {1000, 0.2, 200},
                        {1000, 1.0, 1000},
                        {7, 0.5, 3},
                        {100, 0.29, 28},  // as int(n * p): the double nearest to 0.29 is below it
                        {1000, 0.0019, 1},
                        {50'000, 0.58, 28'999}}) {
    Dataset data = plain(c.n, 10);
    const auto before = data.labels;
    apply_label_noise(data, c.p, 5);
    int64_t changed = 0;
    for (int64_t i = 0; i < c.n; ++i) {
      ASSERT_TRUE(data.labels[i] >= 0 && data.labels[i] < 10);
      changed += data.labels[i] != before[i] ? 1 : 0;
    }
    EXPECT_EQ(changed, c.changed) << c.n << " * " << c.p;
  }
}

TEST(Dataset, LabelNoiseIsUniformAndFollowsItsSeed) {
  const int64_t n = 90'000;
  Dataset a = plain(n, 10), b = a, other = a;
  std::fill(a.labels.begin(), a.labels.end(), 4);
  b.labels = other.labels = a.labels;
  apply_label_noise(a, 1.0, 5);
  apply_label_noise(b, 1.0, 5);
  apply_label_noise(other, 1.0, 6);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_NE(a.labels, other.labels);
  std::vector<int> counts(10);
  for (const int32_t label : a.labels) ++counts[label];
  // A binomial count of mean 10,000 and deviation 94.
  for (int k = 0; k < 10; ++k) EXPECT_NEAR(counts[k], k == 4 ? 0 : 10'000, 5 * 94);
  EXPECT_EQ(counts[4], 0);
  for (const double p : {-0.1, 1.5, std::nan("")}) {
    EXPECT_THAT(usage_error([&] { apply_label_noise(a, p, 0); }), HasSubstr("--label-noise"));
  }
}

TEST(Dataset, ShapesAreMadeOnTheSpot) {
  const DatasetPair data = load_dataset("shapes", "");
  EXPECT_EQ(data.source, "procedural");
  EXPECT_EQ(data.train.n, 10'000);
  EXPECT_EQ(data.test.n, 2000);
}

}  // namespace
}  // namespace basin::test
