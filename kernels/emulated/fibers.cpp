#include "kernels/emulated/fibers.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <exception>
#include <queue>
#include <string_view>
#include <vector>

#include "kernels/emulated/sanitizer.h"
#include "kernels/emulated/status.h"

namespace basin::emulated {
namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = 128 * 1024;

// Unwinds a thread that will not be run to its end.
struct Cancelled {};

struct Worker {
  context::stack_context stack;
  context::fiber fiber;
  StackRange range;
};

// The pool keeps the stack; the fiber only lives on it.
struct KeepStack {
  void deallocate(context::stack_context&) noexcept {}
};

std::string text_of(const Place& where) {
  std::string_view file = where.file;
  file.remove_prefix(file.rfind('/') + 1);
  return fmt::format("{}:{}", file, where.line);
}

}  // namespace

struct BlockRunner::Stacks {
  std::vector<std::unique_ptr<Worker>> all;
  std::vector<Worker*> idle;

  ~Stacks() {
    context::protected_fixedsize_stack allocator(kStackBytes);
    for (const auto& worker : all) allocator.deallocate(worker->stack);
  }
  Worker* take() {
    if (idle.empty()) {
      all.push_back(std::make_unique<Worker>());
      Worker& worker = *all.back();
      worker.stack = context::protected_fixedsize_stack(kStackBytes).allocate();
      worker.range.size = worker.stack.size;
      worker.range.bottom = static_cast<std::byte*>(worker.stack.sp) - worker.stack.size;
      idle.push_back(&worker);
    }
    Worker* worker = idle.back();
    idle.pop_back();
    return worker;
  }
};

namespace {

// One run of one block. `Stacks` is a parameter, as the runner's is private to it.
template <class Stacks>
class Team final : public Meeting {
 public:
  Team(Stacks& stacks, Order& order, int64_t rank, int64_t blocks, int threads,
       const std::function<void(FiberBlock&)>& body)
      : Meeting(rank, blocks, threads),
        stacks_(stacks),
        order_(order),
        body_(body),
        lanes_(std::min(threads, kWarpSize)),
        state_(threads),
        shuffles_(ceil_div(threads, kWarpSize)),
        priority_(shuffles_.size()),
        ahead_(order.below(2) == 0) {
    for (uint32_t& p : priority_) p = order_.bits();
    for (int t = 0; t < threads; ++t) ready(t);
  }

  void run() {
    while (!ready_.empty() && fault_ == nullptr) {
      const int thread = ready_.top().second;
      resume(state_[thread].worker != nullptr ? take(thread) : start());
    }
    if (fault_ == nullptr && finished_ < threads) {
      fault_ = std::make_exception_ptr(Fault{Status::LaunchFailure, stuck()});
    }
    if (fault_ == nullptr) return;
    cancelled_ = true;
    for (State& s : state_) {
      if (s.worker != nullptr) resume(std::exchange(s.worker, nullptr));
    }
    std::rethrow_exception(fault_);
  }

  void sync(int thread, const Place& where) override {
    meet(barrier_, thread, where, "barrier");
    if (barrier_.here.size() == state_.size()) leave_together(barrier_);
    suspend(thread);
  }

  uint64_t shuffle(int thread, uint64_t bits, size_t bytes, int mask, const Place& where) override {
    Gathering& warp = shuffles_[thread / kWarpSize];
    if (warp.here.empty()) {
      warp.mask = mask;
      warp.bytes = bytes;
    }
    meet(warp, thread, where, "shuffle");
    if (warp.mask != mask || warp.bytes != bytes) {
      throw Fault{
          Status::LaunchFailure,
          fmt::format("divergent shuffle at {}: thread {} has a mask of {} for {} bytes, "
                      "thread {} one of {} for {}",
                      text_of(where), warp.here[0], warp.mask, warp.bytes, thread, mask, bytes)};
    }
    if (mask < 0 || mask >= lanes_) {
      throw Fault{Status::LaunchFailure, fmt::format("shuffle at {}: a mask of {} for {} lanes",
                                                     text_of(where), mask, lanes_)};
    }
    state_[thread].bits = bits;
    if (static_cast<int>(warp.here.size()) == lanes_) {
      for (const int t : warp.here) state_[t].result = state_[t ^ mask].bits;
      leave_together(warp);
    }
    suspend(thread);
    return state_[thread].result;
  }

