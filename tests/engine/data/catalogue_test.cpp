// The catalogue: complete entries; files that are whole, missing or damaged are told apart; a fetch
// puts everything in place or changes nothing. What is fetched here lies in a folder (file://).
#include "engine/data/catalogue.h"

#include <zlib.h>

#include <algorithm>

#include "engine/data/dataset.h"
#include "engine/io/checksum.h"
#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

std::span<const std::byte> as_bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
DataFile data_file(const std::string& path, const std::string& text, Sum kind) {
  const auto bytes = as_bytes_of(text);
  return {path, static_cast<int64_t>(text.size()), kind,
          kind == Sum::Sha256 ? sha256(bytes) : md5(bytes)};
}
void write_gzip(const std::string& path, const std::string& text) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}
int64_t size_of(const std::string& path) {
  return static_cast<int64_t>(std::filesystem::file_size(path));
}

std::vector<FileState> states(const std::vector<FileReport>& reports) {
  std::vector<FileState> all;
  for (const FileReport& report : reports) all.push_back(report.state);
  return all;
}

constexpr FileState kWhole = FileState::Whole, kMissing = FileState::Missing,
                    kDamaged = FileState::Damaged;

TEST(Catalogue, HasEveryDataSetThatIsNotMade) {
  std::vector<std::string> names{"shapes"};
  for (const CatalogueEntry& entry : catalogue()) {
    names.push_back(entry.name);
    EXPECT_EQ(&catalogue_entry(entry.name), &entry);
    EXPECT_FALSE(entry.description.empty() || entry.downloads.empty() || entry.files.empty());
    for (const DataFile& file : entry.files) {
      EXPECT_GT(file.bytes, 0) << file.path;
      EXPECT_EQ(file.sum.size(), file.kind == Sum::Sha256 ? 64u : 32u) << file.path;
    }
    for (const Download& download : entry.downloads) {
      EXPECT_GT(download.bytes, 0) << download.url;
      EXPECT_EQ(download.sha256.size(), download.url.ends_with(".tar.gz") ? 64u : 0u);
    }
  }
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(dataset_names()));
  EXPECT_THAT(usage_error([] { catalogue_entry("imagenet"); }),
              testing::AllOf(HasSubstr("'imagenet'"), HasSubstr("fashion-mnist, mnist, cifar10")));
  EXPECT_THAT(usage_error([] { catalogue_entry("shapes"); }), HasSubstr("made on the spot"));
}

TEST(Catalogue, TellsWholeMissingAndDamagedFilesApart) {
  const Folder folder;
  const CatalogueEntry entry{
      "some",
      "",
      {},
      {data_file("a", "text a", Sum::Md5), data_file("inner/b", "text b", Sum::Sha256),
       data_file("c", "text c", Sum::Sha256)}};
  EXPECT_EQ(states(verify_files(entry, folder.path())),
            (std::vector{kMissing, kMissing, kMissing}));
  write_gzip(folder.file("a.gz"), "text a");
  write_bytes(folder.file("inner/b"), "text b");
  write_bytes(folder.file("c"), "text C");
  auto reports = verify_files(entry, folder.path());
  EXPECT_EQ(states(reports), (std::vector{kWhole, kWhole, kDamaged}));
  EXPECT_EQ(reports[0].path, folder.file("a.gz"));
  EXPECT_THAT(reports[0].text, HasSubstr("MD5 " + entry.files[0].sum));
  EXPECT_THAT(reports[2].text, HasSubstr("expected " + entry.files[2].sum));
  // An archive's files may lie in the folder itself; sizes are looked at before sums.
  std::filesystem::rename(folder.file("inner/b"), folder.file("b"));
  write_bytes(folder.file("c"), "text");
  write_bytes(folder.file("a.gz"), "\x1f\x8b, but not gzip");
  reports = verify_files(entry, folder.path());
  EXPECT_EQ(states(reports), (std::vector{kDamaged, kWhole, kDamaged}));
  EXPECT_THAT(reports[0].text, HasSubstr("gzip stream"));
  EXPECT_EQ(reports[2].text, "found 4 bytes, expected 6");
}

