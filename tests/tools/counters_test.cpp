// Counters: the kernel's words, groups that take turns, refusals; and the whole path with events
// that the kernel itself counts, for not every machine lends its counting units.
#include "tools/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "kernels/error.h"

#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/mman.h>
#endif

namespace basin::test {
namespace {

using testing::HasSubstr;

TEST(Counters, WordsOfAGroup) {
  const std::vector<uint64_t> words{2, 900, 300, 11, 12};
  const Counts counts = parse_group(words, 2);
  EXPECT_EQ(counts.enabled, 900U);
  EXPECT_EQ(counts.running, 300U);
  EXPECT_EQ(counts.values[0], 11U);
  EXPECT_EQ(counts.values[1], 12U);
  EXPECT_THROW(parse_group(std::span(words).first(4), 2), Error);
  EXPECT_THROW(parse_group(words, 3), Error);
}

TEST(Counters, AGroupThatTookTurnsIsScaled) {
  const Counts before{.values = {100, 7}, .enabled = 1000, .running = 1000};
  const Counts after{.values = {130, 7}, .enabled = 1900, .running = 1300};
  Counts sum = after - before;
  EXPECT_EQ(sum.scaled(0), 90.0);  // 30 in a third of the time
  EXPECT_EQ(sum.scaled(1), 0.0);
  sum += Counts{.values = {10, 0}, .enabled = 300, .running = 100};
  EXPECT_EQ(sum.scaled(0), 120.0);
  EXPECT_EQ(Counts{}.scaled(0), std::nullopt);  // its turn never came
}

TEST(Counters, WhyThereAreNone) {
  EXPECT_EQ(explain_no_counters(EACCES, "cycles", "3"),
            "perf_event_open: Permission denied (kernel.perf_event_paranoid = 3)");
  EXPECT_EQ(explain_no_counters(EPERM, "cycles", ""), "perf_event_open: Operation not permitted");
  EXPECT_THAT(explain_no_counters(ENOENT, "cycles", "2"), HasSubstr("counts cycles"));
  EXPECT_THAT(explain_no_counters(ENOENT, "cycles", "2"), Not(HasSubstr("paranoid")));
}

#ifdef __linux__
constexpr CounterEvent kSoftware[] = {
    {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, "page faults"},
    {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, "of them minor"}};
constexpr size_t kPages = 64, kPageBytes = 4096;

// Touches so many pages that were never touched.
void fault() {
  void* const pages = mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  madvise(pages, kPages * kPageBytes, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(pages)[i * kPageBytes] = 1;
  munmap(pages, kPages * kPageBytes);
}

TEST(Counters, EachThreadsOpsAreCounted) {
  std::string reason;
  const std::vector<CounterGroup> groups = open_counters(2, kSoftware, reason);
  if (groups.empty()) {  // a machine that permits none says so
    EXPECT_THAT(reason, HasSubstr("perf_event_open: "));
    return;
  }
  ASSERT_EQ(groups.size(), 2U);
  // Two replaying threads: the first one's op 1 faults in both passes, the second's op 0 in one.
  std::vector<OpCounter> counters;
  for (size_t t = 0; t < 2; ++t) counters.emplace_back(std::span(groups).subspan(t, 1), 2);
  const auto run = [&](int t, int node, Pass pass, bool faults) {
    counters[t].begin(node, pass);
    if (faults) fault();
    counters[t].end(node, pass);
  };
#pragma omp parallel for num_threads(2) schedule(static)
  for (int t = 0; t < 2; ++t) {
    for (const int node : {0, 1}) {
      for (const Pass pass : {Pass::Forward, Pass::Backward}) {
        run(t, node, pass, t == 0 ? node == 1 : node == 0 && pass == Pass::Forward);
      }
    }
  }
  const auto faults = [&](int t, int node, Pass pass) {
    return counters[t].of(node, pass).scaled(0).value_or(-1);
  };
  EXPECT_GE(faults(0, 1, Pass::Forward), kPages);
  EXPECT_GE(faults(0, 1, Pass::Backward), kPages);
  EXPECT_GE(faults(1, 0, Pass::Forward), kPages);
  for (const Pass pass : {Pass::Forward, Pass::Backward}) {
    EXPECT_LT(faults(0, 0, pass), kPages);
    EXPECT_LT(faults(1, 1, pass), kPages);
  }
  EXPECT_GE(counters[0].of(1, Pass::Forward).scaled(1).value_or(0), kPages);

  // A lone replayer whose ops are the work of all threads sees what another thread did.
  OpCounter both(groups, 1);
  both.begin(0, Pass::Forward);
#pragma omp parallel for num_threads(2) schedule(static)
  for (int t = 0; t < 2; ++t) fault();
  both.end(0, Pass::Forward);
  EXPECT_GE(both.of(0, Pass::Forward).scaled(0).value_or(0), 2 * kPages);
}

TEST(Counters, AnEventThatIsNotThereIsNamed) {
  const CounterEvent wrong{PERF_TYPE_SOFTWARE, 1 << 20, "wishes"};
  std::string reason;
  EXPECT_TRUE(open_counters(1, {&wrong, 1}, reason).empty());
  EXPECT_THAT(reason, HasSubstr("perf_event_open: "));
}
#endif

}  // namespace
}  // namespace basin::test