 private:
  struct State {
    Worker* worker = nullptr;  // where the thread is suspended
    uint64_t bits = 0, result = 0;
  };
  // The threads that have come to one barrier or shuffle, in the order of their coming.
  struct Gathering {
    std::vector<int> here;
    Place where{};
    int mask = 0;
    size_t bytes = 0;
  };

  // In half of the blocks a warp runs as far ahead of the others as it can; in the other half all
  // threads are mixed.
  void ready(int thread) {
    const uint64_t warp = ahead_ ? priority_[thread / kWarpSize] : 0;
    ready_.emplace(warp << 32 | order_.bits(), thread);
  }

  void meet(Gathering& g, int thread, const Place& where, const char* kind) {
    if (g.here.empty()) g.where = where;
    if (g.where.line != where.line || std::string_view(g.where.file) != where.file) {
      throw Fault{Status::LaunchFailure,
                  fmt::format("divergent {}: thread {} is at {}, thread {} at {}", kind, g.here[0],
                              text_of(g.where), thread, text_of(where))};
    }
    g.here.push_back(thread);
  }

  void leave_together(Gathering& g) {
    for (const int t : g.here) ready(t);
    g.here.clear();
  }

  // What the threads wait for that cannot come.
  std::string stuck() const {
    std::string text;
    const auto add = [&](const Gathering& g, const char* kind, int expected) {
      if (g.here.empty()) return;
      text += fmt::format("{}divergent {}: {} of {} threads are at {}", text.empty() ? "" : "; ",
                          kind, g.here.size(), expected, text_of(g.where));
    };
    add(barrier_, "barrier", threads);
    for (const Gathering& g : shuffles_) add(g, "shuffle", lanes_);
    return fmt::format("{}; {} have ended", text, finished_);
  }

  Worker* take(int thread) {
    ready_.pop();
    return std::exchange(state_[thread].worker, nullptr);
  }

  // A fiber that runs threads, as long as the next of them has not been started.
  Worker* start() {
    Worker* worker = stacks_.take();
    worker->range.kept = nullptr;
    unpoison(worker->range.bottom, worker->range.size);
    const context::preallocated memory(worker->stack.sp, worker->stack.size, worker->stack);
    worker->fiber = context::fiber(std::allocator_arg, memory, KeepStack{},
                                   [this, worker](context::fiber&& scheduler) {
                                     arrive(worker->range, scheduler_range_);
                                     scheduler_ = std::move(scheduler);
                                     work();
                                     leave(worker->range, scheduler_range_, true);
                                     return std::move(scheduler_);
                                   });
    return worker;
  }

  void work() {
    while (fault_ == nullptr && !ready_.empty()) {
      const int thread = ready_.top().second;
      if (state_[thread].worker != nullptr) return;
      ready_.pop();
      try {
        FiberBlock block(*this, thread);
        body_(block);
        ++finished_;
      } catch (const Cancelled&) {
        return;
      } catch (...) {
        fault_ = std::current_exception();
      }
    }
  }

  void resume(Worker* worker) {
    running_ = worker;
    leave(scheduler_range_, worker->range);
    worker->fiber = std::move(worker->fiber).resume();
    StackRange left;
    arrive(scheduler_range_, left);
    if (!worker->fiber) stacks_.idle.push_back(worker);
  }

  void suspend(int thread) {
    Worker* self = running_;
    state_[thread].worker = self;
    leave(self->range, scheduler_range_);
    scheduler_ = std::move(scheduler_).resume();
    arrive(self->range, scheduler_range_);
    if (cancelled_) throw Cancelled{};
  }

  Stacks& stacks_;
  Order& order_;
  const std::function<void(FiberBlock&)>& body_;
  int lanes_;
  std::vector<State> state_;
  Gathering barrier_;
  std::vector<Gathering> shuffles_;  // one a warp
  std::vector<uint32_t> priority_;   // one a warp
  bool ahead_;
  std::priority_queue<std::pair<uint64_t, int>> ready_;
  int finished_ = 0;
  bool cancelled_ = false;
  std::exception_ptr fault_;
  Worker* running_ = nullptr;
  context::fiber scheduler_;
  StackRange scheduler_range_;
};

}  // namespace

BlockRunner::BlockRunner() : stacks_(std::make_unique<Stacks>()) {}
BlockRunner::~BlockRunner() = default;

void BlockRunner::run(Order& order, int64_t rank, int64_t blocks, int threads,
                      const std::function<void(FiberBlock&)>& body) {
  Team<Stacks>(*stacks_, order, rank, blocks, threads, body).run();
}

}  // namespace basin::emulated
