#include "engine/checkpoint.h"

#include <fmt/format.h>

#include <cstring>

namespace basin {
namespace {

template <class T>
void append_values(HostTensor& tensor, std::span<const double> values) {
  tensor.data.resize(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(tensor.data.data() + i * sizeof(T), &value, sizeof(T));
  }
}

template <class T>
std::vector<double> read_values(const HostTensor& tensor) {
  std::vector<double> values(tensor.data.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

}  // namespace

HostTensor host_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                       std::span<const double> values) {
  HostTensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  switch (dtype) {
    case DType::Float32:
      append_values<float>(tensor, values);
      break;
    case DType::Float64:
      append_values<double>(tensor, values);
      break;
    case DType::BFloat16:
      append_values<bfloat16>(tensor, values);
      break;
    case DType::Int32:
      append_values<int32_t>(tensor, values);
      break;
    case DType::Int64:
      append_values<int64_t>(tensor, values);
      break;
    case DType::UInt8:
      append_values<uint8_t>(tensor, values);
      break;
  }
  return tensor;
}

std::vector<double> host_values(const HostTensor& tensor) {
  switch (tensor.dtype) {
    case DType::Float32:
      return read_values<float>(tensor);
    case DType::Float64:
      return read_values<double>(tensor);
    case DType::BFloat16:
      return read_values<bfloat16>(tensor);
    case DType::Int32:
      return read_values<int32_t>(tensor);
    case DType::Int64:
      return read_values<int64_t>(tensor);
    case DType::UInt8:
      return read_values<uint8_t>(tensor);
  }
  return {};
}

void put_arena(TensorFile& file, const std::string& prefix, const Stream& stream,
               const Arena& arena) {
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    const DType dtype = entry.role == Role::Counter ? DType::Int64 : arena.dtype();
    std::vector<int64_t> shape = entry.logical;
    if (arena.groups() > 1) shape.insert(shape.begin(), arena.groups());
    std::vector<double> values;
    for (int64_t g = 0; g < arena.groups(); ++g) {
      const std::vector<double> own = arena.read(stream, entry, g);
      values.insert(values.end(), own.begin(), own.end());
    }
    file.tensors.push_back(host_tensor(prefix + entry.name, dtype, std::move(shape), values));
  }
}

void get_arena(const TensorFile& file, const std::string& path, const std::string& prefix,
               const Stream& stream, Arena& arena) {
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    const HostTensor& tensor = file.at(prefix + entry.name, path);
    BASIN_CHECK(tensor.shape == entry.logical, path + ": " + tensor.name,
                "found shape {}, expected {} (a checkpoint of another model or width?)",
                shape_text(tensor.shape), shape_text(entry.logical));
    const bool counter = entry.role == Role::Counter;
    const bool fits = counter ? tensor.dtype == DType::Int64
                              : tensor.dtype == DType::Float32 || tensor.dtype == DType::Float64;
    BASIN_CHECK(fits, path + ": " + tensor.name, "found {}, expected {}", dtype_name(tensor.dtype),
                counter ? "int64" : "float32 or float64");
    arena.write(stream, entry, host_values(tensor));
  }
}

}  // namespace basin
