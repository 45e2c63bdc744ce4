#include "engine/replay_part.h"

#include <algorithm>

#include "kernels/reduce.h"

namespace basin {

void ReplayPart::add_workspaces(const Stream& stream, int first, int last) {
  for (int t = first; t < last; ++t) workspaces[t] = std::make_unique<Workspace>(*tape, stream);
}

void ReplayPart::pack(int thread) {
  if (workspaces[thread] == nullptr) return;
  const auto has = [&](const auto& work) { return work != nullptr; };
  const auto packers = std::count_if(workspaces.begin(), workspaces.end(), has);
  const auto rank = std::count_if(workspaces.begin(), workspaces.begin() + thread, has);
  point->pack(*workspaces[thread], static_cast<int>(rank), static_cast<int>(packers));
}

int64_t ReplayPart::bytes() const {
  int64_t bytes = tape->program().packed_bytes;
  for (const auto& work : workspaces) {
    if (work != nullptr) bytes += tape->workspace_bytes();
  }
  return bytes;
}

PartialGradients::PartialGradients(const Stream& stream, const Arena& arena, int threads)
    : stream_(stream), terms_(threads) {
  for (int t = 1; t < threads; ++t) own_.push_back(arena.sibling(stream));
}

void PartialGradients::collect(std::span<const ReplayPart> parts, double decay, const Arena* at,
                               Arena& gradient) {
  dispatch(gradient.dtype(), [&]<class T>(T) {
    const auto add = [&](int64_t n, int count, double factor, const T* w, T* out) {
      sum_parts(stream_, n, reinterpret_cast<const T* const*>(terms_.data()), count, factor, w,
                out);
    };
    for (const ReplayPart& part : parts) {
      const int64_t packed = part.tape->program().packed_gradient_bytes / int64_t{sizeof(T)};
      if (packed == 0) continue;
      Workspace* first = nullptr;
      int count = 0;
      for (const auto& work : part.workspaces) {
        if (work == nullptr) continue;
        if (first == nullptr) first = work.get();
        terms_[count++] = work->packed_gradient();
      }
      if (count > 1) {
        add(packed, count, 0, nullptr, reinterpret_cast<T*>(first->packed_gradient()));
      }
      first->unpack(gradient, &part == &parts.front() ? Write::Overwrite : Write::Accumulate);
    }
    if (own_.empty() && decay == 0) return;
    terms_[0] = gradient.data();
    for (size_t t = 0; t < own_.size(); ++t) terms_[t + 1] = own_[t].data();
    add(gradient.size(), static_cast<int>(own_.size()) + 1, decay,
        decay > 0 ? at->as<T>() : nullptr, gradient.as<T>());
  });
}

int64_t PartialGradients::bytes() const {
  int64_t bytes = 0;
  for (const Arena& arena : own_) bytes += arena.bytes();
  return bytes;
}

}  // namespace basin
