// A place in a stream's order of work: the host, or another stream, waits for what is before it.
#pragma once

#include <memory>

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
  explicit Event(const Stream& stream);
  Event(Event&&) = default;
  Event& operator=(Event&&) = default;

  // Marks the end of what the stream has been given so far, instead of what it marked before.
  void record(const Stream& stream) const;
  // The host waits until it is done.
  void wait() const;
  bool done() const;
  // What the stream is given from now on waits until it is done; the host does not, but for a CPU's
  // stream, whose work is the host's.
  void make_wait(const Stream& stream) const;

 private:
  std::shared_ptr<CudaEvent> event_;
};

}  // namespace basin
