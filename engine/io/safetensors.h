// safetensors: 8 bytes of header length, a JSON header, the tensors' bytes.
// https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/io/host_tensor.h"

namespace basin {

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<HostTensor> tensors;

  const HostTensor* find(const std::string& name) const;
  // Throws Error(Usage) that names `path` where there is no such tensor.
  const HostTensor& at(const std::string& name, const std::string& path) const;
};

// F32, F64, I32, I64 and U8. Truncated, oversized, overflowing, overlapping or mislabelled input is
// an Error(Usage) with the file, the offset or tensor, what was found and what was expected.
TensorFile read_safetensors(const std::string& path);
// The tensors in the order of their names, so that equal contents are equal bytes.
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace basin
