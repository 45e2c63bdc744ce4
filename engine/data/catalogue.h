// The public data sets: their official files, sizes and sums; fetching and verifying them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace basin {

enum class Sum { Sha256, Md5 };

// A file as the readers want it. Size and sum are of its contents: of what is inside, where it is
// gzipped (then it has .gz behind its name, or not).
struct DataFile {
  std::string path;  // in the data set's folder
  int64_t bytes;
  Sum kind;
  std::string sum;
};

// What is transferred. An archive (.tar.gz) is checked as a whole and unpacked; the sum and size of
// a single file are those of its contents, so they stand with the DataFile.
struct Download {
  std::string url;
  int64_t bytes;       // as transferred
  std::string sha256;  // of an archive; empty for a single file
};

struct CatalogueEntry {
  std::string name, description;
  std::vector<Download> downloads;
  std::vector<DataFile> files;
};

// Every public data set that load_dataset() can read, by name; `shapes` is made, not fetched.
const std::vector<CatalogueEntry>& catalogue();
// An unknown name is an Error(Usage) that lists the known ones.
const CatalogueEntry& catalogue_entry(const std::string& name);

enum class FileState { Whole, Missing, Damaged };
struct FileReport {
  std::string path;
  FileState state;
  std::string text;  // "found 10 bytes, expected 7840016", or the sum that was checked
};

// One report a file, in the entry's order.
std::vector<FileReport> verify_files(const CatalogueEntry& entry, const std::string& folder);

enum class Progress { Silent, Shown };  // Shown: curl's own bar, on stderr

// Downloads the data set: to FOLDER.fetch first, where size and sum of every file are checked, then
// each file is renamed into `folder`; other files there are left alone. Nothing is transferred
// where all files are there and whole. Runs `curl` and `tar` (no shell). A transfer that fails and
// a sum that differs are an Error(Run) that names the address, and leave `folder` as it was.
void fetch_files(const CatalogueEntry& entry, const std::string& folder, Progress progress);

}  // namespace basin
