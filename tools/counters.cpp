#include "tools/counters.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernels/error.h"

#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#endif

namespace basin {

Counts& Counts::operator+=(const Counts& other) {
  for (size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
  enabled += other.enabled;
  running += other.running;
  return *this;
}

Counts Counts::operator-(const Counts& earlier) const {
  Counts difference = *this;
  for (size_t i = 0; i < values.size(); ++i) difference.values[i] -= earlier.values[i];
  difference.enabled -= earlier.enabled;
  difference.running -= earlier.running;
  return difference;
}

std::optional<double> Counts::scaled(size_t event) const {
  if (running == 0) return std::nullopt;
  return static_cast<double>(values[event]) * static_cast<double>(enabled) /
         static_cast<double>(running);
}

Counts parse_group(std::span<const uint64_t> words, size_t events) {
  if (words.size() != 3 + events || words[0] != events) {
    fail_run("perf_event_open", "found {} words of counters, expected {}", words.size(),
             3 + events);
  }
  Counts counts{.enabled = words[1], .running = words[2]};
  std::copy_n(words.begin() + 3, events, counts.values.begin());
  return counts;
}

std::string explain_no_counters(int error, const char* event, const std::string& paranoid) {
  std::string text = fmt::format("perf_event_open: {}", std::strerror(error));
  if (error == EACCES || error == EPERM) {
    return paranoid.empty() ? text : text + " (kernel.perf_event_paranoid = " + paranoid + ")";
  }
  if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP) {
    return text + fmt::format(": no unit in this machine counts {}", event);
  }
  return text;
}

#ifdef __linux__
namespace {

constexpr CounterEvent kHardware[] = {
    {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cycles"},
    {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, "instructions"},
    {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, "cache misses"}};

// The calling thread, on any core, in user mode: what an unprivileged user may ask for.
int open_event(const CounterEvent& event, int leader) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, 0, -1, leader, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

std::span<const CounterEvent> hardware_events() {
  return kHardware;
}

std::optional<CounterGroup> CounterGroup::open(std::span<const CounterEvent> events,
                                               std::string& reason) {
  CounterGroup group;
  for (const CounterEvent& event : events) {
    const int file = open_event(event, group.files_.empty() ? -1 : group.files_[0]);
    if (file < 0) {
      const int error = errno;
      std::string paranoid;
      std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> paranoid;
      reason = explain_no_counters(error, event.name, paranoid);
      return std::nullopt;
    }
    group.files_.push_back(file);
  }
  return group;
}

CounterGroup::~CounterGroup() {
  for (const int file : files_) close(file);
}

Counts CounterGroup::read() const {
  uint64_t words[3 + kMostCounters];
  const ssize_t bytes = ::read(files_[0], words, sizeof words);
  if (bytes < 0) fail_run("perf_event_open", "could not read: {}", std::strerror(errno));
  return parse_group({words, bytes / sizeof words[0]}, files_.size());
}

#else

std::span<const CounterEvent> hardware_events() {
  return {};
}
std::optional<CounterGroup> CounterGroup::open(std::span<const CounterEvent>, std::string& reason) {
  reason = "perf_event_open: Linux alone has it";
  return std::nullopt;
}
CounterGroup::~CounterGroup() = default;
Counts CounterGroup::read() const {
  return {};
}
#endif

std::vector<CounterGroup> open_counters(int threads, std::span<const CounterEvent> events,
                                        std::string& reason) {
  std::vector<std::optional<CounterGroup>> opened(threads);
  std::vector<std::string> reasons(threads);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; ++t) opened[t] = CounterGroup::open(events, reasons[t]);
  std::vector<CounterGroup> groups;
  for (int t = 0; t < threads; ++t) {
    if (!opened[t]) {
      reason = reasons[t];
      return {};
    }
    groups.push_back(std::move(*opened[t]));
  }
  return groups;
}

Counts OpCounter::now() const {
  Counts sum;
  for (const CounterGroup& group : groups_) sum += group.read();
  return sum;
}

void OpCounter::begin(int, Pass) {
  start_ = now();
}

void OpCounter::end(int node, Pass pass) {
  totals_[2 * node + (pass == Pass::Forward ? 0 : 1)] += now() - start_;
}

}  // namespace basin
