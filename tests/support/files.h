// Tests of files: a folder that goes away, bytes and their damage, error messages, and a Python to
// ask for its opinion where one with the right packages is there.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/error.h"

namespace basin::test {

// A new folder under the system's temporary one, removed with what is in it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "basin_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "could not make " << name;
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  // The names in it.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::string path_;
};

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  // A new file, for a file system may put one that is cut and rewritten on the disk at once.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// `value` in `width` bytes.
inline std::string little_endian(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}
inline std::string big_endian(uint32_t value) {
  const std::string bytes = little_endian(value, 4);
  return {bytes.rbegin(), bytes.rend()};
}

// The message of the Error(Usage) that f raises; any other end is a failure.
template <class F>
std::string usage_error(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Usage) << e.what();
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "found another exception: " << e.what();
    return e.what();
  }
  ADD_FAILURE() << "found no error";
  return "";
}

// Cuts `good` short at every stride-th length, then flips bits of every stride-th byte: read() of
// the file either succeeds or raises Error(Usage), whose message begins with the path. Returns how
// many of the readings failed.
template <class Read>
int damage_everywhere(const std::string& path, const std::string& good, size_t stride,
                      const Read& read) {
  int refused = 0;
  const auto attempt = [&](const std::string& bytes, size_t at) {
    write_bytes(path, bytes);
    try {
      read();
    } catch (const Error& e) {
      ++refused;
      EXPECT_EQ(e.kind(), ErrorKind::Usage) << e.what();
      EXPECT_TRUE(std::string(e.what()).starts_with(path)) << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    } catch (const std::exception& e) {
      ADD_FAILURE() << "damage at " << at << ": " << e.what();
    }
  };
  for (size_t n = 0; n < good.size(); n += stride) attempt(good.substr(0, n), n);
  for (size_t i = 0; i < good.size(); i += stride) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ mask);
      attempt(bytes, i);
    }
  }
  return refused;
}

inline std::string python() {
  const char* named = std::getenv("BASIN_TEST_PYTHON");
  return named != nullptr && *named != 0 ? named : "/usr/bin/python3";
}
// Whether `code` runs in python() without an error.
inline bool python_runs(const Folder& folder, const std::string& code) {
  const std::string script = folder.file("script.py");
  write_bytes(script, code);
  const std::string command = fmt::format("'{0}' '{1}' 2> '{1}.log'", python(), script);
  return std::system(command.c_str()) == 0;
}
// Whether `package` can be imported there; if not, a line says so and the caller does without.
inline bool python_has(const Folder& folder, const std::string& package) {
  if (python_runs(folder, "import " + package + "\n")) return true;
  std::cout << "[  NOTE    ] " << python() << " has no " << package
            << " (set BASIN_TEST_PYTHON): only the bytes are compared\n";
  return false;
}

}  // namespace basin::test
