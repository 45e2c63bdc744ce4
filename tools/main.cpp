// basin <command> [options]. Exit codes: 0 done; 1 the run failed; 2 wrong usage or bad input, with
// one line; 128 + N after signal N, once a checkpoint was written.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "kernels/error.h"
#include "tools/cli.h"
#include "tools/toml_config.h"
#include "tools/usage.h"

namespace {

int complain(const std::string& where, const std::string& message, int code) {
  std::string line = message;
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "{}: {}\n", where, line);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace basin;
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is then a failed write
  CLI::App app(
      "Basin: a tensor and autodiff engine for studying sharpness-aware minimisation (SAM). It "
      "trains\n"
      "small networks, and shows what a SAM step does to the last digit. Each command has its own\n"
      "--help; exit codes: 0 done, 1 the run failed, 2 wrong usage or bad input.",
      "basin");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "basin " BASIN_VERSION);
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Command>> commands;
  for (const auto add : {add_train, add_step, add_surface, add_sharpness, add_diag, add_relu1d,
                         add_reproduce, add_bench, add_profile, add_info, add_data}) {
    Command run = add(CommandLine(app));
    commands.emplace_back(app.get_subcommands({}).back(), std::move(run));
  }
  for (auto& [command, run] : commands) add_config_option(*command);
  app.footer(
      "Example:\n  basin train --model resnet_tiny_gn --dataset shapes --optimizer sam --rho 0.1");
  CLI::App* chosen = &app;
  std::vector<std::string> words(argv + 1, argv + argc), names;
  const auto named = [&](const std::string& word) {
    for (CLI::App* command : chosen->get_subcommands({})) {
      if (command->get_name() == word) return command;
    }
    return static_cast<CLI::App*>(nullptr);
  };
  while (names.size() < words.size()) {
    CLI::App* command = named(words[names.size()]);
    if (command == nullptr) break;
    chosen = command;
    names.push_back(command->get_name());
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(names.size()));
  const std::string where = full_name(*chosen);
  try {
    if (chosen->get_subcommands({}).empty()) words = with_config_file(*chosen, std::move(words));
    std::vector<std::string> all = names;
    all.insert(all.end(), words.begin(), words.end());
    app.parse(
        std::vector<std::string>(all.rbegin(), all.rend()));  // CLI11 takes them from the back
    for (const auto& [command, run] : commands) {
      if (!command->parsed()) continue;
      return run();
    }
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return complain(where, explain(e, *chosen, words) + " (see --help)", 2);
  } catch (const Error& e) {
    return complain(where, e.what(), static_cast<int>(e.kind()));
  } catch (const std::bad_alloc&) {
    return complain(where, "out of memory: use a smaller batch, model or data set", 1);
  } catch (const std::exception& e) {
    return complain(where, e.what(), 1);
  }
  return 0;
}
