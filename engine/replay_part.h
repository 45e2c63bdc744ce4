// What the replays of a part of a batch need, and the one gradient that all of them make.
#pragma once

#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "engine/workspace.h"

namespace basin {

// A tape of `size` examples, with a workspace for each thread that replays it.
struct ReplayPart {
  int64_t size = 0;
  std::unique_ptr<Tape> tape;
  std::unique_ptr<Point> point;
  std::vector<std::unique_ptr<Workspace>> workspaces;  // by thread; null for one that replays none

  // Makes the workspaces of the threads [first, last).
  void add_workspaces(const Stream& stream, int first, int last);
  // Stands at `at`, for the threads to pack: each calls pack(thread).
  void pack(int thread);
  int64_t bytes() const;  // of workspaces and packed weights
};

// The gradients that threads sum up apart, made one in a fixed order.
class PartialGradients {
 public:
  PartialGradients() = default;
  // Threads 1, 2, … have an arena like `arena`; thread 0 sums in the result itself.
  PartialGradients(const Stream& stream, const Arena& arena, int threads);

  Arena* of(int thread, Arena& gradient) { return thread == 0 ? &gradient : &own_[thread - 1]; }
  // gradient = the sum of the threads' arenas, and of what their workspaces have packed, and
  // decay * at (which may be null).
  void collect(std::span<const ReplayPart> parts, double decay, const Arena* at, Arena& gradient);
  int64_t bytes() const;

 private:
  Stream stream_ = Stream::cpu(1);
  std::vector<Arena> own_;
  std::vector<const void*> terms_;  // room for the pointers of one sum
};

// body(thread) on each of `threads`; an exception of any is thrown here, the first one's.
template <class Body>
void on_threads(int threads, const Body& body) {
  if (threads == 1) return body(0);
  std::exception_ptr error;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; ++t) {
    try {
      body(t);
    } catch (...) {
#pragma omp critical
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace basin
