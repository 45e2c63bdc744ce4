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

  // Null where there is none.
  const HostTensor* find(const std::string& name) const;
  // Throws Error(Usage) that names `path` where there is no such tensor.
  const HostTensor& at(const std::string& name, const std::string& path) const;
};

// F32, F64, I32, I64 and U8. Truncated or oversized files, damaged headers, names that appear
// twice, shapes that overflow or do not fit their bytes, ranges that overlap, leave holes or lie
// outside are an Error(Usage) with the file, the tensor or offset, what was found and what was
// expected.
TensorFile read_safetensors(const std::string& path);
// Atomically (file.h). The tensors by size of their type (widest first, so that each is aligned)
// and then by name: equal contents are equal bytes.
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace basin
