// CIFAR's records: planes become NHWC, and partial records and strange labels are refused.
#include "engine/io/cifar.h"

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

uint8_t value(int image, int channel, int pixel) {
  return static_cast<uint8_t>(image * 101 + channel * 37 + pixel * 7);
}
std::string record(int image, const std::string& labels) {
  std::string bytes = labels;
  for (int c = 0; c < 3; ++c) {
    for (int pixel = 0; pixel < 1024; ++pixel) bytes += static_cast<char>(value(image, c, pixel));
  }
  return bytes;
}

class CifarTest : public testing::Test {
 protected:
  void read(Cifar kind) { read_cifar(path_, kind, images_, labels_); }
  std::string message(Cifar kind, const std::string& bytes) {
    write_bytes(path_, bytes);
    const std::string text = usage_error([&] { read(kind); });
    EXPECT_THAT(text, StartsWith(path_ + ": "));
    return text;
  }
  void expect_images(int count) const {
    ASSERT_EQ(images_.size(), static_cast<size_t>(count) * 3072);
    for (int i = 0; i < count; ++i) {
      for (int pixel = 0; pixel < 1024; ++pixel) {
        for (int c = 0; c < 3; ++c) {
          ASSERT_EQ(images_[(i * 1024 + pixel) * 3 + c], value(i, c, pixel)) << i << ' ' << pixel;
        }
      }
    }
  }
  Folder folder_;
  std::string path_ = folder_.file("data_batch_1.bin");
  std::vector<uint8_t> images_;
  std::vector<int32_t> labels_;
};

TEST_F(CifarTest, Ten) {
  write_bytes(path_, record(0, "\x03") + record(1, std::string(1, '\0')));
  read(Cifar::Ten);
  write_bytes(path_, record(2, "\x09"));  // a second file is appended
  read(Cifar::Ten);
  EXPECT_EQ(labels_, (std::vector<int32_t>{3, 0, 9}));
  expect_images(3);
}

TEST_F(CifarTest, HundredTakesTheFineLabel) {
  write_bytes(path_, record(0, "\x13\x63") + record(1, "\x02\x05"));
  read(Cifar::Hundred);
  EXPECT_EQ(labels_, (std::vector<int32_t>{99, 5}));
  expect_images(2);
}

TEST_F(CifarTest, ABrokenFile) {
  const std::string one = record(0, "\x03");
  EXPECT_THAT(message(Cifar::Ten, ""), HasSubstr("found an empty file, expected records of 3073"));
  EXPECT_THAT(message(Cifar::Ten, one.substr(1)), HasSubstr("found 3072 bytes"));
  EXPECT_THAT(message(Cifar::Ten, one + "x"),
              HasSubstr("found 1 bytes at offset 3073, expected a whole record"));
  EXPECT_THAT(message(Cifar::Hundred, one), HasSubstr("a whole record of 3074"));
}

TEST_F(CifarTest, ALabelOutOfRange) {
  EXPECT_THAT(message(Cifar::Ten, record(0, "\x03") + record(1, "\x0a")),
              HasSubstr("found label 10 at offset 3073, expected 0 to 9"));
  EXPECT_THAT(message(Cifar::Hundred, record(0, "\x13\x64")),
              HasSubstr("found label 100 at offset 1, expected 0 to 99"));
  EXPECT_THAT(message(Cifar::Hundred, record(0, "\x14\x63")),
              HasSubstr("found coarse label 20 at offset 0, expected 0 to 19"));
}

TEST_F(CifarTest, DamageAnywhereIsRefusedOrHarmless) {
  const std::string good = record(0, "\x03") + record(1, "\x07");
  EXPECT_GT(damage_everywhere(path_, good, 439, [&] { read(Cifar::Ten); }), 13);
}

}  // namespace
}  // namespace basin::test
