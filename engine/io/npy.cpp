#include "engine/io/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

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

// Reads the header: a literal of a Python dictionary with three entries, in any order.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::string_view text, size_t offset)
      : path_(path), text_(text), offset_(offset) {}

  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;

  void read() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = quoted();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail(path_,
             "found key '{}' in the header at offset {}, expected descr, fortran_order and "
             "shape, once each",
             key, offset_ + at_);
      }
      if (accept('}')) break;
      expect(',');
    }
    skip_space();
    if (at_ != text_.size()) wrong("the header's end");
    BASIN_CHECK(descr && fortran_order && shape, path_, "found a header at offset {} without {}",
                offset_,
                !descr   ? "descr"
                : !shape ? "shape"
                         : "fortran_order");
  }

 private:
  [[noreturn]] void wrong(const char* expected) {
    const std::string_view found = text_.substr(std::min(at_, text_.size()), 1);
    fail(path_, "found {} in the header at offset {}, expected {}",
         found.empty() ? "its end" : fmt::format("byte {}", static_cast<unsigned char>(found[0])),
         offset_ + at_, expected);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) wrong(fmt::format("'{}'", c).c_str());
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') wrong("a quoted text");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) wrong("a quoted text that ends");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return word == "True";
    }
    wrong("True or False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t value = -1;
      const auto [stop, status] =
          std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (status != std::errc() || value < 0) wrong("a whole number >= 0");
      values.push_back(value);
      at_ = static_cast<size_t>(stop - text_.data());
      if (accept(')')) {
        if (values.size() == 1) wrong("a comma behind a shape's only extent");
        break;
      }
      expect(',');
    }
    return values;
  }

  const std::string& path_;
  std::string_view text_;
  size_t offset_, at_ = 0;
};

}  // namespace

HostTensor read_npy(const std::string& path) {
  const std::vector<std::byte> data = read_file(path);
  BASIN_CHECK(data.size() >= 10 && std::memcmp(data.data(), kMagic, 6) == 0, path,
              "found no NumPy file of at least 10 bytes, expected its magic string at offset 0");
  const int version = std::to_integer<int>(data[6]), minor = std::to_integer<int>(data[7]);
  BASIN_CHECK((version == 1 || version == 2) && minor == 0, path,
              "found version {}.{} at offset 6, expected 1.0 or 2.0", version, minor);
  const size_t width = version == 1 ? 2 : 4;
  BASIN_CHECK(data.size() >= 8 + width, path,
              "found {} bytes, expected a header length of {} at offset 8", data.size(), width);
  size_t length = 0;
  for (size_t i = 0; i < width; ++i) length |= std::to_integer<size_t>(data[8 + i]) << (8 * i);
  const size_t begin = 8 + width + length;
  BASIN_CHECK(begin <= data.size(), path,
              "found a header length of {} at offset 8, expected at most {}", length,
              data.size() - 8 - width);
  HeaderReader header(path, {reinterpret_cast<const char*>(data.data()) + 8 + width, length},
                      8 + width);
  header.read();
  const auto* known = std::find_if(std::begin(kDescriptors), std::end(kDescriptors),
                                   [&](const Descriptor& d) { return *header.descr == d.text; });
  BASIN_CHECK(known != std::end(kDescriptors), path,
              "found descr '{}' in the header, expected <f4, <f8, <i4, <i8 or |u1", *header.descr);
  BASIN_CHECK(!*header.fortran_order, path,
              "found fortran_order True in the header, expected False");
  HostTensor tensor{path, known->dtype, *header.shape, {}};
  const int64_t bytes = checked_bytes(tensor.shape, tensor.dtype);
  const auto found = static_cast<int64_t>(data.size() - begin);
  BASIN_CHECK(bytes >= 0, path, "found shape ({}), expected one whose bytes can be counted",
              fmt::join(tensor.shape, ", "));
  BASIN_CHECK(bytes == found, path,
              "found {} bytes behind the header at offset {}, expected {} for {} ({})", found,
              begin, bytes, *header.descr, fmt::join(tensor.shape, ", "));
  tensor.data.assign(data.begin() + static_cast<int64_t>(begin), data.end());
  return tensor;
}

void write_npy(const std::string& path, const HostTensor& tensor) {
  BASIN_CHECK(static_cast<int64_t>(tensor.data.size()) == checked_bytes(tensor.shape, tensor.dtype),
              path, "found {} bytes for {} ({})", tensor.data.size(), dtype_name(tensor.dtype),
              fmt::join(tensor.shape, ", "));
  const auto* known = std::find_if(std::begin(kDescriptors), std::end(kDescriptors),
                                   [&](const Descriptor& d) { return d.dtype == tensor.dtype; });
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", known->text,
                  fmt::join(tensor.shape, ", "), tensor.shape.size() == 1 ? "," : "");
  header.resize(round_up<size_t>(header.size() + 11, 64) - 11, ' ');  // the data starts aligned
  header += '\n';
  std::string front(kMagic);
  front += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  front += header;
  AtomicFile out(path);
  out.write(std::as_bytes(std::span(front.data(), front.size())));
  out.write(tensor.data);
  out.commit();
}

}  // namespace basin
