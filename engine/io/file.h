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
// unpacked, a damaged stream or a stream that ends early are an Error(Usage).
std::vector<std::byte> read_gzip_or_plain(const std::string& path, int64_t limit);

// Writes to a temporary name in the same folder, flushes it to the disk and renames it: the file is
// the old one or the new one, whole, at any instant. A folder that cannot be written is an
// Error(Usage); a failed write (a full disk) an Error(Run); either leaves nothing behind.
void write_file_atomically(const std::string& path, std::span<const std::byte> data);
void write_file_atomically(const std::string& path, std::string_view text);

}  // namespace basin
