#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  int close() {
    const int result = fd_ < 0 ? 0 : ::close(fd_);
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

[[noreturn]] void fail_errno(const std::string& path, const char* what) {
  fail(path, "could not {}: {}", what, std::strerror(errno));
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail_errno(path, "open it");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_errno(path, "look at it");
  BASIN_CHECK(S_ISREG(status.st_mode), path, "it is not a regular file");
  std::vector<std::byte> data(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = ::read(file.get(), data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "read it");
    BASIN_CHECK(n > 0, path, "it ended at offset {}, expected {} bytes", done, data.size());
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
  const bool gzip =
      data.size() >= 2 && data[0] == std::byte{0x1f} && data[1] == std::byte{0x8b};
  if (!gzip) return data;
  z_stream stream{};
  BASIN_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK, path, "zlib could not start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  std::vector<std::byte> out;
  int status = Z_OK;
  while (status == Z_OK) {
    const size_t old = out.size();
    out.resize(std::min<size_t>(std::max<size_t>(2 * old, 1 << 20), limit + 1));
    BASIN_CHECK(out.size() > old, path, "it unpacks to more than the {} bytes expected", limit);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + old);
    stream.avail_out = static_cast<uInt>(out.size() - old);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (status == Z_BUF_ERROR) break;
  }
  BASIN_CHECK(status == Z_STREAM_END, path, "the gzip stream is {} at offset {}",
              status == Z_BUF_ERROR || status == Z_OK ? "cut off" : "damaged", stream.total_in);
  return out;
}

void write_file_atomically(const std::string& path, std::span<const std::byte> data) {
  const std::filesystem::path target(path);
  const std::string folder =
      target.has_parent_path() ? target.parent_path().string() : std::string(".");
  const std::string temporary = path + ".tmp" + std::to_string(::getpid());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_errno(path, "write it");
  const auto give_up = [&](const char* what) {
    const int reason = errno;
    file.close();
    ::unlink(temporary.c_str());
    fail_run(path, "could not {} {} bytes: {}", what, data.size(), std::strerror(reason));
  };
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = ::write(file.get(), data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) give_up("write");
    done += static_cast<size_t>(n);
  }
  if (::fsync(file.get()) != 0) give_up("flush");
  if (file.close() != 0) give_up("close");
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("rename");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());  // the name itself survives a power cut
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace basin
