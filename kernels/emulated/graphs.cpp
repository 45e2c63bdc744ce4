// The device's captures and graphs.
#include <memory>
#include <vector>

#include "kernels/emulated/device.h"

namespace basin::emulated {

void Device::begin_capture(Queue* queue) {
  require(queue);
  std::erase_if(captures_, [](const auto& capture) { return capture->ended(); });
  captures_.push_back(Capture::begin(*queue));
  ++counts_.captures;
}

Graph* Device::end_capture(Queue* queue) {
  require(queue);
  const std::shared_ptr<Capture> capture = queue->captured.capture;
  if (capture == nullptr) throw Fault{Status::IllegalState, "the stream is not being captured"};
  return graphs_.add(std::make_unique<Graph>(capture->end(*queue)));
}

const Capture* Device::capture_of(Queue* queue) const {
  require(queue);
  return queue->captured.capture.get();
}

void Device::refuse_in_captures() {
  for (const auto& capture : captures_) {
    if (!capture->ended() && capture->is_of_this_thread()) {
      capture->refuse(Status::CaptureUnsupported, "this thread is capturing a stream");
    }
  }
}

void Device::refuse_in_capture(Queue* queue, const std::string& what) {
  require(queue);
  if (queue->captured.capture == nullptr) return;
  queue->captured.capture->refuse(Status::CaptureUnsupported, what);
}

void Device::refuse_captured(const Event* event) const {
  events_.require(event);
  if (event->captured.capture == nullptr) return;
  Capture& capture = *event->captured.capture;
  if (capture.valid()) capture.refuse(Status::CapturedEvent, "it was recorded in a capture");
  throw Fault{Status::CapturedEvent, "it was recorded in a capture that has ended"};
}

GraphExec* Device::instantiate(const Graph* graph) {
  graphs_.require(graph);
  return executables_.add(
      std::make_unique<GraphExec>(GraphExec{std::make_shared<const Graph>(*graph), nullptr}));
}

void Device::launch(GraphExec* graph, Queue* queue) {
  executables_.require(graph);
  refuse_in_capture(queue, "a graph in a graph is not emulated");
  ++counts_.graphs;
  if (graph->launched != nullptr) push(queue, Task{"graph", [] {}, graph->launched});
  // Each node is a task of its own: other streams run between them.
  for (const size_t i : graph->graph->some_order(order_)) {
    push(queue, Task{graph->graph->nodes[i].task.name,
                     [all = graph->graph, i] { all->nodes[i].task.run(); }, nullptr});
  }
  graph->launched = std::make_shared<Mark>();
  push(queue, Task{"graph", [mark = graph->launched] { mark->reached = true; }, nullptr});
}

}  // namespace basin::emulated
