#include "engine/io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/io/file.h"
#include "kernels/error.h"
#include "kernels/platform.h"

namespace basin {
namespace {

constexpr char kMagic[] = "\x93NUMPY";

struct Descriptor {
  DType dtype;
  const char* text;
};
constexpr Descriptor kDescriptors[] = {{DType::Float32, "<f4"},
                                       {DType::Float64, "<f8"},
                                       {DType::Int32, "<i4"},
                                       {DType::Int64, "<i8"},
                                       {DType::UInt8, "|u1"}};

// The text behind `'key':` up to the end of its value, or empty where there is none.
std::string value_of(const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  if (at == std::string::npos) return "";
  size_t begin = header.find(':', at);
  if (begin == std::string::npos) return "";
  begin = header.find_first_not_of(' ', begin + 1);
  if (begin == std::string::npos) return "";
  const char open = header[begin];
  const size_t end = open == '(' ? header.find(')', begin)
                                 : header.find(open == '\'' ? '\'' : ',', begin + 1);
  if (end == std::string::npos) return "";
  return header.substr(begin, end - begin + (open == '(' || open == '\'' ? 1 : 0));
}

std::vector<int64_t> parse_shape(const std::string& path, const std::string& text) {
  std::vector<int64_t> shape;
  const char* p = text.data() + 1;
  const char* end = text.data() + text.size() - 1;
  while (p < end) {
    while (p < end && (*p == ' ' || *p == ',')) ++p;
    if (p == end) break;
    int64_t extent = -1;
    const auto [stop, status] = std::from_chars(p, end, extent);
    BASIN_CHECK(status == std::errc() && extent >= 0, path, "found shape {} in the header, "
                "expected whole numbers", text);
    shape.push_back(extent);
    p = stop;
  }
  return shape;
}

}  // namespace

HostTensor read_npy(const std::string& path) {
  const std::vector<std::byte> data = read_file(path);
  BASIN_CHECK(data.size() >= 10 && std::memcmp(data.data(), kMagic, 6) == 0, path,
              "found no NumPy magic string at offset 0");
  const int version = std::to_integer<int>(data[6]);
  BASIN_CHECK(version == 1 || version == 2, path, "found version {} at offset 6, expected 1 or 2",
              version);
  const size_t width = version == 1 ? 2 : 4;
  BASIN_CHECK(data.size() >= 8 + width, path, "it ends within the header length at offset 8");
  size_t length = 0;
  for (size_t i = 0; i < width; ++i) length |= std::to_integer<size_t>(data[8 + i]) << (8 * i);
  const size_t begin = 8 + width + length;
  BASIN_CHECK(begin <= data.size(), path, "found a header length of {} at offset 8, expected at "
              "most {}", length, data.size() - 8 - width);
  const std::string header(reinterpret_cast<const char*>(data.data()) + 8 + width, length);

  HostTensor tensor;
  tensor.name = path;
  const std::string descr = value_of(header, "descr");
  const auto* known = std::find_if(std::begin(kDescriptors), std::end(kDescriptors),
                                   [&](const Descriptor& d) { return descr == fmt::format("'{}'", d.text); });
  BASIN_CHECK(known != std::end(kDescriptors), path,
              "found type {} in the header, expected <f4, <f8, <i4, <i8 or |u1",
              descr.empty() ? "none" : descr);
  tensor.dtype = known->dtype;
  BASIN_CHECK(value_of(header, "fortran_order") == "False", path,
              "found fortran_order {} in the header, expected False", value_of(header, "fortran_order"));
  const std::string shape = value_of(header, "shape");
  BASIN_CHECK(!shape.empty() && shape[0] == '(', path, "found no shape in the header at offset {}",
              8 + width);
  tensor.shape = parse_shape(path, shape);
  const int64_t elements = checked_elements(tensor.shape);
  int64_t bytes = 0;
  BASIN_CHECK(elements >= 0 && !__builtin_mul_overflow(elements, dtype_size(tensor.dtype), &bytes) &&
                  bytes == static_cast<int64_t>(data.size() - begin),
              path, "found {} bytes behind the header at offset {} for shape {} of {}",
              data.size() - begin, begin, shape, descr);
  tensor.data.assign(data.begin() + static_cast<int64_t>(begin), data.end());
  return tensor;
}

void write_npy(const std::string& path, const HostTensor& tensor) {
  const auto* known = std::find_if(std::begin(kDescriptors), std::end(kDescriptors),
                                   [&](const Descriptor& d) { return d.dtype == tensor.dtype; });
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   known->text, fmt::join(tensor.shape, ", "),
                                   tensor.shape.size() == 1 ? "," : "");
  header.resize(round_up<size_t>(header.size() + 11, 64) - 11, ' ');  // the data starts aligned
  header += '\n';
  std::vector<std::byte> data(10 + header.size());
  std::memcpy(data.data(), kMagic, 6);
  data[6] = std::byte{1};
  data[8] = static_cast<std::byte>(header.size() & 0xff);
  data[9] = static_cast<std::byte>(header.size() >> 8);
  std::memcpy(data.data() + 10, header.data(), header.size());
  data.insert(data.end(), tensor.data.begin(), tensor.data.end());
  write_file_atomically(path, data);
}

}  // namespace basin
