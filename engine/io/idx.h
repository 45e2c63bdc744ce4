// IDX, the format of MNIST: a big-endian magic number, extents, bytes; gzip or plain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace basin {

struct IdxArray {
  std::vector<int64_t> extents;
  std::vector<std::byte> file;  // unpacked
  size_t header = 0;            // bytes of it before the values

  std::span<const uint8_t> values() const {
    return {reinterpret_cast<const uint8_t*>(file.data()) + header, file.size() - header};
  }
};

// Images (magic 2051, three extents) or labels (magic 2049, one). Anything else, and a file that is
// shorter or longer than its extents say, is an Error(Usage) with file, offset, found and expected.
IdxArray read_idx_images(const std::string& path);
IdxArray read_idx_labels(const std::string& path);

}  // namespace basin
