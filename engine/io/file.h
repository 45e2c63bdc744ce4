// Whole files, read with a clear error and written so that a reader never sees half of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace basin {

// Throws Error(Usage) that names the path and the system's reason.
std::vector<std::byte> read_file(const std::string& path);
std::string read_text_file(const std::string& path);
// The same, unpacked where the file begins with gzip's magic number. More than `limit` bytes when
// unpacked, a damaged stream, one that ends early, and bytes behind its end are an Error(Usage).
std::vector<std::byte> read_gzip_or_plain(const std::string& path, int64_t limit);

// A file that appears whole or not at all. What is written goes to `path`.tmp; commit() flushes it
// to the disk, renames it to `path` and flushes the folder, so that at any instant `path` is the
// old file or the new one. The temporary is removed where commit() was not reached, and one that a
// killed process left is taken over; of two writers of one path, the second waits for the first.
// A folder that cannot be written to, or a path that is a folder, is an Error(Usage); a write that
// fails (a full disk) an Error(Run); both name the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> data);
  void commit();

 private:
  [[noreturn]] void fail_write(const char* what);

  std::string path_, temporary_;
  int file_ = -1;
};

// One AtomicFile, written and committed.
void write_file_atomically(const std::string& path, std::span<const std::byte> data);
void write_file_atomically(const std::string& path, std::string_view text);

}  // namespace basin
