// Arenas to and from the tensors of a safetensors file, under PyTorch's names, shapes and order, so
// that a checkpoint loads into the reference PyTorch model.
#pragma once

#include <string>

#include "engine/arena.h"
#include "engine/io/safetensors.h"

namespace basin {

// Appends every tensor of the arena as `prefix` + name; counters as int64 scalars. Of an arena of
// several groups a tensor's first extent is the group's.
void put_arena(TensorFile& file, const std::string& prefix, const Stream& stream,
               const Arena& arena);
// Reads every tensor of the arena. A missing tensor, another shape or type is an Error(Usage) that
// names `path`, the tensor, what was found and what was expected.
void get_arena(const TensorFile& file, const std::string& path, const std::string& prefix,
               const Stream& stream, Arena& arena);
// One tensor of values in row-major order.
HostTensor host_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                       std::span<const double> values);
// The values of a float32, float64, int32 or int64 tensor.
std::vector<double> host_values(const HostTensor& tensor);

}  // namespace basin
