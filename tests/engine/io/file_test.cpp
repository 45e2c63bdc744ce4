// Files: whole or an error, old or new, and gzip streams with every kind of damage.
#include "engine/io/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <csignal>
#include <thread>

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string pattern(size_t n) {
  std::string text;
  for (size_t i = 0; i < n; ++i) text += static_cast<char>(i * 2654435761u >> 13);
  return text;
}

std::string unpacked(const std::string& path, int64_t limit) {
  const std::vector<std::byte> data = read_gzip_or_plain(path, limit);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

TEST(File, WhatIsWrittenIsRead) {
  const Folder folder;
  const std::string path = folder.file("a.bin");
  for (const size_t n : {size_t{0}, size_t{1}, size_t{4096}, size_t{100'003}}) {
    const std::string text = pattern(n);
    write_file_atomically(path, text);
    EXPECT_EQ(bytes_of(path), text);
    EXPECT_EQ(read_text_file(path), text);
    EXPECT_EQ(read_file(path).size(), n);
    EXPECT_EQ(folder.names(), std::vector<std::string>{"a.bin"});
  }
}

TEST(File, WhatCannotBeReadIsNamed) {
  const Folder folder;
  const std::string missing = folder.file("missing");
  EXPECT_THAT(usage_error([&] { read_file(missing); }), StartsWith(missing + ": "));
  EXPECT_THAT(usage_error([&] { read_text_file(missing); }), HasSubstr("No such file"));
  EXPECT_THAT(usage_error([&] { read_gzip_or_plain(missing, 9); }), StartsWith(missing + ": "));
  EXPECT_THAT(usage_error([&] { read_file(folder.path()); }), StartsWith(folder.path() + ": "));
  const std::string pipe = folder.file("pipe");  // with nobody at its other end
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(usage_error([&] { read_file(pipe); }), HasSubstr("no regular file"));
}

TEST(File, AFolderThatIsNotThereIsRefused) {
  const Folder folder;
  const std::string path = folder.file("none/a.bin");
  EXPECT_THAT(usage_error([&] { write_file_atomically(path, "x"); }), StartsWith(path + ": "));
}

TEST(File, AFailedWriteLeavesTheOldFileAndNoOther) {
  const Folder folder;
  const std::string path = folder.file("taken");
  write_bytes(path + "/inside", "old");  // a folder cannot be replaced by a file
  EXPECT_THAT(usage_error([&] { write_file_atomically(path, "new"); }),
              HasSubstr("Is a directory"));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"taken"});
  EXPECT_EQ(bytes_of(path + "/inside"), "old");
}

// A limit on the size of files stands in for a full disk: the write fails half-way.
TEST(File, AFullDiskIsAnErrorOfTheRun) {
  const Folder folder;
  const std::string path = folder.file("a.bin");
  write_file_atomically(path, "old");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);  // so that write() returns EFBIG
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      write_file_atomically(path, pattern(5000));
    } catch (const Error& e) {
      const std::string text = e.what();
      const bool says = text.starts_with(path + ": ") && text.ends_with("File too large");
      code = e.kind() == ErrorKind::Run && says ? 0 : 2;
    }
    _exit(code);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.bin"});
}

TEST(File, TheOldFileStandsUntilTheCommit) {
  const Folder folder;
  const std::string path = folder.file("a.bin");
  write_file_atomically(path, "old");
  const std::string text = "new";
  {
    AtomicFile file(path);
    file.write(std::as_bytes(std::span(text)));
    EXPECT_EQ(bytes_of(path), "old");
    file.commit();
    EXPECT_EQ(bytes_of(path), "new");
  }
  { AtomicFile abandoned(path); }
  EXPECT_EQ(bytes_of(path), "new");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.bin"});
}

TEST(File, WhatAKilledWriterLeftIsTakenOver) {
  const Folder folder;
  write_bytes(folder.file("a.bin.tmp"), "half of something longer");
  write_file_atomically(folder.file("a.bin"), "whole");
  EXPECT_EQ(bytes_of(folder.file("a.bin")), "whole");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.bin"});
}

