#include "kernels/emulated/fibers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <exception>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/emulated/sanitizer.h"
#include "kernels/emulated/status.h"

namespace basin::emulated {
namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kMaxWarps = kMaxThreads / kWarpSize;
constexpr int kNone = -1;

// Unwinds a thread that will not be run to its end.
struct Cancelled {};

// A stack, and where what ran on it stopped. One is the host's own, which runs no thread.
struct Worker {
  context::stack_context stack;
  context::fiber fiber;
  StackRange range;
  int thread = kNone;  // the one to start
};

// The worker keeps the stack; the fiber only lives on it.
struct KeepStack {
  void deallocate(context::stack_context&) noexcept {}
};

// The threads that have come to one barrier or shuffle.
struct Gathering {
  int came = 0, first = kNone;
  Place where{};
};

// The shuffles of a warp. A lane may come to the next one while others have yet to read this one's
// bits, but not to the one after it: two sets are enough.
struct WarpShuffles : Gathering {
  int mask = 0;
  size_t bytes = 0;
  int set = 0;
  std::array<uint64_t, kWarpSize> bits[2];
};

// Threads of which any may run next.
struct Ready {
  std::array<int, kMaxThreads> threads;
  int size = 0;
};

std::string text_of(const Place& where) {
  std::string_view file = where.file;
  file.remove_prefix(file.rfind('/') + 1);
  return fmt::format("{}:{}", file, where.line);
}

// Apart from what runs at every barrier, whose stack frame is small then.
template <class... Args>
[[noreturn, gnu::noinline]] void fail_launch(fmt::format_string<Args...> format, Args&&... args) {
  throw Fault{Status::LaunchFailure, fmt::format(format, std::forward<Args>(args)...)};
}

bool same(const Place& a, const Place& b) {
  return a.line == b.line && (a.file == b.file || std::string_view(a.file) == b.file);
}

}  // namespace

// The threads of one block after the other. A thread that stops hands over to the next one, fiber
// to fiber; control comes back to the host when none is ready. Fibers live as long as the team.
class BlockRunner::Team final : public Meeting {
 public:
  ~Team() {
    closing_ = true;
    context::protected_fixedsize_stack allocator(kStackBytes);
    for (const auto& worker : workers_) {
      switch_over(host_, *worker);  // to its end
      unpoison(worker->range.bottom, worker->range.size);
      allocator.deallocate(worker->stack);
    }
  }

  void run(Order& order, int64_t rank_of_this, int64_t number, int size,
           const std::function<void(FiberBlock&)>& body) {
    begin(order, rank_of_this, number, size);
    body_ = &body;
    go_on(host_);
    if (fault_ == nullptr && finished_ < threads) {
      fault_ = std::make_exception_ptr(Fault{Status::LaunchFailure, stuck()});
    }
    if (fault_ == nullptr) return;
    cancelled_ = true;
    for (int t = 0; t < threads; ++t) {
      if (waiting_[t] != nullptr) switch_over(host_, *std::exchange(waiting_[t], nullptr));
    }
    std::rethrow_exception(std::exchange(fault_, nullptr));
  }

  void sync(int thread, const Place& where) override {
    meet(barrier_, thread, where, "barrier");
    if (barrier_.came == threads) {
      barrier_.came = 0;
      ready_all();
    }
    suspend(thread);
  }

  uint64_t shuffle(int thread, uint64_t bits, size_t bytes, int mask, const Place& where) override {
    WarpShuffles& warp = shuffles_[thread / kWarpSize];
    if (warp.came == 0) {
      warp.mask = mask;
      warp.bytes = bytes;
    }
    meet(warp, thread, where, "shuffle");
    if (warp.mask != mask || warp.bytes != bytes) {
      fail_launch(
          "divergent shuffle at {}: thread {} has a mask of {} for {} bytes, "
          "thread {} one of {} for {}",
          text_of(where), warp.first, warp.mask, warp.bytes, thread, mask, bytes);
    }
    if (mask < 0 || mask >= lanes_) {
      fail_launch("shuffle at {}: a mask of {} for {} lanes", text_of(where), mask, lanes_);
    }
    const int lane = thread % kWarpSize;
    auto& set = warp.bits[warp.set];
    set[lane] = bits;
    if (warp.came == lanes_) {
      warp.came = 0;
      warp.set = 1 - warp.set;
      ready_warp(thread / kWarpSize);
    }
    suspend(thread);
    return set[lane ^ mask];
  }

 private:
  void begin(Order& order, int64_t rank_of_this, int64_t number, int size) {
    rank = rank_of_this;
    blocks = number;
    threads = size;
    order_ = &order;
    lanes_ = std::min(threads, kWarpSize);
    barrier_ = {};
    for (WarpShuffles& warp : shuffles_) warp.came = 0;
    for (Ready& ready : ready_) ready.size = 0;
    ready_mask_ = 0;
    finished_ = 0;
    cancelled_ = false;
    // In half of the blocks a warp runs as far ahead of the others as it can: each has its own set,
    // of which the first that has a thread runs. In the other half all threads are mixed, in one.
    set_of_.fill(0);
    if (order.below(2) == 0) {
      const auto warps = static_cast<uint32_t>(ceil_div(threads, kWarpSize));
      std::iota(set_of_.begin(), set_of_.begin() + warps, 0);
      for (uint32_t i = warps; i > 1; --i) std::swap(set_of_[i - 1], set_of_[order.below(i)]);
    }
    ready_all();
  }

