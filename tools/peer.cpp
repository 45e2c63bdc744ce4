#include "tools/peer.h"

#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>

#include "kernels/error.h"
#include "tools/process.h"

namespace basin {

Peer::Peer(const std::string& python, const std::vector<std::string>& arguments) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) fail_run("--peer", "could not make a pipe");
  std::vector<std::string> words{python, tools_folder() + "/../bench/peers/torch_server.py"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = argv_of(words);
  std::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is then a failed answer
  child_ = fork();
  if (child_ == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  to_ = fdopen(to[1], "w");
  from_ = fdopen(from[0], "r");
  version_ = child_ < 0 ? "" : answer();
  BASIN_CHECK(!version_.empty(), "--peer",
              "found no PyTorch that {} runs, expected one: pip install torch numpy safetensors in "
              "a virtual environment, and name its interpreter with --python",
              python);
}

Peer::~Peer() {
  if (to_ != nullptr) std::fclose(to_);  // the end of its input ends it
  if (from_ != nullptr) std::fclose(from_);
  if (child_ > 0) waitpid(child_, nullptr, 0);
}

std::string Peer::answer() {
  std::string line;
  for (int c = 0; (c = std::fgetc(from_)) != EOF && c != '\n';) line += static_cast<char>(c);
  return line;
}

std::optional<double> Peer::step(const std::string& request, std::string& reason) {
  std::fputs((request + "\n").c_str(), to_);
  std::fflush(to_);
  const std::string line = answer();
  double ms = 0;
  const auto [stop, status] = std::from_chars(line.data(), line.data() + line.size(), ms);
  if (status == std::errc() && stop == line.data() + line.size()) return ms;
  reason = line.starts_with("none ") ? line.substr(5) : "the peer ended";
  return std::nullopt;
}

}  // namespace basin
