#include "engine/io/idx.h"

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {
namespace {

constexpr int64_t kLimit = int64_t{1} << 31;  // no data set of this kind is larger

IdxArray read_idx(const std::string& path, uint32_t magic, size_t rank) {
  std::vector<std::byte> data = read_gzip_or_plain(path, kLimit);
  const size_t header = 4 * (rank + 1);
  BASIN_CHECK(data.size() >= header, path, "found {} bytes, expected a header of {} at offset 0",
              data.size(), header);
  const auto word = [&](size_t i) {
    uint32_t value = 0;
    for (size_t k = 0; k < 4; ++k) value = value << 8 | std::to_integer<uint32_t>(data[4 * i + k]);
    return value;
  };
  BASIN_CHECK(word(0) == magic, path, "found magic number {} at offset 0, expected {}", word(0),
              magic);
  IdxArray array;
  int64_t size = 1;
  for (size_t i = 1; i <= rank; ++i) {
    const int64_t extent = word(i);
    BASIN_CHECK(extent > 0 && !__builtin_mul_overflow(size, extent, &size) && size <= kLimit, path,
                "found an extent of {} at offset {}, expected 1 to {} elements in all", extent,
                4 * i, kLimit);
    array.extents.push_back(extent);
  }
  const auto found = static_cast<int64_t>(data.size() - header);
  BASIN_CHECK(found == size, path, "found {} bytes behind the header at offset {}, expected {}",
              found, header, size);
  array.file = std::move(data);
  array.header = header;
  return array;
}

}  // namespace

IdxArray read_idx_images(const std::string& path) {
  return read_idx(path, 2051, 3);
}
IdxArray read_idx_labels(const std::string& path) {
  return read_idx(path, 2049, 1);
}

}  // namespace basin
