#include "engine/io/cifar.h"

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {

void read_cifar(const std::string& path, Cifar kind, std::vector<uint8_t>& images,
                std::vector<int32_t>& labels) {
  constexpr int64_t kPixels = 32 * 32;
  const int64_t label_bytes = kind == Cifar::Ten ? 1 : 2;
  const int64_t record = label_bytes + 3 * kPixels;
  // How many values each label byte may have; the last byte is the label.
  const int counts[2] = {kind == Cifar::Ten ? 10 : 20, 100};
  const std::vector<std::byte> data = read_file(path);
  const auto size = static_cast<int64_t>(data.size());
  BASIN_CHECK(size > 0, path, "found an empty file, expected records of {} bytes", record);
  BASIN_CHECK(size % record == 0, path,
              "found {} bytes at offset {}, expected a whole record of {}", size % record,
              size / record * record, record);
  images.reserve(images.size() + static_cast<size_t>(size / record * 3 * kPixels));
  for (int64_t begin = 0; begin < size; begin += record) {
    for (int64_t i = 0; i < label_bytes; ++i) {
      const auto label = std::to_integer<int32_t>(data[begin + i]);
      BASIN_CHECK(label < counts[i], path, "found {} {} at offset {}, expected 0 to {}",
                  i + 1 < label_bytes ? "coarse label" : "label", label, begin + i, counts[i] - 1);
      if (i + 1 == label_bytes) labels.push_back(label);
    }
    const std::byte* planes = data.data() + begin + label_bytes;
    const size_t at = images.size();
    images.resize(at + 3 * kPixels);
    for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
      for (int64_t c = 0; c < 3; ++c) {
        images[at + pixel * 3 + c] = std::to_integer<uint8_t>(planes[c * kPixels + pixel]);
      }
    }
  }
}

}  // namespace basin
