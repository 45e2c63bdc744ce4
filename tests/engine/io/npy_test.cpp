// .npy: what is written is read, by NumPy too, and damage is refused with the file, the offset or
// field, what was found and what was expected.
#include "engine/io/npy.h"

#include <cstring>

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <class T>
HostTensor tensor(std::vector<int64_t> shape, std::vector<T> values) {
  HostTensor t{"", kDTypeOf<T>, std::move(shape), {}};
  t.data.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

std::vector<HostTensor> samples() {
  return {tensor<float>({2, 3}, {1.5f, -2, 3, 4, 5, 1e-40f}),
          tensor<double>({2}, {1e300, -0.0}),
          tensor<int32_t>({1, 1, 2}, {-7, 8}),
          tensor<int64_t>({}, {int64_t{1} << 60}),
          tensor<uint8_t>({3}, {0, 128, 255}),
          tensor<float>({0, 4}, {}),
          tensor<uint8_t>({1, 1, 1, 1, 1, 1}, {1})};
}

// A file of version `version` with this header and `body` bytes of data.
std::string raw(const std::string& header, size_t body, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += little_endian(static_cast<uint64_t>(version), 2);
  bytes += little_endian(header.size(), version == 1 ? 2 : 4);
  bytes += header;
  return bytes + std::string(body, '\x01');
}
std::string fields(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

class NpyTest : public testing::Test {
 protected:
  std::string message(const std::string& bytes) const {
    write_bytes(path_, bytes);
    const std::string text = usage_error([&] { read_npy(path_); });
    EXPECT_THAT(text, StartsWith(path_ + ": "));
    return text;
  }
  Folder folder_;
  std::string path_ = folder_.file("a.npy");
};

TEST_F(NpyTest, RoundTrip) {
  for (const HostTensor& t : samples()) {
    write_npy(path_, t);
    const HostTensor found = read_npy(path_);
    EXPECT_EQ(found.dtype, t.dtype);
    EXPECT_EQ(found.shape, t.shape);
    EXPECT_EQ(found.data, t.data);
    EXPECT_EQ((bytes_of(path_).size() - t.data.size()) % 64, 0u) << "the data starts aligned";
  }
}

TEST_F(NpyTest, TheBytesAreTheFormats) {
  write_npy(path_, tensor<int32_t>({2, 1}, {1, 258}));
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }";
  header.resize(128 - 11, ' ');
  EXPECT_EQ(bytes_of(path_), raw(header + "\n", 0) + little_endian(1, 4) + little_endian(258, 4));
  write_npy(path_, tensor<uint8_t>({1}, {7}));
  EXPECT_THAT(bytes_of(path_),
              HasSubstr("'descr': '|u1', 'fortran_order': False, 'shape': (1,), }"));
}

TEST_F(NpyTest, Version2) {
  write_bytes(path_, raw(fields("'<f4'", "False", "(3,)"), 12, 2));
  EXPECT_EQ(read_npy(path_).shape, std::vector<int64_t>{3});
}

TEST_F(NpyTest, NumPyOpensIt) {
  if (!python_has(folder_, "numpy")) return;  // TheBytesAreTheFormats has compared them
  const auto tensors = samples();
  for (size_t i = 0; i < tensors.size(); ++i) {
    write_npy(folder_.file(std::to_string(i) + ".npy"), tensors[i]);
  }
  EXPECT_TRUE(python_runs(folder_, R"(
import numpy as np
expected = [np.array([[1.5, -2, 3], [4, 5, 1e-40]], np.float32), np.array([1e300, -0.0]),
            np.array([[[-7, 8]]], np.int32), np.array(1 << 60, np.int64),
            np.array([0, 128, 255], np.uint8), np.zeros((0, 4), np.float32),
            np.ones((1, 1, 1, 1, 1, 1), np.uint8)]
for i, e in enumerate(expected):
    a = np.load(f')" + folder_.path() + R"(/{i}.npy')
    assert a.dtype == e.dtype and a.shape == e.shape and a.tobytes() == e.tobytes(), (i, a)
    np.save(f')" + folder_.path() + R"(/{i}.npy', e)
np.save(')" + path_ + R"(', np.ones((2, 3), order='F'))
)")) << bytes_of(folder_.file("script.py.log"));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const HostTensor found = read_npy(folder_.file(std::to_string(i) + ".npy"));
    EXPECT_EQ(found.dtype, tensors[i].dtype) << i;
    EXPECT_EQ(found.shape, tensors[i].shape) << i;
    EXPECT_EQ(found.data, tensors[i].data) << i;
  }
  EXPECT_THAT(usage_error([&] { read_npy(path_); }), HasSubstr("fortran_order True"));
}

TEST_F(NpyTest, ABadStart) {
  const std::string start = raw("", 0, 2).substr(0, 8);
  EXPECT_THAT(message(""), HasSubstr("expected its magic string at offset 0"));
  EXPECT_THAT(message("\x93NUMPZ0123456789"), HasSubstr("expected its magic string at offset 0"));
  EXPECT_THAT(message(raw("", 0, 3)), HasSubstr("version 3.0 at offset 6"));
  EXPECT_THAT(message(start + "\1\1\1"), HasSubstr("header length of 4 at offset 8"));
  const std::string good = raw(fields("'<f4'", "False", "(3,)"), 12);
  EXPECT_THAT(message(good.substr(0, 40)), HasSubstr("header length of"));
  EXPECT_THAT(message(start + little_endian(UINT32_MAX, 4) + "x"), HasSubstr("4294967295"));
}

TEST_F(NpyTest, ABadHeader) {
  const auto with = [&](const char* descr, const char* order, const char* shape) {
    return message(raw(fields(descr, order, shape), 12));
  };
  for (const char* descr : {"'>f4'", "'<f2'", "'|b1'", "'|O'", "'<U3'", "''"}) {
    EXPECT_THAT(with(descr, "False", "(3,)"), HasSubstr("found descr")) << descr;
  }
  for (const char* descr : {"[('a', '<f4')]", "3", "'", ""}) {
    EXPECT_THAT(with(descr, "False", "(3,)"), HasSubstr("in the header at offset")) << descr;
  }
  EXPECT_THAT(with("'<f4'", "True", "(3,)"), HasSubstr("fortran_order True"));
  EXPECT_THAT(with("'<f4'", "Maybe", "(3,)"), HasSubstr("expected True or False"));
  for (const char* shape : {"(-3,)", "(x,)", "(3L,)", "(3.0,)", "(99999999999999999999,)", "3",
                            "[3]", "(3", "(3)", "(,)", "(1,,3)", "(1 3)", "None", ""}) {
    EXPECT_THAT(with("'<f4'", "False", shape), HasSubstr("in the header at offset")) << shape;
  }
  EXPECT_THAT(message(raw("", 12)), HasSubstr("found its end"));
  EXPECT_THAT(message(raw("{}", 12)), HasSubstr("without descr"));
  EXPECT_THAT(message(raw("{'descr': '<f4', }", 12)), HasSubstr("without shape"));
  EXPECT_THAT(message(raw("{'descr': '<f4', 'shape': (3,), }", 12)),
              HasSubstr("without fortran_order"));
  EXPECT_THAT(message(raw("{'descr': '<f4', 'descr': '<f4'}", 12)), HasSubstr("key 'descr'"));
  EXPECT_THAT(message(raw("{'other': '<f4'}", 12)), HasSubstr("key 'other'"));
  EXPECT_THAT(message(raw(fields("'<f4'", "False", "(3,)") + "x", 12)),
              HasSubstr("expected the header's end"));
}

TEST_F(NpyTest, TooFewOrTooManyBytes) {
  const std::string header = fields("'<f4'", "False", "(3,)");
  for (const size_t body : {0, 11, 13, 24}) {
    EXPECT_THAT(message(raw(header, body)), HasSubstr(fmt::format("found {} bytes behind", body)));
  }
  for (const char* shape : {"(4294967296, 4294967296)", "(4611686018427387905,)"}) {
    EXPECT_THAT(message(raw(fields("'<f4'", "False", shape), 4)), HasSubstr("found shape ("));
  }
}

TEST_F(NpyTest, DataThatDoesNotFitItsShapeIsNotWritten) {
  HostTensor t = samples()[0];
  t.data.pop_back();
  EXPECT_THAT(usage_error([&] { write_npy(path_, t); }), HasSubstr("found 23 bytes"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(NpyTest, DamageAnywhereIsRefusedOrHarmless) {
  write_npy(path_, samples()[0]);
  const std::string good = bytes_of(path_);
  EXPECT_GT(damage_everywhere(path_, good, 1, [&] { read_npy(path_); }),
            static_cast<int>(good.size()));
}

}  // namespace
}  // namespace basin::test
