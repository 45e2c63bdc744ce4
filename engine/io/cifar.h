// CIFAR's binary records: label byte(s), then the R, G and B planes of 32x32.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace basin {

enum class Cifar { Ten, Hundred };  // 3073 bytes; 3074 (a coarse label before the fine one)

// Appends any whole number of records: images as NHWC bytes, labels. A partial record or a label
// out of range is an Error(Usage) with file, offset, found and expected.
void read_cifar(const std::string& path, Cifar kind, std::vector<uint8_t>& images,
                std::vector<int32_t>& labels);

}  // namespace basin
