// A peer that times another engine's steps in a process of its own: bench/peers/torch_server.py.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace basin {

class Peer {
 public:
  // Starts it and waits for the line with its version. Throws Error(Usage) where it does not run.
  Peer(const std::string& python, const std::vector<std::string>& arguments);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& version() const { return version_; }
  // Milliseconds of one step ("eager sam"), or none and the reason.
  std::optional<double> step(const std::string& request, std::string& reason);

 private:
  std::string answer();
  pid_t child_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  std::string version_;
};

}  // namespace basin
