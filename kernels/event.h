// A place in a stream's order of work: the host, or another stream, waits for what is before it.
#pragma once

#include <memory>

#include "kernels/error.h"
#include "kernels/stream.h"

namespace basin {

struct CudaEvent;  // event.cu

namespace cuda {
std::shared_ptr<CudaEvent> open_event(const Stream& stream);
void record(const CudaEvent& event, const Stream& stream);
void wait(const CudaEvent& event);
bool is_done(const CudaEvent& event);
void make_wait(const CudaEvent& event, const Stream& stream);
}  // namespace cuda

// On a CPU, whose streams have done their work when a call returns, it is always done.
class Event {
 public:
  // For streams of this stream's device; done, until it is recorded.
  explicit Event(const Stream& stream) {
    if constexpr (kHasCuda) {
      if (stream.is_cuda()) event_ = cuda::open_event(stream);
    }
  }
  Event(Event&&) = default;
  Event& operator=(Event&&) = default;

  // Marks the end of what the stream has been given so far, instead of what it marked before.
  void record(const Stream& stream) const {
    BASIN_CHECK(stream.is_cuda() == (event_ != nullptr), "[event] record",
                "found a stream of another device than the event's");
    if constexpr (kHasCuda) {
      if (event_ != nullptr) cuda::record(*event_, stream);
    }
  }
  // The host waits until it is done.
  void wait() const {
    if constexpr (kHasCuda) {
      if (event_ != nullptr) cuda::wait(*event_);
    }
  }
  bool done() const {
    if constexpr (kHasCuda) {
      if (event_ != nullptr) return cuda::is_done(*event_);
    }
    return true;
  }
  // What the stream is given from now on waits until it is done; the host does not, but for a CPU's
  // stream, whose work is the host's.
  void make_wait(const Stream& stream) const {
    if constexpr (kHasCuda) {
      if (event_ != nullptr && stream.is_cuda()) return cuda::make_wait(*event_, stream);
    }
    wait();
  }

 private:
  std::shared_ptr<CudaEvent> event_;
};

}  // namespace basin