TEST(File, APathWithoutAFolder) {
  const Folder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("a.bin", "text");
  std::filesystem::current_path(before);
  EXPECT_EQ(bytes_of(folder.file("a.bin")), "text");
}

// Whatever a reader sees is one of the writers' files, whole.
TEST(File, TwoWritersDoNotMix) {
  const Folder folder;
  const std::string path = folder.file("a.bin");
  const auto whole = [](char c) { return std::string(100'000 + static_cast<size_t>(c), c); };
  write_file_atomically(path, whole('a'));
  const auto writer = [&](char c) {
    for (int i = 0; i < 10; ++i) write_file_atomically(path, whole(c));
  };
  const std::jthread one(writer, 'b'), two(writer, 'c');
  for (int i = 0; i < 50; ++i) {
    const std::string seen = read_text_file(path);
    ASSERT_FALSE(seen.empty());
    ASSERT_EQ(seen, whole(seen[0]));
  }
}

TEST(File, GzipAndPlainAreReadAlike) {
  const Folder folder;
  const std::string path = folder.file("a");
  for (const size_t n : {size_t{0}, size_t{1}, size_t{1} << 20, size_t{3'000'001}}) {
    const std::string text = pattern(n), packed = gzip(text);
    write_bytes(path, text);
    EXPECT_EQ(unpacked(path, static_cast<int64_t>(n)), text);
    write_bytes(path, packed);
    EXPECT_EQ(unpacked(path, static_cast<int64_t>(n)), text) << n;
    EXPECT_EQ(unpacked(path, 1 << 30), text) << n;
  }
}

TEST(File, MoreThanTheLimitIsRefused) {
  const Folder folder;
  const std::string path = folder.file("a.gz");
  for (const size_t n : {size_t{1}, size_t{1000}, (size_t{1} << 20) + 1, size_t{5'000'000}}) {
    write_bytes(path, gzip(pattern(n)));
    const auto limit = static_cast<int64_t>(n) - 1;
    const std::string message = usage_error([&] { read_gzip_or_plain(path, limit); });
    EXPECT_THAT(message, StartsWith(path + ": "));
    EXPECT_THAT(message, HasSubstr(std::to_string(limit)));
  }
}

TEST(File, GzipDamageIsNamedWithItsOffset) {
  const Folder folder;
  const std::string path = folder.file("a.gz"), good = gzip(pattern(1000));
  const auto message = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return usage_error([&] { read_gzip_or_plain(path, 1 << 20); });
  };
  EXPECT_THAT(message(good.substr(0, 2)), HasSubstr("cut off at offset 2"));
  EXPECT_THAT(message(good.substr(0, good.size() / 2)), HasSubstr("cut off at offset"));
  EXPECT_THAT(message(good.substr(0, good.size() - 1)), HasSubstr("cut off at offset"));
  std::string wrong_sum = good, wrong_size = good, wrong_method = good;
  wrong_sum[good.size() - 8] ^= 1;
  wrong_size[good.size() - 1] ^= 1;
  wrong_method[2] ^= 1;
  for (const std::string& bytes : {wrong_sum, wrong_size, wrong_method}) {
    EXPECT_THAT(message(bytes), HasSubstr("damaged at offset"));
  }
  EXPECT_THAT(message(good + "tail"), HasSubstr(std::to_string(good.size())));
}

TEST(File, NoGzipDamageGoesUnseen) {
  const Folder folder;
  const std::string path = folder.file("a.gz"), text = pattern(300), good = gzip(text);
  // A stream with one flipped bit is refused or, in the header's idle fields, holds the same text;
  // without the magic number it is a plain file.
  damage_everywhere(path, good, 1, [&] {
    const std::string found = unpacked(path, 1 << 20);
    EXPECT_TRUE(found == text || found == bytes_of(path));
  });
}

}  // namespace
}  // namespace basin::test
