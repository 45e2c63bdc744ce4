// Events: what is before one is done when it is; a stream that waits for one comes behind it.
#include "kernels/event.h"

#include <gtest/gtest.h>

#include <utility>

#include "kernels/elementwise.h"
#include "kernels/error.h"
#include "kernels/map.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

constexpr int64_t kCount = 10'000;

// x += y
void add(const Stream& stream, Placed<float>& x, const Placed<float>& y) {
  map<float>(stream, Add<float>{}, kCount, {x.data(), y.data()}, {x.data()});
}

TEST(Event, WhatIsBeforeItIsDoneWhenItIs) {
  for (const Stream& stream : streams({1})) {
    Event event(stream);
    EXPECT_TRUE(event.done()) << "nothing was recorded";
    event.wait();
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    const Placed<float> y(stream, std::vector<float>(kCount, 2));
    for (int k = 1; k <= 3; ++k) {
      add(stream, x, y);
      event.record(stream);
      if (k == 2) {
        while (!event.done()) {
        }
      } else {
        event.wait();
      }
      EXPECT_TRUE(event.done());
      EXPECT_EQ(x.values(), std::vector<float>(kCount, 1 + 2 * static_cast<float>(k)))
          << name(stream);
    }
  }
}

// Two streams take turns; each waits for the other's event before its own work.
TEST(Event, StreamsTakeTurns) {
  for (const Stream& first : streams({1})) {
    const Stream second = first.is_cuda() ? Stream::cuda(0) : first;
    Placed<float> x(first, std::vector<float>(kCount, 1));
    Event first_done(first), second_done(second);
    for (int k = 0; k < 5; ++k) {
      second_done.make_wait(first);
      add(first, x, x);
      first_done.record(first);
      first_done.make_wait(second);
      add(second, x, x);
      second_done.record(second);
    }
    second_done.wait();
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 1024)) << name(first);
  }
}

TEST(Event, ACpusStreamWaitsAtOnce) {
  for (const Stream& stream : streams({})) {
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    Event event(stream);
    add(stream, x, x);
    event.record(stream);
    event.make_wait(Stream::cpu(1));
    EXPECT_TRUE(event.done());
    EXPECT_THROW(event.record(Stream::cpu(1)), Error);
  }
}

TEST(Event, ItIsMoved) {
  for (const Stream& stream : streams({1})) {
    Event event(stream);
    event.record(stream);
    Event other = std::move(event);
    other.wait();
    EXPECT_TRUE(other.done());
  }
}

}  // namespace
}  // namespace basin::test
