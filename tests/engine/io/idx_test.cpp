// IDX: hand-made files, gzip or plain, and damage at every place.
#include "engine/io/idx.h"

#include <zlib.h>

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string header(uint32_t magic, std::initializer_list<uint32_t> extents) {
  std::string bytes = big_endian(magic);
  for (const uint32_t extent : extents) bytes += big_endian(extent);
  return bytes;
}

class IdxTest : public testing::Test {
 protected:
  std::string images_message(const std::string& bytes) const {
    write_bytes(path_, bytes);
    const std::string text = usage_error([&] { read_idx_images(path_); });
    EXPECT_THAT(text, StartsWith(path_ + ": "));
    return text;
  }
  Folder folder_;
  std::string path_ = folder_.file("images-idx3-ubyte");
  std::string images_ = header(2051, {2, 1, 3}) + "abcdef";
};

TEST_F(IdxTest, Images) {
  write_bytes(path_, images_);
  const IdxArray array = read_idx_images(path_);
  EXPECT_EQ(array.extents, (std::vector<int64_t>{2, 1, 3}));
  EXPECT_THAT(array.values(), ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST_F(IdxTest, Labels) {
  write_bytes(path_, header(2049, {3}) + std::string("\x00\x09\xff", 3));
  const IdxArray array = read_idx_labels(path_);
  EXPECT_EQ(array.extents, std::vector<int64_t>{3});
  EXPECT_THAT(array.values(), ElementsAre(0, 9, 255));
}

TEST_F(IdxTest, Gzip) {
  const gzFile file = gzopen(path_.c_str(), "wb");
  gzwrite(file, images_.data(), static_cast<unsigned>(images_.size()));
  gzclose(file);
  EXPECT_EQ(read_idx_images(path_).values().size(), 6u);
  const std::string packed = bytes_of(path_);
  EXPECT_THAT(images_message(packed.substr(0, packed.size() - 3)), HasSubstr("cut off"));
  damage_everywhere(path_, packed, 1, [&] { read_idx_images(path_); });
}

TEST_F(IdxTest, ABadHeader) {
  EXPECT_THAT(images_message(""), HasSubstr("found 0 bytes, expected a header of 16"));
  EXPECT_THAT(images_message(images_.substr(0, 15)), HasSubstr("found 15 bytes"));
  EXPECT_THAT(images_message(header(2049, {6, 0, 0})),
              HasSubstr("2049 at offset 0, expected 2051"));
  EXPECT_THAT(images_message(header(2051, {0, 1, 3})), HasSubstr("extent of 0 at offset 4"));
  EXPECT_THAT(images_message(header(2051, {2, 0, 3})), HasSubstr("extent of 0 at offset 8"));
  EXPECT_THAT(images_message(header(2051, {2, 1, 0})), HasSubstr("extent of 0 at offset 12"));
  EXPECT_THAT(images_message(header(2051, {UINT32_MAX, UINT32_MAX, UINT32_MAX})),
              HasSubstr("extent of 4294967295"));
  EXPECT_THAT(images_message(header(2051, {1u << 16, 1u << 16, 1u << 16})), HasSubstr("offset 8"));
  write_bytes(path_, images_);
  EXPECT_THAT(usage_error([&] { read_idx_labels(path_); }), HasSubstr("expected 2049"));
}

TEST_F(IdxTest, TooFewOrTooManyBytes) {
  EXPECT_THAT(images_message(images_.substr(0, images_.size() - 1)),
              HasSubstr("found 5 bytes behind the header at offset 16, expected 6"));
  EXPECT_THAT(images_message(images_ + "g"), HasSubstr("found 7 bytes"));
}

TEST_F(IdxTest, DamageAnywhereIsRefusedOrHarmless) {
  // Every cut and every change of the header is refused; the values may be anything.
  EXPECT_EQ(damage_everywhere(path_, images_, 1, [&] { read_idx_images(path_); }), 22 + 16 * 3);
}

}  // namespace
}  // namespace basin::test
