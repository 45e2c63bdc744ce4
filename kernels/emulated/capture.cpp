#include "kernels/emulated/capture.h"

#include <algorithm>
#include <utility>

namespace basin::emulated {

std::vector<size_t> Graph::some_order(Order& order) const {
  std::vector<std::vector<size_t>> next(nodes.size());
  std::vector<size_t> waits_for(nodes.size()), ready, all;
  for (size_t i = 0; i < nodes.size(); ++i) {
    waits_for[i] = nodes[i].behind.size();
    for (const size_t before : nodes[i].behind) next[before].push_back(i);
    if (waits_for[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    std::swap(ready[order.below(static_cast<uint32_t>(ready.size()))], ready.back());
    all.push_back(ready.back());
    ready.pop_back();
    for (const size_t i : next[all.back()]) {
      if (--waits_for[i] == 0) ready.push_back(i);
    }
  }
  return all;
}

std::shared_ptr<Capture> Capture::begin(Queue& origin) {
  if (origin.captured.capture != nullptr) {
    throw Fault{Status::IllegalState, "the stream is being captured already"};
  }
  std::shared_ptr<Capture> capture(new Capture(origin));
  origin.captured = {capture, {}};
  return capture;
}

Graph Capture::end(const Queue& queue) {
  if (!is_of_this_thread()) throw Fault{Status::CaptureWrongThread, "it began in another"};
  if (&queue != origin_) refuse(Status::CaptureUnmatched, "it began on another stream");
  const bool was_valid = valid(), joined = is_joined();
  state_ = State::Ended;
  for (Queue* stream : std::exchange(streams_, {})) stream->captured = {};
  if (!was_valid) throw Fault{Status::CaptureInvalidated, "no graph"};
  if (!joined) throw Fault{Status::CaptureUnjoined, "no graph"};
  return std::move(graph_);
}

bool Capture::is_joined() const {
  std::vector<bool> reached(graph_.nodes.size());
  for (const size_t last : origin_->captured.behind) reached[last] = true;
  for (size_t i = reached.size(); i-- > 0;) {  // a node is behind earlier ones only
    if (!reached[i]) return false;
    for (const size_t before : graph_.nodes[i].behind) reached[before] = true;
  }
  return true;
}

void Capture::add(Queue& queue, Task task) {
  require_valid();
  graph_.nodes.push_back({std::move(task), std::move(queue.captured.behind)});
  queue.captured.behind = {graph_.nodes.size() - 1};
}

void Capture::join(Queue& queue, const Event& event) {
  Capture& capture = *event.captured.capture;
  if (capture.ended()) {
    throw Fault{Status::CapturedEvent, "its capture has ended"};
  }
  capture.require_valid();
  Captured& here = queue.captured;
  if (here.capture == nullptr) {
    here = event.captured;
    capture.streams_.push_back(&queue);
    return;
  }
  if (here.capture != event.captured.capture) {
    here.capture->state_ = State::Invalidated;
    capture.refuse(Status::CaptureMerge, "the stream and the event are of two captures");
  }
  std::vector<size_t>& behind = here.behind;
  behind.insert(behind.end(), event.captured.behind.begin(), event.captured.behind.end());
  std::sort(behind.begin(), behind.end());
  behind.erase(std::unique(behind.begin(), behind.end()), behind.end());
}

void Capture::refuse(Status status, const std::string& what) {
  require_valid();
  state_ = State::Invalidated;
  throw Fault{status, what};
}

void Capture::require_valid() const {
  if (!valid()) throw Fault{Status::CaptureInvalidated, "the capture takes no more work"};
}

}  // namespace basin::emulated
