#include "kernels/event.h"

#include "kernels/error.h"
#include "kernels/has_cuda.h"

namespace basin {

Event::Event(const Stream& stream) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) event_ = cuda::open_event(stream);
  }
}

void Event::record(const Stream& stream) const {
  BASIN_CHECK(stream.is_cuda() == (event_ != nullptr), "[event] record",
              "found a stream of another device than the event's");
  if constexpr (kHasCuda) {
    if (event_ != nullptr) cuda::record(*event_, stream);
  }
}

void Event::wait() const {
  if constexpr (kHasCuda) {
    if (event_ != nullptr) cuda::wait(*event_);
  }
}

bool Event::done() const {
  if constexpr (kHasCuda) {
    if (event_ != nullptr) return cuda::is_done(*event_);
  }
  return true;
}

void Event::make_wait(const Stream& stream) const {
  if constexpr (kHasCuda) {
    if (event_ != nullptr && stream.is_cuda()) return cuda::make_wait(*event_, stream);
  }
  wait();
}

}  // namespace basin
