#include "engine/io/cifar.h"

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {

void read_cifar(const std::string& path, Cifar kind, std::vector<uint8_t>& images,
                std::vector<int32_t>& labels) {
  constexpr int64_t kPixels = 32 * 32;
  const int64_t label_bytes = kind == Cifar::Ten ? 1 : 2;
  const int64_t record = label_bytes + 3 * kPixels;
  const int classes = kind == Cifar::Ten ? 10 : 100;
  const std::vector<std::byte> data = read_file(path);
  const auto size = static_cast<int64_t>(data.size());
  BASIN_CHECK(size > 0 && size % record == 0, path,
              "found {} bytes, expected a whole number of records of {}: the last one at offset {} "
              "has {}",
              size, record, size / record * record, size % record);
  for (int64_t begin = 0; begin < size; begin += record) {
    const int64_t at = begin + label_bytes - 1;
    const auto label = std::to_integer<int32_t>(data[at]);
    BASIN_CHECK(label < classes, path, "found label {} at offset {}, expected 0 to {}", label, at,
                classes - 1);
    labels.push_back(label);
    const std::byte* planes = data.data() + begin + label_bytes;
    for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
      for (int64_t c = 0; c < 3; ++c) {
        images.push_back(std::to_integer<uint8_t>(planes[c * kPixels + pixel]));
      }
    }
  }
}

}  // namespace basin
