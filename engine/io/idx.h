// IDX, the format of MNIST: a big-endian magic number, extents, bytes; gzip or plain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace basin {

struct IdxArray {
  std::vector<int64_t> extents;
  std::vector<uint8_t> values;
};

// Images (magic 2051, three extents) or labels (magic 2049, one). Anything else, and a file that is
// shorter or longer than its extents say, is an Error(Usage) with file, offset, found and expected.
IdxArray read_idx_images(const std::string& path);
IdxArray read_idx_labels(const std::string& path);

}  // namespace basin
