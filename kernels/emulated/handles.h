// The objects of one kind that the host has handles of: a handle is an object's address.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/emulated/status.h"

namespace basin::emulated {

template <class T>
class Handles {
 public:
  // `kind`: "a stream", in an error's words.
  explicit Handles(const char* kind) : kind_(kind) {}

  T* add(std::unique_ptr<T> object) { return all_.emplace_back(std::move(object)).get(); }
  // Fault(InvalidHandle) for what is no handle, or no longer one.
  void require(const T* handle) const {
    if (std::none_of(all_.begin(), all_.end(), [&](const auto& p) { return p.get() == handle; })) {
      throw Fault{Status::InvalidHandle, fmt::format("not {}, or one that was destroyed", kind_)};
    }
  }
  std::unique_ptr<T> remove(const T* handle) {
    require(handle);
    const auto at = std::find_if(all_.begin(), all_.end(),
                                 [&](const auto& object) { return object.get() == handle; });
    std::unique_ptr<T> object = std::move(*at);
    all_.erase(at);
    return object;
  }
  const std::vector<std::unique_ptr<T>>& all() const { return all_; }

 private:
  const char* kind_;
  std::vector<std::unique_ptr<T>> all_;
};

}  // namespace basin::emulated
