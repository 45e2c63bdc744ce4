#include "engine/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference reader's own limit

struct Tag {
  DType dtype;
  const char* name;
};
constexpr Tag kTags[] = {{DType::Float32, "F32"},
                         {DType::Float64, "F64"},
                         {DType::Int32, "I32"},
                         {DType::Int64, "I64"},
                         {DType::UInt8, "U8"}};

const char* tag_of(DType dtype) {
  for (const Tag& tag : kTags) {
    if (tag.dtype == dtype) return tag.name;
  }
  return "";
}

// The header's JSON; a key that appears twice is refused, where a plain parse keeps the last.
Json parse_header(const std::string& path, const char* text, size_t size) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  const Json::parser_callback_t watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto name = value.get<std::string>();
      if (!keys.back().insert(name).second) twice = name;
    }
    return true;
  };
  Json header;
  try {
    header = Json::parse(text, text + size, watch);
  } catch (const nlohmann::json::exception& e) {
    fail(path, "the header at offset 8 is not JSON: {}", e.what());
  }
  BASIN_CHECK(twice.empty(), path, "found '{}' twice in the header", twice);
  BASIN_CHECK(header.is_object(), path, "found a header at offset 8 that is no JSON object");
  return header;
}

// A list of `count` whole numbers >= 0 (any number of them where count is 0).
std::vector<int64_t> numbers(const std::string& where, const Json& item, const char* key,
                             size_t count) {
  const auto it = item.find(key);
  BASIN_CHECK(it != item.end() && it->is_array(), where, "found no list '{}'", key);
  BASIN_CHECK(count == 0 || it->size() == count, where, "found {} numbers in '{}', expected {}",
              it->size(), key, count);
  std::vector<int64_t> values;
  for (const Json& v : *it) {
    BASIN_CHECK(v.is_number_unsigned() && v.get<uint64_t>() <= uint64_t{INT64_MAX}, where,
                "found {} in '{}', expected a whole number >= 0", v.dump(), key);
    values.push_back(v.get<int64_t>());
  }
  return values;
}

}  // namespace

const HostTensor* TensorFile::find(const std::string& name) const {
  for (const HostTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

const HostTensor& TensorFile::at(const std::string& name, const std::string& path) const {
  const HostTensor* tensor = find(name);
  BASIN_CHECK(tensor != nullptr, path, "found no tensor '{}' among its {}", name, tensors.size());
  return *tensor;
}

TensorFile read_safetensors(const std::string& path) {
  const std::vector<std::byte> data = read_file(path);
  BASIN_CHECK(data.size() >= 8, path, "found {} bytes, expected a header length of 8 at offset 0",
              data.size());
  uint64_t header_size = 0;
  std::memcpy(&header_size, data.data(), 8);
  BASIN_CHECK(header_size <= kMaxHeader && header_size <= data.size() - 8, path,
              "found a header length of {} at offset 0, expected at most {}", header_size,
              std::min<uint64_t>(kMaxHeader, data.size() - 8));
  const Json header = parse_header(path, reinterpret_cast<const char*>(data.data()) + 8,
                                   static_cast<size_t>(header_size));
  const auto body = static_cast<int64_t>(8 + header_size);
  const int64_t body_size = static_cast<int64_t>(data.size()) - body;

  TensorFile file;
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const auto& [name, item] : header.items()) {
    if (name == "__metadata__") {
      BASIN_CHECK(item.is_object(), path, "found '__metadata__' that is no JSON object");
      for (const auto& [key, value] : item.items()) {
        BASIN_CHECK(value.is_string(), path, "found metadata '{}' that is no text", key);
        file.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    const std::string where = path + ": " + name;
    BASIN_CHECK(item.is_object(), where, "found a tensor that is no JSON object");
    HostTensor tensor;
    tensor.name = name;
    const std::string tag = item.contains("dtype") && item["dtype"].is_string()
                                ? item["dtype"].get<std::string>()
                                : "none";
    const auto* known =
        std::find_if(std::begin(kTags), std::end(kTags), [&](const Tag& t) { return tag == t.name; });
    BASIN_CHECK(known != std::end(kTags), where,
                "found dtype {}, expected F32, F64, I32, I64 or U8", tag);
    tensor.dtype = known->dtype;
    tensor.shape = numbers(where, item, "shape", 0);
    const std::vector<int64_t> offsets = numbers(where, item, "data_offsets", 2);
    BASIN_CHECK(offsets[0] <= offsets[1] && offsets[1] <= body_size, where,
                "found data_offsets [{},{}], expected them within the {} bytes behind offset {}",
                offsets[0], offsets[1], body_size, body);
    const int64_t elements = checked_elements(tensor.shape);
    int64_t bytes = 0;
    const bool fits = elements >= 0 &&
                      !__builtin_mul_overflow(elements, dtype_size(tensor.dtype), &bytes) &&
                      bytes == offsets[1] - offsets[0];
    BASIN_CHECK(fits, where, "found {} bytes for shape [{}] of {}", offsets[1] - offsets[0],
                fmt::join(tensor.shape, ","), tag);
    tensor.data.assign(data.begin() + body + offsets[0], data.begin() + body + offsets[1]);
    ranges.emplace_back(offsets[0], offsets[1]);
    file.tensors.push_back(std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end());
  int64_t end = 0;
  for (const auto& [first, last] : ranges) {
    BASIN_CHECK(first == end, path, "found tensor data at {} that {}, expected it at {}", first,
                first < end ? "overlaps another's" : "leaves a hole", end);
    end = last;
  }
  BASIN_CHECK(end == body_size, path, "found {} bytes behind the last tensor, expected none",
              body_size - end);
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  std::vector<const HostTensor*> tensors;
  for (const HostTensor& tensor : file.tensors) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const HostTensor* a, const HostTensor* b) { return a->name < b->name; });
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  int64_t offset = 0;
  for (const HostTensor* tensor : tensors) {
    const auto bytes = static_cast<int64_t>(tensor->data.size());
    BASIN_CHECK(!header.contains(tensor->name), path, "found '{}' twice", tensor->name);
    BASIN_CHECK(bytes == checked_elements(tensor->shape) * dtype_size(tensor->dtype),
                path + ": " + tensor->name, "found {} bytes for shape [{}]", bytes,
                fmt::join(tensor->shape, ","));
    header[tensor->name] = {{"dtype", tag_of(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the tensors start aligned
  const uint64_t size = text.size();
  std::vector<std::byte> data(8 + text.size());
  std::memcpy(data.data(), &size, 8);
  std::memcpy(data.data() + 8, text.data(), text.size());
  for (const HostTensor* tensor : tensors) {
    data.insert(data.end(), tensor->data.begin(), tensor->data.end());
  }
  write_file_atomically(path, data);
}

}  // namespace basin