// A source folder with a gzipped file and an archive, and the entry that describes them.
class FetchTest : public testing::Test {
 protected:
  FetchTest() {
    write_gzip(source_.file("images.gz"), "the images");
    write_bytes(source_.file("inner/labels.bin"), "the labels");
    const std::string archive = source_.file("set.tar.gz");
    const std::string command = "tar -czf '" + archive + "' -C '" + source_.path() + "' inner";
    EXPECT_EQ(std::system(command.c_str()), 0);
    entry_ = {"some",
              "",
              {{"file://" + source_.file("images.gz"), size_of(source_.file("images.gz")), ""},
               {"file://" + archive, size_of(archive), sha256(as_bytes_of(bytes_of(archive)))}},
              {data_file("images", "the images", Sum::Md5),
               data_file("inner/labels.bin", "the labels", Sum::Sha256)}};
  }
  void fetch() { fetch_files(entry_, folder_, Progress::Silent); }
  std::string failure() {
    try {
      fetch();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Run) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing failed";
    return "";
  }

  Folder source_, cache_;
  std::string folder_ = cache_.file("basin/some");
  CatalogueEntry entry_;
};

TEST_F(FetchTest, PutsEveryFileInPlace) {
  fetch();
  EXPECT_EQ(states(verify_files(entry_, folder_)), (std::vector{kWhole, kWhole}));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/images.gz"));
  EXPECT_EQ(bytes_of(folder_ + "/inner/labels.bin"), "the labels");
  EXPECT_FALSE(std::filesystem::exists(folder_ + ".fetch"));
  // All is there: nothing is asked for again.
  entry_.downloads[0].url = "file:///nonexistent";
  fetch();
}

TEST_F(FetchTest, MendsWhatIsDamagedAndLeavesTheRest) {
  write_bytes(folder_ + "/images", "damaged");
  write_bytes(folder_ + "/other", "the user's own");
  write_bytes(folder_ + ".fetch/left", "by a fetch that was killed");
  fetch();
  EXPECT_EQ(states(verify_files(entry_, folder_)), (std::vector{kWhole, kWhole}));
  EXPECT_EQ(bytes_of(folder_ + "/other"), "the user's own");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/left"));
}

TEST_F(FetchTest, AFailureNamesTheAddressAndLeavesTheFolderAsItWas) {
  write_bytes(folder_ + "/images", "damaged");
  const auto expect_unchanged = [&] {
    EXPECT_EQ(bytes_of(folder_ + "/images"), "damaged");
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/inner"));
    EXPECT_FALSE(std::filesystem::exists(folder_ + ".fetch"));
  };
  const CatalogueEntry good = entry_;
  entry_.downloads[0].url = "file:///nonexistent/images.gz";
  std::string message = failure();
  EXPECT_THAT(message, testing::StartsWith("file:///nonexistent/images.gz: curl failed with exit"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  expect_unchanged();
  entry_ = good;
  entry_.downloads[1].bytes += 1;
  EXPECT_THAT(failure(), HasSubstr(fmt::format("expected {}", entry_.downloads[1].bytes)));
  expect_unchanged();
  entry_ = good;
  entry_.downloads[1].sha256[0] ^= 1;
  EXPECT_THAT(failure(), HasSubstr("expected " + entry_.downloads[1].sha256));
  expect_unchanged();
  entry_ = good;
  entry_.files[0].sum[0] ^= 1;
  EXPECT_THAT(failure(), HasSubstr("expected " + entry_.files[0].sum));
  expect_unchanged();
}

// Debian's package packs the files anew: their contents are the official ones.
TEST(Catalogue, DebiansFashionMnistIsTheOfficialOne) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    std::cout << "[  NOTE    ] dataset-fashion-mnist is not installed: its sums are not compared\n";
    return;
  }
  for (const FileReport& report : verify_files(catalogue_entry("fashion-mnist"), folder)) {
    EXPECT_EQ(report.state, kWhole) << report.path << ": " << report.text;
  }
}

}  // namespace
}  // namespace basin::test
