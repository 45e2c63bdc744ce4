// safetensors: what is written is read, by the reference reader too, and every kind of damage is
// refused with the file, the tensor or offset, what was found and what was expected.
#include "engine/io/safetensors.h"

#include <cstring>

#include "engine/io/file.h"
#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <class T>
HostTensor tensor(const std::string& name, std::vector<int64_t> shape, std::vector<T> values) {
  HostTensor t{name, kDTypeOf<T>, std::move(shape), {}};
  t.data.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

TensorFile sample() {
  TensorFile file;
  file.metadata = {{"format", "pt"}, {"quote", "a \"b\" \\ \n"}};
  file.tensors = {tensor<float>("w", {2, 3}, {1.5f, -2, 3, 4, 5, 1e-40f}),
                  tensor<double>("b", {2}, {1e300, -0.0}),
                  tensor<int32_t>("i", {1, 1}, {-7}),
                  tensor<int64_t>("count", {}, {int64_t{1} << 60}),
                  tensor<uint8_t>("bytes", {3}, {0, 128, 255}),
                  tensor<float>("empty", {0, 4}, {})};
  return file;
}

// A file of this header, its length and `body` bytes of data.
std::string raw(const std::string& header, size_t body) {
  return little_endian(header.size(), 8) + header + std::string(body, '\x01');
}
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

class SafetensorsTest : public testing::Test {
 protected:
  std::string message(const std::string& bytes) const {
    write_bytes(path_, bytes);
    const std::string text = usage_error([&] { read_safetensors(path_); });
    EXPECT_THAT(text, StartsWith(path_ + ": "));
    return text;
  }
  Folder folder_;
  std::string path_ = folder_.file("a.safetensors");
};

TEST_F(SafetensorsTest, RoundTrip) {
  const TensorFile file = sample();
  write_safetensors(path_, file);
  const TensorFile found = read_safetensors(path_);
  EXPECT_EQ(found.metadata, file.metadata);
  ASSERT_EQ(found.tensors.size(), file.tensors.size());
  for (const HostTensor& t : file.tensors) {
    const HostTensor& f = found.at(t.name, path_);
    EXPECT_EQ(f.name, t.name);
    EXPECT_EQ(f.dtype, t.dtype) << t.name;
    EXPECT_EQ(f.shape, t.shape) << t.name;
    EXPECT_EQ(f.data, t.data) << t.name;
  }
  EXPECT_EQ(found.find("none"), nullptr);
  const std::string missing = usage_error([&] { found.at("none", path_); });
  EXPECT_THAT(missing, StartsWith(path_ + ": "));
  EXPECT_THAT(missing, HasSubstr("'none'"));
}

TEST_F(SafetensorsTest, EqualContentsAreEqualBytes) {
  TensorFile file = sample();
  write_safetensors(path_, file);
  const std::string bytes = bytes_of(path_);
  std::swap(file.tensors.front(), file.tensors.back());
  write_safetensors(path_, file);
  EXPECT_EQ(bytes_of(path_), bytes);
}

TEST_F(SafetensorsTest, TheBytesAreTheFormats) {
  TensorFile file;
  file.metadata["k"] = "v";
  file.tensors = {tensor<int32_t>("b", {2}, {1, 258}), tensor<uint8_t>("a", {1}, {9})};
  write_safetensors(path_, file);
  // The wider type comes first, so that both are aligned.
  std::string header = R"({"__metadata__":{"k":"v"},"b":)" + entry("I32", "[2]", "[0,8]") +
                       R"(,"a":)" + entry("U8", "[1]", "[8,9]") + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(bytes_of(path_), little_endian(header.size(), 8) + header + little_endian(1, 4) +
                                 little_endian(258, 4) + '\x09');
}

TEST_F(SafetensorsTest, PythonOpensIt) {
  if (!python_has(folder_, "safetensors.numpy")) return;  // TheBytesAreTheFormats has compared them
  write_safetensors(path_, sample());
  const std::string back = folder_.file("back.safetensors");
  EXPECT_TRUE(python_runs(folder_, R"(
import numpy as np, safetensors.numpy as st
from safetensors import safe_open
t = st.load_file(')" + path_ + R"(')
assert sorted(t) == ['b', 'bytes', 'count', 'empty', 'i', 'w'], sorted(t)
w = np.array([[1.5, -2, 3], [4, 5, 1e-40]], np.float32)
assert t['w'].dtype == np.float32 and t['w'].tobytes() == w.tobytes() and t['w'].shape == (2, 3)
assert t['b'].dtype == np.float64 and t['b'].tolist() == [1e300, 0] and np.signbit(t['b'][1])
assert t['i'].dtype == np.int32 and t['i'].tolist() == [[-7]]
assert t['count'].dtype == np.int64 and t['count'].shape == () and int(t['count']) == 1 << 60
assert t['bytes'].dtype == np.uint8 and t['bytes'].tolist() == [0, 128, 255]
assert t['empty'].shape == (0, 4)
assert safe_open(')" + path_ + R"(', 'np').metadata()['quote'] == 'a "b" \\ \n'
st.save_file({'x': np.arange(6, dtype=np.float64).reshape(3, 2)}, ')" +
                                       back + R"(', {'by': 'np'})
)")) << bytes_of(folder_.file("script.py.log"));
  const TensorFile found = read_safetensors(back);
  EXPECT_EQ(found.metadata.at("by"), "np");
  const HostTensor& x = found.at("x", back);
  EXPECT_EQ(x.data, tensor<double>("x", {3, 2}, {0, 1, 2, 3, 4, 5}).data);
  EXPECT_EQ(x.shape, (std::vector<int64_t>{3, 2}));
}

TEST_F(SafetensorsTest, AWrongLengthOfTheHeader) {
  EXPECT_THAT(message(""), HasSubstr("found 0 bytes"));
  EXPECT_THAT(message("1234567"), HasSubstr("found 7 bytes"));
  EXPECT_THAT(message(little_endian(3, 8) + "{}"), HasSubstr("header length of 3 at offset 0"));
  EXPECT_THAT(message(little_endian(UINT64_MAX, 8) + "{}"), HasSubstr("18446744073709551615"));
  EXPECT_THAT(message(little_endian(uint64_t{1} << 40, 8) + "{}"), HasSubstr("at offset 0"));
}

// A header above the limit is refused by its length, before it is looked at.
TEST_F(SafetensorsTest, AHeaderAboveTheLimit) {
  write_bytes(path_, little_endian(100'000'001, 8));
  std::filesystem::resize_file(path_, 8 + 100'000'001);
  const std::string text = usage_error([&] { read_safetensors(path_); });
  EXPECT_THAT(text,
              HasSubstr("header length of 100000001 at offset 0, expected at most 100000000"));
}

TEST_F(SafetensorsTest, ABadHeader) {
  for (const char* header : {"", "\xff\xfe", "[]", " {}", "3"}) {
    EXPECT_THAT(message(raw(header, 0)), HasSubstr("offset 8 that is no JSON object")) << header;
  }
  EXPECT_THAT(message(raw("{", 0)), HasSubstr("no JSON at offset 10"));
  EXPECT_THAT(message(raw("{\"a\"}", 0)), HasSubstr("no JSON at offset 13"));
  EXPECT_THAT(message(raw("{\"\xff\":1}", 0)), HasSubstr("no JSON at offset"));
  EXPECT_THAT(message(raw("{} {}", 0)), HasSubstr("no JSON at offset"));
  EXPECT_THAT(message(raw("{\"a\":1,}", 0)), HasSubstr("no JSON at offset"));
  EXPECT_THAT(message(raw("{\"a\":1e999}", 0)), HasSubstr("cannot be read"));
  EXPECT_THAT(message(raw(R"({"__metadata__":3})", 0)), HasSubstr("__metadata__"));
  EXPECT_THAT(message(raw(R"({"__metadata__":{"k":3}})", 0)), HasSubstr("'k'"));
  EXPECT_THAT(message(raw(R"({"layer":3})", 0)), HasSubstr("layer"));
  const std::string depth(100'000, '[');
  EXPECT_THAT(message(raw("{\"a\":" + depth, 0)), HasSubstr("no JSON at offset"));
}

TEST_F(SafetensorsTest, ANameThatIsThereTwice) {
  const std::string e = entry("U8", "[1]", "[0,1]");
  EXPECT_THAT(message(raw(R"({"a":)" + e + R"(,"a":)" + e + "}", 1)), HasSubstr("'a' twice"));
  TensorFile file;
  file.tensors = {tensor<float>("w", {}, {1}), tensor<float>("w", {}, {2})};
  EXPECT_THAT(usage_error([&] { write_safetensors(path_, file); }), HasSubstr("'w' that is taken"));
}

TEST_F(SafetensorsTest, ABadEntry) {
  struct Case {
    std::string entry;
    size_t body;
    const char* expected;
  };
  const Case cases[] = {
      {entry("F16", "[1]", "[0,2]"), 2, "found dtype F16"},
      {R"({"shape":[1],"data_offsets":[0,4]})", 4, "found dtype none"},
      {R"({"dtype":3,"shape":[1],"data_offsets":[0,4]})", 4, "found dtype none"},
      {R"({"dtype":"F32","data_offsets":[0,4]})", 4, "no list 'shape'"},
      {R"({"dtype":"F32","shape":[1]})", 4, "no list 'data_offsets'"},
      {entry("F32", "3", "[0,4]"), 4, "no list 'shape'"},
      {entry("F32", "[-1]", "[0,4]"), 4, "found -1 in 'shape'"},
      {entry("F32", "[1.0]", "[0,4]"), 4, "found 1.0 in 'shape'"},
      {entry("F32", "[\"1\"]", "[0,4]"), 4, "found \"1\" in 'shape'"},
      {entry("F32", "[18446744073709551615]", "[0,4]"), 4, "found 18446744073709551615"},
      {entry("F32", "[1]", "[0]"), 4, "found 1 numbers in 'data_offsets', expected 2"},
      {entry("F32", "[1]", "[0,4,8]"), 8, "found 3 numbers in 'data_offsets', expected 2"},
      {entry("F32", "[1]", "[4,0]"), 4, "data_offsets [4,0]"},
      {entry("F32", "[1]", "[0,4]"), 3, "data_offsets [0,4]"},
      {entry("F32", "[1]", "[9223372036854775803,9223372036854775807]"), 4, "data_offsets"},
      {entry("F32", "[2]", "[0,4]"), 4,
       "found 4 bytes at data_offsets [0,4], expected 8 for F32 [2]"},
      {entry("F64", "[1]", "[0,4]"), 4,
       "found 4 bytes at data_offsets [0,4], expected 8 for F64 [1]"},
      // Products that are 4 bytes, or 0, where they overflow.
      {entry("F32", "[4294967296,4294967296]", "[0,0]"), 0, "whose bytes can be counted"},
      {entry("F32", "[4611686018427387905]", "[0,4]"), 4, "found shape [4611686018427387905]"},
      {entry("F64", "[2305843009213693952]", "[0,0]"), 0, "whose bytes can be counted"},
  };
  for (const Case& c : cases) {
    const std::string text = message(raw(R"({"layer.w":)" + c.entry + "}", c.body));
    EXPECT_THAT(text, HasSubstr(c.expected));
    EXPECT_THAT(text, HasSubstr("layer.w"));
  }
}

TEST_F(SafetensorsTest, OverlapsHolesAndTails) {
  const auto two = [](const char* a, const char* b) {
    return R"({"a":)" + entry("F32", "[1]", a) + R"(,"b":)" + entry("F32", "[1]", b) + "}";
  };
  EXPECT_THAT(message(raw(two("[0,4]", "[0,4]"), 4)),
              HasSubstr("which overlaps another tensor\'s"));
  EXPECT_THAT(message(raw(two("[0,4]", "[2,6]"), 6)),
              HasSubstr("which overlaps another tensor\'s"));
  EXPECT_THAT(message(raw(two("[0,4]", "[5,9]"), 9)), HasSubstr("which leaves a hole"));
  EXPECT_THAT(message(raw(two("[8,12]", "[4,8]"), 12)), HasSubstr("which leaves a hole"));
  EXPECT_THAT(message(raw(two("[4,8]", "[0,4]"), 9)), HasSubstr("found 1 bytes behind"));
  EXPECT_THAT(message(raw("{}", 1)), HasSubstr("found 1 bytes behind"));
  write_bytes(path_, raw(two("[4,8]", "[0,4]"), 8));
  EXPECT_EQ(read_safetensors(path_).tensors.size(), 2u);
  write_bytes(path_, raw("{}", 0));
  EXPECT_TRUE(read_safetensors(path_).tensors.empty());
}

TEST_F(SafetensorsTest, WhatCannotBeWrittenIsRefused) {
  TensorFile file;
  file.tensors = {tensor<float>("w", {3}, {1, 2})};
  EXPECT_THAT(usage_error([&] { write_safetensors(path_, file); }), HasSubstr("w"));
  file.tensors = {tensor<float>("\xff", {1}, {1})};
  EXPECT_THAT(usage_error([&] { write_safetensors(path_, file); }), StartsWith(path_));
  file.tensors.clear();
  file.metadata["note"] = "\xff";
  EXPECT_THAT(usage_error([&] { write_safetensors(path_, file); }), StartsWith(path_));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SafetensorsTest, DamageAnywhereIsRefusedOrHarmless) {
  write_safetensors(path_, sample());
  const std::string good = bytes_of(path_);
  EXPECT_GT(damage_everywhere(path_, good, 1, [&] { read_safetensors(path_); }),
            static_cast<int>(good.size()));
  write_bytes(path_, good);
  EXPECT_EQ(read_safetensors(path_).tensors.size(), sample().tensors.size());
}

}  // namespace
}  // namespace basin::test
