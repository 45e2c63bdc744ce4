// Element types, with their sizes and their names in messages and in safetensors files.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/bfloat16.h"

namespace basin {

enum class DType { Float32, Float64, BFloat16, Int32, Int64, UInt8 };

constexpr int64_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::Float32:
    case DType::Int32:
      return 4;
    case DType::Float64:
    case DType::Int64:
      return 8;
    case DType::BFloat16:
      return 2;
    case DType::UInt8:
      return 1;
  }
  return 0;
}

constexpr std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return "float32";
    case DType::Float64:
      return "float64";
    case DType::BFloat16:
      return "bfloat16";
    case DType::Int32:
      return "int32";
    case DType::Int64:
      return "int64";
    case DType::UInt8:
      return "uint8";
  }
  return "";
}

template <class T>
inline constexpr DType kDTypeOf = DType::UInt8;
template <>
inline constexpr DType kDTypeOf<float> = DType::Float32;
template <>
inline constexpr DType kDTypeOf<double> = DType::Float64;
template <>
inline constexpr DType kDTypeOf<bfloat16> = DType::BFloat16;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::Int32;
template <>
inline constexpr DType kDTypeOf<int64_t> = DType::Int64;

}  // namespace basin
