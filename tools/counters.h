// Hardware counters of a thread, read by Linux's perf_event_open where it is there and permitted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/replay.h"

namespace basin {

// What is counted: perf_event_attr's type and config, and its name in messages.
struct CounterEvent {
  uint32_t type;
  uint64_t config;
  const char* name;
};
inline constexpr size_t kMostCounters = 4;

// Cycles, instructions and cache misses (the kernel's generic event: of the last level, as a rule;
// of the second level on AMD's cores), in user mode. None but on Linux.
enum { kCycles, kInstructions, kCacheMisses };
std::span<const CounterEvent> hardware_events();

// What a group counted. A core with too few counters takes turns among groups: `running` of
// `enabled` nanoseconds were counted.
struct Counts {
  std::array<uint64_t, kMostCounters> values{};
  uint64_t enabled = 0, running = 0;

  Counts& operator+=(const Counts& other);
  Counts operator-(const Counts& earlier) const;
  // The value scaled up to all of the time; none where nothing was counted at all.
  std::optional<double> scaled(size_t event) const;
};

// The words that the kernel writes for a group: how many, enabled, running, then each value.
// Throws Error(Run) where there are other than `events` values.
Counts parse_group(std::span<const uint64_t> words, size_t events);

// Why there are no counters: perf_event_open's errno, for the event, and the kernel's setting of
// kernel.perf_event_paranoid where it can be read.
std::string explain_no_counters(int error, const char* event, const std::string& paranoid);

// Events that count the calling thread, together, from here on. Any thread may read them.
class CounterGroup {
 public:
  // None, and the reason in a line, where the machine has or permits no such events.
  static std::optional<CounterGroup> open(std::span<const CounterEvent> events,
                                          std::string& reason);
  CounterGroup(CounterGroup&& other) noexcept { files_.swap(other.files_); }
  CounterGroup& operator=(CounterGroup&& other) noexcept {
    files_.swap(other.files_);
    return *this;
  }
  ~CounterGroup();

  Counts read() const;

 private:
  CounterGroup() = default;
  std::vector<int> files_;  // the group's leader first
};

// A group for each thread of OpenMP's team; empty, and the reason in a line, where one failed.
std::vector<CounterGroup> open_counters(int threads, std::span<const CounterEvent> events,
                                        std::string& reason);

// Counts each op and pass of a thread's replays, over the groups of all threads that work on it.
class OpCounter final : public ReplayObserver {
 public:
  OpCounter(std::span<const CounterGroup> groups, size_t nodes)
      : groups_(groups), totals_(2 * nodes) {}
  void begin(int node, Pass pass) override;
  void end(int node, Pass pass) override;
  const Counts& of(int node, Pass pass) const {
    return totals_[2 * node + (pass == Pass::Forward ? 0 : 1)];
  }

 private:
  Counts now() const;

  std::span<const CounterGroup> groups_;
  std::vector<Counts> totals_;
  Counts start_;
};

}  // namespace basin