  void ready_all() {
    for (int warp = 0; warp * kWarpSize < threads; ++warp) ready_warp(warp);
  }
  void ready_warp(int warp) {
    Ready& ready = ready_[set_of_[warp]];
    std::iota(ready.threads.begin() + ready.size, ready.threads.begin() + ready.size + lanes_,
              warp * kWarpSize);
    ready.size += lanes_;
    ready_mask_ |= 1U << set_of_[warp];
  }

  int take_next() {
    if (ready_mask_ == 0 || fault_ != nullptr) return kNone;
    const int set = std::countr_zero(ready_mask_);
    Ready& ready = ready_[set];
    int& place = ready.threads[order_->below(static_cast<uint32_t>(ready.size))];
    const int thread = std::exchange(place, ready.threads[ready.size - 1]);
    if (--ready.size == 0) ready_mask_ &= ~(1U << set);
    return thread;
  }

  void meet(Gathering& g, int thread, const Place& where, const char* kind) {
    if (g.came == 0) {
      g.where = where;
      g.first = thread;
    }
    if (!same(g.where, where)) {
      fail_launch("divergent {}: thread {} is at {}, thread {} at {}", kind, g.first,
                  text_of(g.where), thread, text_of(where));
    }
    ++g.came;
  }

  // What the threads wait for that cannot come.
  std::string stuck() const {
    std::string text;
    const auto add = [&](const Gathering& g, const char* kind, int expected) {
      if (g.came == 0) return;
      text += fmt::format("{}divergent {}: {} of {} threads are at {}", text.empty() ? "" : "; ",
                          kind, g.came, expected, text_of(g.where));
    };
    add(barrier_, "barrier", threads);
    for (const WarpShuffles& warp : shuffles_) add(warp, "shuffle", lanes_);
    return fmt::format("{}; {} have ended", text, finished_);
  }

  void suspend(int thread) {
    Worker& self = *running_;
    waiting_[thread] = &self;
    go_on(self);
    if (cancelled_) throw Cancelled{};
  }

  // What a fiber does as long as it lives. It is idle between two threads, and takes the next
  // itself where that has not been started: threads that come to no barrier are a plain loop.
  void live(Worker& self) {
    while (!closing_) {
      run_thread(self.thread);
      idle_.push_back(&self);
      go_on(self);
    }
  }

  void run_thread(int thread) {
    try {
      FiberBlock block(*this, thread);
      (*body_)(block);
      ++finished_;
    } catch (const Cancelled&) {
    } catch (...) {
      fault_ = std::current_exception();
    }
  }

  // The next thread runs, or the host; returns when this worker's turn comes.
  void go_on(Worker& self) {
    const int thread = take_next();
    Worker* next = &host_;
    if (thread != kNone) {
      next = std::exchange(waiting_[thread], nullptr);
      if (next == nullptr) next = &worker_for(thread);
    }
    if (next != &self) switch_over(self, *next);
  }

  Worker& worker_for(int thread) {
    if (idle_.empty()) idle_.push_back(add_worker());
    Worker& worker = *idle_.back();
    idle_.pop_back();
    worker.thread = thread;
    return worker;
  }

  [[gnu::noinline]] Worker* add_worker() {
    Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
    worker.stack = context::protected_fixedsize_stack(kStackBytes).allocate();
    worker.range.size = worker.stack.size;
    worker.range.bottom = static_cast<std::byte*>(worker.stack.sp) - worker.stack.size;
    const context::preallocated memory(worker.stack.sp, worker.stack.size, worker.stack);
    worker.fiber = context::fiber(std::allocator_arg, memory, KeepStack{},
                                  [this, &worker](context::fiber&& from) {
                                    arrive_at(worker, std::move(from));
                                    live(worker);
                                    leave(worker.range, host_.range, true);
                                    return std::move(host_.fiber);
                                  });
    return &worker;
  }

  void switch_over(Worker& self, Worker& next) {
    leave(self.range, next.range);
    arrive_at(self, std::move(next.fiber).resume());
  }
  // `from`: where the worker that ran until now has stopped.
  void arrive_at(Worker& self, context::fiber&& from) {
    Worker& left = *std::exchange(running_, &self);
    arrive(self.range, left.range);
    left.fiber = std::move(from);
  }

  // Of the block.
  Order* order_ = nullptr;
  const std::function<void(FiberBlock&)>* body_ = nullptr;
  int lanes_ = 0, finished_ = 0;
  bool cancelled_ = false;
  std::exception_ptr fault_;
  Gathering barrier_;
  std::array<WarpShuffles, kMaxWarps> shuffles_;
  std::array<int, kMaxWarps> set_of_{};  // where a warp's threads are when they are ready
  std::array<Ready, kMaxWarps> ready_;
  uint32_t ready_mask_ = 0;                     // the sets that have a thread
  std::array<Worker*, kMaxThreads> waiting_{};  // where a thread has stopped

  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
  Worker host_;
  Worker* running_ = &host_;
  bool closing_ = false;
};
static_assert(kMaxWarps <= 32, "a bit each");

BlockRunner::BlockRunner() : team_(std::make_unique<Team>()) {}
BlockRunner::~BlockRunner() = default;

void BlockRunner::run(Order& order, int64_t rank, int64_t blocks, int threads,
                      const std::function<void(FiberBlock&)>& body) {
  team_->run(order, rank, blocks, threads, body);
}

}  // namespace basin::emulated
