#include "engine/io/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

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
  bool repeated = false;
  const Json::parser_callback_t watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto name = value.get<std::string>();
      if (!keys.back().insert(name).second) {
        twice = name;
        repeated = true;
      }
    }
    return true;
  };
  BASIN_CHECK(size > 0 && text[0] == '{', path,
              "found a header at offset 8 that is no JSON object, expected it to begin with {{");
  Json header;
  try {
    header = Json::parse(text, text + size, watch);
  } catch (const nlohmann::json::parse_error& error) {
    fail(path, "found a header that is no JSON at offset {}", 8 + error.byte);
  } catch (const nlohmann::json::exception& error) {  // a number that no type holds
    fail(path, "found a header at offset 8 that cannot be read: {}", error.what());
  }
  BASIN_CHECK(!repeated, path, "found '{}' twice in the header, expected it once", twice);
  return header;
}

// The list of whole numbers >= 0 under `key`.
std::vector<int64_t> numbers(const std::string& where, const Json& item, const char* key) {
  const auto it = item.find(key);
  BASIN_CHECK(it != item.end() && it->is_array(), where, "found no list '{}' in the header", key);
  std::vector<int64_t> values;
  for (const Json& v : *it) {
    BASIN_CHECK(v.is_number_unsigned() && v.get<uint64_t>() <= uint64_t{INT64_MAX}, where,
                "found {} in '{}', expected a whole number from 0 to {}", v.dump(), key, INT64_MAX);
    values.push_back(v.get<int64_t>());
  }
  return values;
}

// Where a tensor's bytes lie behind the header.
struct Range {
  int64_t begin, end;
  std::string name;
};

// One entry of the header, checked; its bytes are copied from body: [body_size].
HostTensor read_tensor(const std::string& path, const std::string& name, const Json& item,
                       const std::byte* body, int64_t body_size, std::vector<Range>& ranges) {
  const std::string where = path + ": " + name;
  BASIN_CHECK(item.is_object(), where, "found an entry that is no JSON object");
  HostTensor tensor;
  tensor.name = name;
  const auto dtype = item.find("dtype");
  const std::string tag =
      dtype != item.end() && dtype->is_string() ? dtype->get<std::string>() : "none";
  const auto* known =
      std::find_if(std::begin(kTags), std::end(kTags), [&](const Tag& t) { return tag == t.name; });
  BASIN_CHECK(known != std::end(kTags), where, "found dtype {}, expected F32, F64, I32, I64 or U8",
              tag);
  tensor.dtype = known->dtype;
  tensor.shape = numbers(where, item, "shape");
  const std::vector<int64_t> offsets = numbers(where, item, "data_offsets");
  BASIN_CHECK(offsets.size() == 2, where, "found {} numbers in 'data_offsets', expected 2",
              offsets.size());
  const int64_t begin = offsets[0], end = offsets[1];
  BASIN_CHECK(begin <= end && end <= body_size, where,
              "found data_offsets [{},{}], expected a range within the {} bytes behind the header",
              begin, end, body_size);
  const int64_t bytes = checked_bytes(tensor.shape, tensor.dtype);
  BASIN_CHECK(bytes >= 0, where, "found shape [{}], expected one whose bytes can be counted",
              fmt::join(tensor.shape, ","));
  BASIN_CHECK(bytes == end - begin, where,
              "found {} bytes at data_offsets [{},{}], expected {} for {} [{}]", end - begin, begin,
              end, bytes, tag, fmt::join(tensor.shape, ","));
  tensor.data.assign(body + begin, body + end);
  ranges.push_back({begin, end, name});
  return tensor;
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
  std::vector<Range> ranges;
  for (const auto& [name, item] : header.items()) {
    if (name != "__metadata__") {
      file.tensors.push_back(read_tensor(path, name, item, data.data() + body, body_size, ranges));
      continue;
    }
    BASIN_CHECK(item.is_object(), path, "found '__metadata__' that is no JSON object");
    for (const auto& [key, value] : item.items()) {
      BASIN_CHECK(value.is_string(), path, "found metadata '{}' that is no text", key);
      file.metadata[key] = value.get<std::string>();
    }
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  int64_t end = 0;
  for (const Range& range : ranges) {
    BASIN_CHECK(range.begin == end, path + ": " + range.name,
                "found its data at offset {}, which {}, expected it at offset {}",
                body + range.begin,
                range.begin < end ? "overlaps another tensor's" : "leaves a hole", body + end);
    end = range.end;
  }
  BASIN_CHECK(end == body_size, path,
              "found {} bytes behind the last tensor at offset {}, expected none", body_size - end,
              body + end);
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  std::vector<const HostTensor*> tensors;
  for (const HostTensor& tensor : file.tensors) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(), [](const HostTensor* a, const HostTensor* b) {
    const int64_t width_a = dtype_size(a->dtype), width_b = dtype_size(b->dtype);
    return width_a != width_b ? width_a > width_b : a->name < b->name;
  });
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  int64_t offset = 0;
  for (const HostTensor* tensor : tensors) {
    const auto bytes = static_cast<int64_t>(tensor->data.size());
    BASIN_CHECK(tensor->name != "__metadata__" && !header.contains(tensor->name), path,
                "found a tensor name '{}' that is taken", tensor->name);
    BASIN_CHECK(bytes == checked_bytes(tensor->shape, tensor->dtype), path + ": " + tensor->name,
                "found {} bytes for {} [{}]", bytes, dtype_name(tensor->dtype),
                fmt::join(tensor->shape, ","));
    header[tensor->name] = {{"dtype", tag_of(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(path, "found a tensor name or metadata that is no UTF-8: {}", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the tensors start aligned
  BASIN_CHECK(text.size() <= kMaxHeader, path, "found a header of {} bytes, expected at most {}",
              text.size(), kMaxHeader);
  const uint64_t size = text.size();
  AtomicFile out(path);
  out.write(std::as_bytes(std::span(&size, 1)));
  out.write(std::as_bytes(std::span(text.data(), text.size())));
  for (const HostTensor* tensor : tensors) out.write(tensor->data);
  out.commit();
}

}  // namespace basin
