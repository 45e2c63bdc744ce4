// NumPy's .npy files, versions 1.0 and 2.0 (numpy.lib.format): C order, little-endian.
#pragma once

#include <string>

#include "engine/io/host_tensor.h"

namespace basin {

// f4, f8, i4, i8, u1. Anything else, and a file that is shorter or longer than its shape says, is
// an Error(Usage) with file, offset, found and expected. The tensor's name is the path.
HostTensor read_npy(const std::string& path);
// Atomically (file.h), version 1.0.
void write_npy(const std::string& path, const HostTensor& tensor);

}  // namespace basin
