#include "tools/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "kernels/error.h"
#include "tools/checks.h"
#include "tools/process.h"
#include "tools/suggestion.h"
#include "tools/toml_file.h"

namespace basin {
namespace {

using Variables = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

constexpr int kMostVariables = 100;  // in one text

std::string folder() {
  return tools_folder() + "/reproduce";
}

// A file's table, with the place of each of its values for messages.
class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file), root_(read_toml(file)) {}
  const toml::table& root() const { return root_; }
  std::string at(const toml::node& node, const std::string& key) const {
    return fmt::format("{}: line {}: {}", file_, node.source().begin.line, key);
  }
  std::string text(const toml::table& table, const char* key) const {
    const toml::node* node = table.get(key);
    BASIN_CHECK(node != nullptr, at(table, key), "found none, expected text in quotes");
    const auto value = node->value_exact<std::string>();
    BASIN_CHECK(value.has_value(), at(*node, key), "found another value, expected text in quotes");
    return *value;
  }
  // None: "".
  std::vector<std::string> texts(const toml::table& table, const char* key) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {""};
    const toml::array* array = node->as_array();
    BASIN_CHECK(array != nullptr && !array->empty(), at(*node, key),
                "found another value, expected a list of texts");
    std::vector<std::string> all;
    for (const toml::node& item : *array) {
      const auto value = item.value_exact<std::string>();
      BASIN_CHECK(value.has_value(), at(item, key), "found another value, expected text in quotes");
      all.push_back(*value);
    }
    return all;
  }

 private:
  std::string file_;
  toml::table root_;
};

// "$name" by its value, and "{}" by `value`.
std::string filled(std::string text, const Variables& variables, const std::string& value,
                   const std::string& where) {
  int replaced = 0;
  for (size_t at = 0; (at = text.find('$', at)) != std::string::npos;) {
    BASIN_CHECK(++replaced <= kMostVariables, where,
                "found more than {} variables in one text, expected none that holds itself",
                kMostVariables);
    size_t end = at + 1;
    while (end < text.size() && (std::isalnum(text[end]) != 0 || text[end] == '_')) ++end;
    const std::string name = text.substr(at + 1, end - at - 1);
    const auto found = variables.find(name);
    BASIN_CHECK(found != variables.end(), where, "found ${}, which no scale sets", name);
    text.replace(at, end - at, found->second);  // which may hold variables itself
  }
  for (size_t at = 0; (at = text.find("{}", at)) != std::string::npos; at += value.size()) {
    text.replace(at, 2, value);
  }
  return text;
}

Words words_of(const std::string& text) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Variables variables_of(const Reader& file, const std::string& scale, const Variables& given) {
  Variables all;
  if (const toml::node* scales = file.root().get("scale")) {
    const toml::table* table = scales->as_table();
    const toml::node* node = table == nullptr ? nullptr : table->get(scale);
    BASIN_CHECK(node != nullptr && node->is_table(), file.at(*scales, "scale"),
                "found no [scale.{}]", scale);
    for (const auto& [key, value] : *node->as_table()) {
      if (key.str() == "seeds") continue;
      all[std::string(key.str())] = file.text(*node->as_table(), std::string(key.str()).c_str());
    }
  }
  for (const auto& [name, value] : given) {
    if (all.contains(name)) all[name] = value;
  }
  return all;
}

// What stands for "{}": a list, or a text of them with commas between ("$name", by scale).
Words over_of(const Reader& file, const toml::table& run, const Variables& variables) {
  const toml::node* node = run.get("over");
  if (node == nullptr || !node->is_string()) return file.texts(run, "over");
  return split(filled(file.text(run, "over"), variables, "", file.at(*node, "over")));
}

// Those for which every run is made; none: {""}.
std::vector<std::string> seeds_of(const Reader& file, const std::string& scale,
                                  const std::vector<uint64_t>& given) {
  const toml::table* table = file.root()["scale"][scale].as_table();
  std::vector<std::string> own = {""};
  if (const toml::node* node = table == nullptr ? nullptr : table->get("seeds")) {
    own = file.texts(*table, "seeds");
    const std::string problem = seed_list()(fmt::format("{}", fmt::join(own, ",")));
    BASIN_CHECK(problem.empty(), file.at(*node, "seeds"), "{}", problem);
  }
  if (given.empty()) return own;
  BASIN_CHECK(!own[0].empty(), "--seed",
              "found {}, but the runs of this experiment set their own seeds",
              fmt::join(given, ","));
  std::vector<std::string> seeds;
  for (const uint64_t seed : given) seeds.push_back(std::to_string(seed));
  return seeds;
}

// A run for a seed: in that seed's folder, as are the other runs' files that it reads.
Experiment::Run with_seed(Experiment::Run run, const std::string& seed) {
  if (seed.empty()) return run;
  const std::string folder = "seed-" + seed + "/";
  run.name.insert(0, folder);
  for (std::string& word : run.words) {
    if (word.starts_with("runs/")) word.insert(5, folder);
  }
  run.words.insert(run.words.end(), {"--seed", seed});
  return run;
}

}  // namespace

std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder(), error)) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string experiment_file(const std::string& name) {
  if (name.ends_with(".toml")) return name;
  const std::vector<std::string> names = experiment_names();
  BASIN_CHECK(std::find(names.begin(), names.end(), name) != names.end(), "NAME",
              "found no experiment '{}'{}: --list shows them", name, suggestion(name, names));
  return folder() + "/" + name + ".toml";
}

Experiment read_experiment(const std::string& path, const std::string& scale,
                           const Variables& given, const std::vector<uint64_t>& seeds) {
  const Reader file(path);
  const Variables variables = variables_of(file, scale, given);
  Experiment experiment{.name = std::filesystem::path(path).stem().string(),
                        .title = filled(file.text(file.root(), "title"), variables, "", path),
                        .source = file.text(file.root(), "source"),
                        .serial = file.root()["serial"].value_or(false),
                        .runs = {}};
  const toml::array* runs = file.root()["run"].as_array();
  BASIN_CHECK(runs != nullptr && runs->is_array_of_tables(), path,
              "found no [[run]], expected at least one");
  std::set<std::string> names;
  std::vector<Experiment::Run> once;
  for (const toml::node& node : *runs) {
    const toml::table& run = *node.as_table();
    for (const std::string& value : over_of(file, run, variables)) {
      const std::string where = file.at(run, "run");
      const std::string name = filled(file.text(run, "name"), variables, value, where);
      BASIN_CHECK(!name.empty() && name.find_first_of("/ ") == std::string::npos, where,
                  "found the name '{}', expected one of a folder", name);
      BASIN_CHECK(names.insert(name).second, where, "found the name '{}' for the second time",
                  name);
      once.push_back({name, words_of(filled(file.text(run, "command"), variables, value, where)),
                      run["may_diverge"].value_or(false)});
    }
  }
  for (const std::string& seed : seeds_of(file, scale, seeds)) {
    for (const Experiment::Run& run : once) experiment.runs.push_back(with_seed(run, seed));
  }
  return experiment;
}

}  // namespace basin
