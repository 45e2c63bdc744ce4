// basin data: which data sets there are and where they lie; fetching them, checking them.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "engine/data/catalogue.h"
#include "engine/data/dataset.h"
#include "kernels/error.h"
#include "tools/cli.h"

namespace basin {
namespace {

struct DataOptions {
  std::string name, data_dir;
};

// The first folder of those that are searched that is there; empty where none is.
std::string folder_of(const std::string& name, const std::string& data_dir) {
  for (const std::string& folder : dataset_folders(name, data_dir)) {
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) return folder;
  }
  return "";
}

int list() {
  fmt::print("{:<15} {:<52} made on the spot\n", "shapes",
             "12,000 procedural colour images, 32x32, ten classes");
  for (const CatalogueEntry& entry : catalogue()) {
    int64_t bytes = 0;
    for (const Download& download : entry.downloads) bytes += download.bytes;
    const std::string folder = folder_of(entry.name, "");
    fmt::print("{:<15} {:<52} {}\n", entry.name, entry.description,
               folder.empty() ? fmt::format("not here: {:.0f} MB to fetch", bytes * 1e-6) : folder);
  }
  return 0;
}

int fetch(const DataOptions& o) {
  const CatalogueEntry& entry = catalogue_entry(o.name);
  const std::string folder = o.data_dir.empty() ? cache_folder(o.name) : o.data_dir;
  fetch_files(entry, folder, isatty(STDERR_FILENO) == 1 ? Progress::Shown : Progress::Silent);
  fmt::print("{}: whole, in {}\n", o.name, folder);
  return 0;
}

// The sums of the official files where they are there, then every file through its reader.
void verify_one(const std::string& name, const std::string& data_dir) {
  const std::string folder = name == "shapes" ? "" : folder_of(name, data_dir);
  size_t official = 0;
  if (!folder.empty()) {
    for (const FileReport& file : verify_files(catalogue_entry(name), folder)) {
      BASIN_CHECK(file.state != FileState::Damaged, file.path, "{}", file.text);
      if (file.state == FileState::Missing) continue;
      ++official;
      fmt::print("{}: {}\n", file.path, file.text);
    }
  }
  const DatasetPair data = load_dataset(name, data_dir);
  fmt::print("{}: {} training and {} test images {}x{}x{}, {} classes, from {}: {}\n", name,
             data.train.n, data.test.n, data.train.h, data.train.w, data.train.c,
             data.train.classes, data.source,
             official > 0 || folder.empty() ? "whole" : "readable (not the official files)");
}

int verify(const DataOptions& o) {
  if (!o.name.empty()) {
    if (o.name != "shapes") catalogue_entry(o.name);  // throws where there is no such data set
    verify_one(o.name, o.data_dir);
    return 0;
  }
  BASIN_CHECK(o.data_dir.empty(), "--data-dir", "found {}, expected a NAME with it", o.data_dir);
  for (const std::string& name : dataset_names()) {
    if (name == "shapes" || !folder_of(name, "").empty()) verify_one(name, "");
  }
  return 0;
}

}  // namespace

Command add_data(CommandLine app) {
  const CommandLine command =
      app.add_command("data",
                      "Lists data sets, fetches and checks them. A data set is "
                      "searched in --data-dir if given, else in the\nuser's "
                      "cache, then where Debian's packages put it; training "
                      "never fetches anything.");
  command.require_subcommand();
  auto o = std::make_shared<DataOptions>();
  const CommandLine list_command = command.add_command("list", "Names, and where each lies");
  const CommandLine fetch_command = command.add_command(
      "fetch", "Downloads a data set to the cache; sizes and sums are checked first");
  fetch_command.add_option("name", o->name, "the data set").required();
  fetch_command.add_option("--data-dir", o->data_dir, "the folder to put it in").type_name("DIR");
  const CommandLine verify_command =
      command.add_command("verify", "Checks sizes and sums, and reads every file");
  verify_command.add_option("name", o->name, "the data set (else all that are here)");
  verify_command.add_option("--data-dir", o->data_dir, "the only folder to search")
      .type_name("DIR");
  command.footer("Example:\n  basin data fetch cifar10");
  return [=] {
    if (list_command.parsed()) return list();
    return fetch_command.parsed() ? fetch(*o) : verify(*o);
  };
}

}  // namespace basin
