#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>

#include "kernels/error.h"

namespace basin {
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Reasons that lie in the machine and not in the path that was given.
bool is_failure_of_the_machine(int reason) {
  return reason == ENOSPC || reason == EDQUOT || reason == EIO || reason == EMFILE ||
         reason == ENFILE || reason == ENOMEM || reason == ENOLCK;
}

[[noreturn]] void fail_errno(const std::string& path, const char* what) {
  const int reason = errno;
  if (is_failure_of_the_machine(reason)) {
    fail_run(path, "could not {}: {}", what, std::strerror(reason));
  }
  fail(path, "could not {}: {}", what, std::strerror(reason));
}

// Opens the temporary, made if need be, and locks it. A writer that held it before may have renamed
// it meanwhile: then the name is another file, and is opened again.
int open_locked(const std::string& path, const std::string& temporary) {
  while (true) {
    const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file < 0) fail_errno(path, "write it");
    struct stat opened {
    }, named{};
    int locked = 0;
    do {
      locked = ::flock(file, LOCK_EX);
    } while (locked != 0 && errno == EINTR);
    if (locked == 0 && ::fstat(file, &opened) == 0) {
      const bool same = ::stat(temporary.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
                        opened.st_dev == named.st_dev;
      if (same && ::ftruncate(file, 0) == 0) return file;
      if (!same) {
        ::close(file);
        continue;
      }
    }
    const int reason = errno;
    ::close(file);
    errno = reason;
    fail_errno(path, "write it");
  }
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait; files do not care.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail_errno(path, "open it");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_errno(path, "look at it");
  BASIN_CHECK(S_ISREG(status.st_mode), path, "found no regular file, expected one");
  std::vector<std::byte> data(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = ::read(file.get(), data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "read it");
    BASIN_CHECK(n > 0, path, "found its end at offset {}, expected {} bytes", done, data.size());
    done += static_cast<size_t>(n);
  }
  return data;
}

std::string read_text_file(const std::string& path) {
  const std::vector<std::byte> data = read_file(path);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

std::vector<std::byte> read_gzip_or_plain(const std::string& path, int64_t limit) {
  std::vector<std::byte> data = read_file(path);
  const bool gzip = data.size() >= 2 && data[0] == std::byte{0x1f} && data[1] == std::byte{0x8b};
  if (!gzip) return data;
  BASIN_CHECK(data.size() <= std::numeric_limits<uInt>::max(), path,
              "found {} packed bytes, expected at most {}", data.size(),
              std::numeric_limits<uInt>::max());
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) fail_run(path, "zlib could not start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  // The last four bytes say how much will come out; deflate makes at most about 1032 of one.
  size_t room = 0;
  for (size_t k = 0; k < 4 && data.size() >= 4; ++k) {
    room = room << 8 | std::to_integer<size_t>(data[data.size() - 1 - k]);
  }
  room = std::min(room, 1032 * data.size());
  std::vector<std::byte> out;
  int status = Z_OK;
  while (status == Z_OK) {
    const size_t old = out.size();
    out.resize(std::min<size_t>(std::max<size_t>({2 * old, room, 1 << 20}), limit + 1));
    BASIN_CHECK(out.size() > old, path, "found more than {} bytes when unpacked", limit);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + old);
    stream.avail_out = static_cast<uInt>(out.size() - old);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  BASIN_CHECK(static_cast<int64_t>(out.size()) <= limit, path,
              "found more than {} bytes when unpacked", limit);
  BASIN_CHECK(status == Z_STREAM_END, path, "found the gzip stream {} at offset {}",
              status == Z_BUF_ERROR ? "cut off" : "damaged", stream.total_in);
  BASIN_CHECK(stream.avail_in == 0, path,
              "found {} bytes behind the gzip stream's end at offset {}, expected none",
              stream.avail_in, stream.total_in);
  return out;
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), temporary_(path + ".tmp"), file_(open_locked(path, temporary_)) {}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::unlink(temporary_.c_str());  // before the lock goes
  ::close(file_);
}

void AtomicFile::fail_write(const char* what) {
  fail_run(path_, "could not {}: {}", what, std::strerror(errno));
}

void AtomicFile::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(file_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write("write it");
    data = data.subspan(static_cast<size_t>(n));
  }
}

void AtomicFile::commit() {
  if (::fsync(file_) != 0) fail_write("flush it to the disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_errno(path_, "replace it");
  ::close(file_);  // its bytes are on the disk: no error can be hidden here
  file_ = -1;
  const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
  const Descriptor folder(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());  // the name itself survives a power cut
}

void write_file_atomically(const std::string& path, std::span<const std::byte> data) {
  AtomicFile file(path);
  file.write(data);
  file.commit();
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace basin
