// Regression data from a file, and what is refused of it: file, line, found and expected.
#include "engine/data/regression.h"

#include <limits>

#include "engine/checkpoint.h"
#include "engine/io/npy.h"
#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

HostTensor array(DType dtype, const std::vector<int64_t>& shape,
                 const std::vector<double>& values) {
  return host_tensor("", dtype, shape, values);
}

TEST(Regression, Csv) {
  const Folder folder;
  const std::string path = folder.file("data.csv");
  write_bytes(path, "# x1,x2,y\n1, -2.5,3e-1\r\n\n  +4,5,6\n#7,8\n.5,0,1e3");
  const Regression r = read_regression(path);
  EXPECT_EQ(r.n, 3);
  EXPECT_EQ(r.d, 2);
  EXPECT_EQ(r.x, (std::vector<double>{1, -2.5, 4, 5, 0.5, 0}));
  EXPECT_EQ(r.y, (std::vector<double>{0.3, 6, 1000}));
}

TEST(Regression, Npy) {
  const Folder folder;
  const std::string path = folder.file("data.npy");
  write_npy(path, array(DType::Float32, {2, 3}, {1, 2, 3, 4, 5, 6}));
  const Regression r = read_regression(path);
  EXPECT_EQ(r.n, 2);
  EXPECT_EQ(r.d, 2);
  EXPECT_EQ(r.x, (std::vector<double>{1, 2, 4, 5}));
  EXPECT_EQ(r.y, (std::vector<double>{3, 6}));
}

TEST(Regression, WhatIsRefused) {
  const Folder folder;
  const std::string csv = folder.file("data.csv"), npy = folder.file("data.npy");
  const auto of_csv = [&](const std::string& text) {
    write_bytes(csv, text);
    return usage_error([&] { read_regression(csv); });
  };
  EXPECT_EQ(of_csv("1,2,3\n1,2\n"),
            csv + ":2: found 2 numbers, expected 3, as in the lines before (2 features, a target)");
  EXPECT_EQ(of_csv("#\nx,y\n"), csv + ":2: found 'x' in column 1, expected a finite number");
  EXPECT_EQ(of_csv("1,2,\n"), csv + ":1: found '' in column 3, expected a finite number");
  EXPECT_EQ(of_csv("1,2 3,4\n"), csv + ":1: found '2 3' in column 2, expected a finite number");
  EXPECT_EQ(of_csv("1,nan\n"), csv + ":1: found 'nan' in column 2, expected a finite number");
  EXPECT_EQ(of_csv("1,1e999\n"), csv + ":1: found '1e999' in column 2, expected a finite number");
  EXPECT_EQ(of_csv("1\n"), csv + ":1: found 1 number, expected features and a target");
  EXPECT_EQ(of_csv("# none\n\n"), csv + ": found no line of numbers, expected an example a line");
  EXPECT_THAT(usage_error([&] { read_regression(folder.file("no.csv")); }), HasSubstr("no.csv"));
  const auto of_npy = [&](const HostTensor& tensor) {
    write_npy(npy, tensor);
    return usage_error([&] { read_regression(npy); });
  };
  EXPECT_EQ(of_npy(array(DType::Float64, {4}, {1, 2, 3, 4})),
            npy + ": found shape [4], expected [examples, features + 1]");
  EXPECT_EQ(of_npy(array(DType::Float64, {4, 1}, {1, 2, 3, 4})),
            npy + ": found shape [4,1], expected [examples, features + 1]");
  EXPECT_EQ(
      of_npy(array(DType::Float64, {2, 2}, {1, 2, 3, std::numeric_limits<double>::infinity()})),
      npy + ": row 2: found inf in column 2, expected a finite number");
  EXPECT_THAT(of_npy(array(DType::UInt8, {1, 2}, {1, 2})), HasSubstr("found uint8"));
  write_bytes(npy, "1,2\n");
  EXPECT_THAT(usage_error([&] { read_regression(npy); }), HasSubstr(npy));
}

}  // namespace
}  // namespace basin::test
